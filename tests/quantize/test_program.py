"""Preparing, training, converting, lowering and reading back small networks, end to end."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_networks import NETWORKS, SHAPE, counts, train

from evbench.graph.execute import execute
from evbench.quantize.execution import TorchExecution
from evbench.quantize.lower import lower
from evbench.quantize.program import ConvertedProgram, PreparedProgram, convert, prepare


@pytest.fixture(scope="module", params=sorted(NETWORKS))
def trained(request: pytest.FixtureRequest) -> PreparedProgram:
    torch.manual_seed(1)
    return train(prepare(NETWORKS[request.param](), SHAPE))


@pytest.fixture(scope="module")
def converted(trained: PreparedProgram) -> ConvertedProgram:
    return convert(trained)


def test_fake_quant_in_evaluation_gives_exactly_the_logits_of_the_converted_program(
    trained: PreparedProgram, converted: ConvertedProgram
) -> None:
    batch = counts(64, seed=77)
    assert torch.equal(trained(batch), converted(batch))


def test_the_graph_in_integers_agrees_with_torch_on_every_tensor(converted: ConvertedProgram) -> None:
    graph, batch = lower(converted, "small"), counts(200, seed=78).numpy()
    integers, floats = execute(graph, batch), TorchExecution(converted).run(batch)
    assert list(floats) == list(integers)
    for name, expected in integers.items():
        actual = floats[name]
        assert (actual.dtype, actual.shape) == (expected.dtype, expected.shape)
        if graph.tensors[name].dtype.is_float:
            np.testing.assert_allclose(actual, expected, atol=0.01)
        else:
            difference = np.abs(actual.astype(np.int64) - expected)
            assert difference.max() <= 1, name
            assert np.count_nonzero(difference) <= 1e-4 * difference.size, name
