"""Networks are made by name, keep their sizes, and say clearly when they cannot be made."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from evbench.errors import ModelError
from evbench.networks.registry import create, parameter_count, registered


class FixedHead(nn.Module):
    """A user's own network."""

    def __init__(self, in_channels: int, classes: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.linear = nn.Linear(in_channels * size[0] * size[1], classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x.flatten(1))


class Unmakeable(nn.Module):
    """A network that refuses every size."""

    def __init__(self, in_channels: int, classes: int, size: tuple[int, int]) -> None:
        raise ValueError("size must be a power of three")


NOT_A_CLASS = 3


def multiply_accumulates(network: nn.Module, shape: tuple[int, ...]) -> int:
    counts: list[int] = []

    def count(module: nn.Module, _: object, output: torch.Tensor) -> None:
        assert isinstance(module, nn.Conv2d | nn.Linear)
        counts.append(output[0].numel() * module.weight[0].numel())

    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(count)
    network.eval()(torch.zeros(1, *shape))
    return sum(counts)


@pytest.mark.parametrize("name", ["frame-resnet", "voxel-resnet", "voxel-dsc"])
@pytest.mark.parametrize("size", [(34, 34), (128, 128), (48, 64)])
def test_every_registered_network_gives_one_logit_per_class(name: str, size: tuple[int, int]) -> None:
    channels = 2 if name == "frame-resnet" else 10
    assert name in registered()
    assert create(name, channels, 7, size)(torch.zeros(2, channels, *size)).shape == (2, 7)


def test_the_frame_baseline_weighs_as_much_as_the_claims_say() -> None:
    network = create("frame-resnet", 2, 11, (128, 128))
    assert next(m for m in network.modules() if isinstance(m, nn.Conv2d)).out_channels == 64
    assert parameter_count(network) * 4 == pytest.approx(4.2e6, rel=0.02)


def test_the_voxel_baseline_weighs_and_works_as_much_as_the_claims_say() -> None:
    network = create("voxel-resnet", 10, 11, (128, 128))
    assert next(m for m in network.modules() if isinstance(m, nn.Conv2d)).out_channels == 24
    assert parameter_count(network) * 4 == pytest.approx(3.1e6, rel=0.02)
    assert multiply_accumulates(network, (10, 128, 128)) <= 15_000_000


def test_the_network_to_ship_is_small() -> None:
    network = create("voxel-dsc", 10, 11, (128, 128))
    assert parameter_count(network) < 150_000
    assert multiply_accumulates(network, (10, 128, 128)) <= 6_000_000


@pytest.mark.parametrize(("name", "channels"), [("frame-resnet", 2), ("voxel-resnet", 10), ("voxel-dsc", 10)])
def test_two_live_float_maps_and_the_input_fit_the_ram_of_the_board(name: str, channels: int) -> None:
    largest = 0

    def remember(_: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        nonlocal largest
        given = inputs[0].numel() * (1 if inputs[0].shape[1] == channels else 4)
        largest = max(largest, given + 4 * output.numel())

    network = create(name, channels, 11, (128, 128)).eval()
    for module in network.modules():
        if not list(module.children()):
            module.register_forward_hook(remember)
    network(torch.zeros(1, channels, 128, 128))
    assert largest <= (512 + 288) * 1024


def test_a_users_own_class_is_made_from_its_path() -> None:
    network = create(f"{__name__}:FixedHead", 2, 3, (4, 4))
    assert network(torch.zeros(1, 2, 4, 4)).shape == (1, 3)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("voxel-dcs", "voxel-dsc"),
        ("no.such.package:Class", "cannot be imported"),
        (f"{__name__}:Missing", "has no 'Missing'"),
        (f"{__name__}:NOT_A_CLASS", "not a network"),
        ("collections:OrderedDict", "not a network"),
        (f"{__name__}:Unmakeable", "power of three"),
    ],
)
def test_a_network_that_cannot_be_made_is_explained(name: str, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        create(name, 2, 3, (4, 4))
