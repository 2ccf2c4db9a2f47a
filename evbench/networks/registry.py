"""Creates networks by registered name or by `package.module:Class`."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable

from torch import nn

from evbench.errors import ModelError
from evbench.networks.frame_resnet import FrameResNet
from evbench.networks.resnet8 import ResNet8
from evbench.networks.voxel_dsc import VoxelDSC
from evbench.networks.voxel_resnet import VoxelResNet

_NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "frame-resnet": FrameResNet,
    "resnet8": ResNet8,
    "voxel-dsc": VoxelDSC,
    "voxel-resnet": VoxelResNet,
}


def registered() -> list[str]:
    """The names `create` knows, sorted."""
    return sorted(_NETWORKS)


def create(name: str, in_channels: int, classes: int, size: tuple[int, int]) -> nn.Module:
    """A fresh network for inputs [N, in_channels, H, W] with (H, W) = `size` that gives logits [N, classes].

    `name` is a registered name or `package.module:Class`; a user's class is called as
    `Class(in_channels, classes, size)`. Raises ModelError when there is no such network, when it cannot be made or
    when it is not a torch module.
    """
    factory = _import_class(name) if ":" in name else _NETWORKS.get(name)
    if factory is None:
        near = difflib.get_close_matches(name, _NETWORKS, n=1)
        remedy = f"Did you mean {near[0]!r}?" if near else f"Use one of {', '.join(registered())}"
        raise ModelError(
            f"There is no network called {name!r}", where="[network] name", remedy=f"{remedy} or package.module:Class"
        )
    try:
        network = factory(in_channels, classes, size)
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(
            f"The network {name!r} could not be made: {error}",
            where=f"{name}({in_channels}, {classes}, {size})",
            remedy="Its class takes (in_channels, classes, size)",
        ) from error
    if not isinstance(network, nn.Module):
        raise ModelError(
            f"{name!r} is not a network",
            where=f"It is a {type(network).__name__}",
            remedy="Name a torch.nn.Module class",
        )
    return network


def parameter_count(network: nn.Module) -> int:
    """Number of trainable parameters."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


def _import_class(path: str) -> Callable[..., nn.Module]:
    module_name, _, class_name = path.partition(":")
    try:
        found = getattr(importlib.import_module(module_name), class_name)
    except ImportError as error:
        raise ModelError(
            f"The module of network {path!r} cannot be imported: {error}",
            where="[network] name",
            remedy="Check the spelling and that the package is installed beside evbench",
        ) from error
    except AttributeError as error:
        raise ModelError(
            f"The module {module_name!r} has no {class_name!r}", where="[network] name", remedy="Check the class's name"
        ) from error
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise ModelError(
            f"{path!r} is not a network", where="[network] name", remedy="Name a class derived from torch.nn.Module"
        )
    return found
