"""Every registered network travels the whole road: prepared, shown data, converted, lowered, executed as integers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from evbench.graph.execute import execute
from evbench.networks.registry import create, registered
from evbench.profiles import QuantizeSettings
from evbench.quantize.lower import lower, lower_float
from evbench.quantize.program import convert, prepare

SIZE = (34, 34)


def counts(channels: int) -> np.ndarray:
    rng = np.random.default_rng(5)
    return (rng.integers(1, 4, (3, channels, *SIZE)) * (rng.random((3, channels, *SIZE)) < 0.03)).astype(np.uint8)


@pytest.mark.parametrize("name", registered())
def test_a_registered_network_gives_the_same_logits_as_integers_and_in_torch(name: str) -> None:
    torch.manual_seed(0)
    channels = 2 if name == "frame-resnet" else 10
    batch = counts(channels)
    program = prepare(create(name, channels, 5, SIZE), (channels, *SIZE), QuantizeSettings())
    program(torch.from_numpy(batch).float())
    converted = convert(program)
    graph = lower(converted, name, {})
    with torch.no_grad():
        expected = converted(torch.from_numpy(batch).float()).numpy()
    found = execute(graph, batch)[graph.outputs[0]].reshape(expected.shape)
    np.testing.assert_allclose(found, expected, atol=0.01)


@pytest.mark.parametrize("name", registered())
def test_a_registered_network_gives_the_same_logits_in_float(name: str) -> None:
    torch.manual_seed(0)
    channels = 2 if name == "frame-resnet" else 10
    batch = counts(channels)
    network = create(name, channels, 5, SIZE).eval()
    graph = lower_float(network, (channels, *SIZE), name, {})
    with torch.no_grad():
        expected = network(torch.from_numpy(batch).float()).numpy()
    found = execute(graph, batch)[graph.outputs[0]].reshape(expected.shape)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
