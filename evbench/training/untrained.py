"""Quantised networks that nobody trained: random weights in a real shape, for measurements that no accuracy enters."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from evbench.graph.activity import with_activity
from evbench.graph.model import IntegerGraph
from evbench.networks.registry import create
from evbench.profiles import Precision, QuantizeSettings
from evbench.quantize.lower import lower
from evbench.quantize.program import convert, prepare
from evbench.training.torch_setup import torch

_BATCH = 8


def untrained_graph(
    network: str,
    shape: tuple[int, int, int],
    classes: int,
    seed: int = 0,
    layers: Mapping[str, Precision] | None = None,
) -> IntegerGraph:
    """The integer graph of a network by registered name or `package.module:Class`, for inputs uint8 `shape` (C, H, W).

    `layers` have another precision than int8. Weights are the first ones of `seed`; batch norm and activation ranges
    are those of uniformly random inputs. Raises ModelError when the network cannot be made or quantised.
    """
    torch.manual_seed(seed)
    module = create(network, shape[0], classes, (shape[1], shape[2]))
    inputs = np.random.default_rng(seed).integers(0, 255, (_BATCH, *shape), np.uint8, endpoint=True)
    batch = torch.from_numpy(inputs).float()
    for layer in module.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = None  # the statistics of the one batch, not a tenth of them
    with torch.no_grad():
        module.train()(batch)
    program = prepare(module, shape, QuantizeSettings(layers=dict(layers or {}))).calibrate([batch])
    return with_activity(lower(convert(program), network, {"bins": "0"}), inputs)
