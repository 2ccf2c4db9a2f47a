"""The reference execution against its formulas written out once more, element by element."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evbench.errors import ModelError
from evbench.graph.execute import accumulate, accumulator_bound, execute, multipliers
from evbench.graph.model import Add, Conv2d, DType, GlobalAveragePool, IntegerGraph, Linear, Operator, Tensor
from tests.graph.networks import float_graph, odd_graph, random_graph, residual_graph, sparse_windows

F = np.float32


def single(operator: Operator, inputs: list[Tensor], output: Tensor) -> IntegerGraph:
    tensors = {tensor.name: tensor for tensor in (*inputs, output)}
    return IntegerGraph("one", tensors, (operator,), ("input",), (output.name,))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), stride=st.sampled_from([1, 2]), groups=st.booleans(), zero=st.integers(0, 255))
def test_a_convolution_equals_its_definition(seed: int, stride: int, groups: bool, zero: int) -> None:
    rng = np.random.default_rng(seed)
    channels, height, width = (int(value) for value in rng.integers(1, 6, 3))
    outputs = channels if groups else int(rng.integers(1, 5))
    top, left, bottom, right = (int(value) for value in rng.integers(1, 3, 4))
    weight = rng.integers(-127, 128, (outputs, 1 if groups else channels, 3, 3)).astype(np.int8)
    scale = rng.uniform(1e-3, 1e-2, outputs).astype(F)
    bias = rng.integers(-2000, 2000, outputs).astype(np.int32)
    padding = (top, left, bottom, right)
    operator = Conv2d(
        "c", ("input",), "out", weight, scale, bias, (stride, stride), padding, channels if groups else 1, True
    )
    rows, columns = (height + top + bottom - 3) // stride + 1, (width + left + right - 3) // stride + 1
    graph = single(
        operator,
        [Tensor("input", (channels, height, width), DType.U8, float(F(0.3)), zero)],
        Tensor("out", (outputs, rows, columns), DType.U8, float(F(0.9)), 3),
    )
    batch = rng.integers(0, 256, (2, channels, height, width)).astype(np.uint8)
    got = execute(graph, batch)["out"]
    for n, o, y, x in np.ndindex(got.shape):
        acc = int(bias[o])
        for c in range(channels):
            if groups and c != o:
                continue
            for ky in range(3):
                for kx in range(3):
                    row, column = y * stride + ky - top, x * stride + kx - left
                    if 0 <= row < height and 0 <= column < width:
                        acc += int(weight[o, 0 if groups else c, ky, kx]) * (int(batch[n, c, row, column]) - zero)
        m = F(F(F(0.3) * scale[o]) / F(0.9))
        assert got[n, o, y, x] == min(max(int(np.rint(F(acc) * m)), 0) + 3, 255)


def test_halves_round_to_the_even_neighbour() -> None:
    operator = Conv2d(
        "c",
        ("input",),
        "out",
        np.ones((1, 1, 1, 1), np.int8),
        np.array([0.5], F),
        np.zeros(1, np.int32),
        (1, 1),
        (0, 0, 0, 0),
        1,
        True,
    )
    graph = single(operator, [Tensor("input", (1, 1, 6), DType.U8)], Tensor("out", (1, 1, 6), DType.U8))
    batch = np.array([0, 1, 2, 3, 5, 7], np.uint8).reshape(1, 1, 1, 6)
    assert execute(graph, batch)["out"].ravel().tolist() == [0, 0, 1, 2, 2, 4]


def test_sums_beyond_float32_stay_exact() -> None:
    weight = np.full((1, 2048), 127, np.int8)
    operator = Linear("fc", ("input",), "out", weight, np.ones(1, F), np.array([1], np.int32), False)
    graph = single(operator, [Tensor("input", (2048,), DType.U8)], Tensor("out", (1,), DType.F32))
    batch = np.full((1, 2048), 255, np.uint8)
    assert accumulator_bound(graph, operator) == 2048 * 127 * 255 + 1 > 2**24
    assert accumulate(graph, operator, [batch]).item() == 2048 * 127 * 255 + 1
    assert execute(graph, batch)["out"].item() == F(2048 * 127 * 255 + 1)


def test_logits_are_the_accumulator_times_one_float32_product() -> None:
    graph = random_graph(3, size=(32, 32))
    values = execute(graph, sparse_windows(5, 4, (10, 32, 32)))
    head = graph.operators[-1]
    assert isinstance(head, Linear)
    pooled = values[head.inputs[0]].reshape(4, -1).astype(np.int64)
    acc = pooled @ head.weight.astype(np.int64).T + head.bias
    product = F(graph.tensors[head.inputs[0]].scale) * head.weight_scale
    assert np.array_equal(values[head.output], acc.astype(F) * product)


def test_the_mean_multiplies_the_sum_once() -> None:
    operator = GlobalAveragePool("m", ("input",), "out")
    given_tensor = Tensor("input", (3, 5, 7), DType.U8, float(F(0.1)), 9)
    graph = single(operator, [given_tensor], Tensor("out", (3, 1, 1), DType.U8, float(F(0.04)), 2))
    batch = np.random.default_rng(0).integers(0, 256, (4, 3, 5, 7)).astype(np.uint8)
    sums = batch.astype(int).sum(axis=(2, 3), keepdims=True) - 9 * 35
    m = F(0.1) / (F(0.04) * F(35))
    expected = np.clip(np.rint(sums.astype(F) * m) + 2, 0, 255)
    assert multipliers(graph, operator).tolist() == [m]
    assert np.array_equal(execute(graph, batch)["out"], expected)


@settings(max_examples=30, deadline=None)
@given(
    scales=st.tuples(*[st.floats(2**-10, 8, width=32)] * 3),
    zeros=st.tuples(*[st.integers(0, 255)] * 3),
    relu=st.booleans(),
)
def test_an_addition_is_within_one_rounding_of_the_exact_sum(
    scales: tuple[float, float, float], zeros: tuple[int, int, int], relu: bool
) -> None:
    a = Tensor("input", (1, 16, 16), DType.U8, scales[0], zeros[0])
    b = Tensor("b", (1, 16, 16), DType.U8, scales[1], zeros[1])
    out = Tensor("out", (1, 16, 16), DType.U8, scales[2], zeros[2])
    shift = Conv2d(
        "shift",
        ("input",),
        "b",
        np.full((1, 1, 1, 1), 3, np.int8),
        np.array([0.5], F),
        np.zeros(1, np.int32),
        (1, 1),
        (0, 0, 0, 0),
        1,
        False,
    )
    graph = IntegerGraph(
        "add", {t.name: t for t in (a, b, out)}, (shift, Add("add", ("input", "b"), "out", relu)), ("input",), ("out",)
    )
    values = execute(graph, np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16))
    for first, second, got in zip(values["input"].flat, values["b"].flat, values["out"].flat, strict=True):
        exact = (int(first) - zeros[0]) * Fraction(scales[0]) + (int(second) - zeros[1]) * Fraction(scales[1])
        lowest = 0 if relu else -zeros[2]
        ideal = min(max(exact / Fraction(scales[2]), lowest), 255 - zeros[2])
        spread = 256 * (scales[0] + scales[1]) / scales[2] * 2**-21
        assert abs(int(got) - zeros[2] - ideal) <= Fraction(1, 2) + Fraction(spread)


def test_the_maximum_ignores_padding_below_the_zero_point() -> None:
    graph = odd_graph(1)
    values = execute(graph, sparse_windows(3, 2, graph.tensors["input"].shape))
    pool = next(op for op in graph.operators if op.kind == "MaxPool2d")
    source = values[pool.inputs[0]]
    rows, columns = values[pool.output].shape[2:]
    tiles = source[:, :, : 2 * rows, : 2 * columns].reshape(*source.shape[:2], rows, 2, columns, 2)
    assert np.array_equal(values[pool.output], tiles.max(axis=(3, 5)))


def test_results_do_not_depend_on_the_batch() -> None:
    for graph in (random_graph(1, size=(32, 32)), residual_graph(1, size=(32, 32)), odd_graph(2)):
        windows = sparse_windows(7, 11, graph.tensors["input"].shape)
        together = execute(graph, windows)
        alone = [execute(graph, windows[n : n + 1]) for n in range(11)]
        for name, tensor in together.items():
            assert np.array_equal(tensor, np.concatenate([one[name] for one in alone])), name


def test_a_float_network_reads_counts_and_gives_float32() -> None:
    graph = float_graph(4, size=(32, 32))
    values = execute(graph, sparse_windows(1, 2, (10, 32, 32)))
    assert graph.is_float
    assert {values[op.output].dtype for op in graph.operators} == {np.dtype(F)}


def test_windows_of_another_shape_are_refused_by_name() -> None:
    graph = random_graph(0, size=(32, 32))
    with pytest.raises(ModelError, match=r"\(10, 16, 16\).*input"):
        execute(graph, np.zeros((1, 10, 16, 16), np.uint8))
