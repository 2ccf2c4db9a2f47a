"""Faults planted into one layer of one execution are found by parity and called by their names."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from evbench.graph.execute import accumulate, execute, multipliers, run_operator, scaled_output, stored_output
from evbench.graph.faults import Fault, recognise
from evbench.graph.model import Conv2d, IntegerGraph, Linear, Operator
from evbench.parity import Pair, ReferenceExecution, compare
from tests.graph.networks import Builder, residual_graph, sparse_windows

GRAPH = residual_graph(1, size=(32, 32))
WINDOWS = sparse_windows(8, 12, (10, 32, 32))

Layer = Callable[[Operator, list[NDArray[Any]]], NDArray[Any]]


@dataclass
class Planted:
    """The reference with one layer computed otherwise; later layers work on what that gave."""

    graph: IntegerGraph
    index: int
    layer: Layer
    name: str = "board"

    def run(self, batch: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        values: dict[str, NDArray[Any]] = {self.graph.inputs[0]: batch}
        for index, operator in enumerate(self.graph.operators):
            inputs = [values[name] for name in operator.inputs]
            faulty = index == self.index
            values[operator.output] = (
                self.layer(operator, inputs) if faulty else run_operator(self.graph, operator, inputs)
            )
        return values


def found(index: int, layer: Layer, graph: IntegerGraph = GRAPH, windows: NDArray[np.uint8] = WINDOWS) -> Pair:
    """The pair of the reference and an execution with a fault in layer `index`, which must be the first to differ."""
    pair = compare(graph, [ReferenceExecution(graph), Planted(graph, index, layer)], windows).pairs[0]
    assert not pair.passes(float_network=False)
    assert pair.first_differing_layer == graph.operators[index].name
    assert pair.worst is not None
    assert pair.worst.a != pair.worst.b
    return pair


def named(pair: Pair) -> Fault:
    assert pair.fault is not None, "no fault was recognised"
    assert pair.faulty == "board"
    assert pair.fault.layer == pair.first_differing_layer
    return pair.fault


def changed(graph: IntegerGraph = GRAPH, **changes: Callable[[NDArray[Any]], NDArray[Any]]) -> Layer:
    """A layer with other constants."""

    def run(operator: Operator, inputs: list[NDArray[Any]]) -> NDArray[Any]:
        constants: Any = {name: change(getattr(operator, name).copy()) for name, change in changes.items()}
        return run_operator(graph, replace(operator, **constants), inputs)

    return run


def rounded(rounding: Callable[[NDArray[np.float32]], NDArray[np.float32]], graph: IntegerGraph = GRAPH) -> Layer:
    def run(operator: Operator, inputs: list[NDArray[Any]]) -> NDArray[Any]:
        scaled = scaled_output(graph, operator, inputs)
        assert scaled is not None
        return stored_output(graph, operator, rounding(scaled))

    return run


def weighted() -> list[int]:
    return [index for index, operator in enumerate(GRAPH.operators) if isinstance(operator, Conv2d | Linear)]


@pytest.mark.parametrize("index", weighted())
@pytest.mark.parametrize("factor", [1.01, 0.5])
def test_a_corrupted_scale_is_named_with_its_factor(index: int, factor: float) -> None:
    fault = named(found(index, changed(weight_scale=lambda scale: scale * np.float32(factor))))
    assert fault.kind == "corrupted scale"
    estimate = re.search(r"about ([\d.]+) times", fault.text)
    assert estimate is not None
    assert float(estimate[1]) == pytest.approx(factor, rel=0.005)


def test_a_corrupted_scale_of_one_channel_is_named_with_the_channel() -> None:
    def double(scale: NDArray[Any]) -> NDArray[Any]:
        scale[5] *= 2
        return scale

    fault = named(found(3, changed(weight_scale=double)))
    assert (fault.kind, fault.text) == ("corrupted scale", "the scale is about 2 times what it should be in channel 5")


@pytest.mark.parametrize("index", weighted())
def test_a_dropped_bias_is_named(index: int) -> None:
    fault = named(found(index, changed(bias=np.zeros_like)))
    assert fault.kind == "dropped bias"
    assert fault.explained == 1.0


def test_the_bias_of_one_channel_is_named_with_the_channel() -> None:
    def drop(bias: NDArray[Any]) -> NDArray[Any]:
        bias[2] = 0
        return bias

    fault = named(found(0, changed(bias=drop)))
    assert (fault.kind, fault.text) == ("dropped bias", "the bias is missing in channel 2")


def halves_graph() -> tuple[IntegerGraph, int]:
    """A network whose global mean meets many exact halves: it multiplies by a power of two."""
    index = next(i for i, op in enumerate(GRAPH.operators) if op.kind == "GlobalAveragePool")
    mean = GRAPH.operators[index]
    tensors = dict(GRAPH.tensors)
    tensors[mean.output] = replace(tensors[mean.output], scale=tensors[mean.inputs[0]].scale)
    return replace(GRAPH, tensors=tensors), index


@pytest.mark.parametrize(
    ("rounding", "words"),
    [
        (lambda x: np.floor(x + np.float32(0.5)), "rounded up, not to even"),
        (lambda x: np.ceil(x - np.float32(0.5)), "rounded towards zero, not to even"),
    ],
)
def test_another_rounding_of_halves_is_named(rounding: Any, words: str) -> None:
    graph, index = halves_graph()
    fault = named(found(index, rounded(rounding, graph), graph))
    assert fault.kind == "rounding"
    assert words in fault.text


@pytest.mark.parametrize("index", [2, 4])
@pytest.mark.parametrize(("rounding", "words"), [(np.trunc, "cut off"), (np.ceil, "rounded up")])
def test_a_wrong_rounding_mode_is_named(index: int, rounding: Any, words: str) -> None:
    fault = named(found(index, rounded(rounding)))
    assert fault.kind == "rounding"
    assert words in fault.text


def fixed_point(sums: int, real: float) -> int:
    """CMSIS-NN's arm_nn_requantize, written after its C: doubling high multiply, then a rounding shift."""
    fraction, exponent = np.frexp(real)
    high = (sums * (1 << max(int(exponent), 0)) * int(np.rint(fraction * 2**31)) + (1 << 30)) >> 31
    shift = max(-int(exponent), 0)
    mask = (1 << shift) - 1
    threshold = (mask >> 1) + (1 if high >> shift < 0 else 0)
    return int((high >> shift) + (1 if high & mask > threshold else 0))


def test_requantising_in_fixed_point_with_two_roundings_is_named() -> None:
    def layer(operator: Operator, inputs: list[NDArray[Any]]) -> NDArray[Any]:
        assert isinstance(operator, Conv2d)
        sums, factors = accumulate(GRAPH, operator, inputs), multipliers(GRAPH, operator).astype(float)
        given = np.empty(sums.shape, np.float32)
        for place in np.ndindex(sums.shape):
            given[place] = fixed_point(int(sums[place]), float(factors[place[1]]))
        return stored_output(GRAPH, operator, given)

    fault = named(found(2, layer, windows=WINDOWS[:8]))
    assert fault.kind == "rounding"
    assert "two roundings" in fault.text


@pytest.mark.parametrize("index", [0, 2])
def test_a_kernel_that_saturates_too_early_is_named_with_its_limit(index: int) -> None:
    def layer(operator: Operator, inputs: list[NDArray[Any]]) -> NDArray[Any]:
        return np.minimum(run_operator(GRAPH, operator, inputs), np.uint8(100))

    fault = named(found(index, layer))
    assert (fault.kind, fault.text) == ("saturation", "values saturate above 100")


@pytest.mark.parametrize("channels_last", [True, False])
def test_pairs_of_products_that_saturate_at_16_bits_are_named(channels_last: bool) -> None:
    rng = np.random.default_rng(3)
    windows = rng.integers(0, 256, (2, 4, 6, 6), np.uint8)
    build = Builder(0, windows)
    graph = build.graph(build.linear(build.conv("input", 6, padding=(1, 1, 1, 1)), 3), "dense")
    first = graph.operators[0]
    assert isinstance(first, Conv2d)
    strong = replace(
        first,
        weight=rng.integers(90, 128, first.weight.shape).astype(np.int8)
        * rng.choice(np.array([-1, 1], np.int8), (6, 4, 3, 3)),
    )
    graph = replace(graph, operators=(strong, *graph.operators[1:]))

    def layer(operator: Operator, inputs: list[NDArray[Any]]) -> NDArray[Any]:
        assert isinstance(operator, Conv2d)
        padded = np.pad(inputs[0].astype(int), ((0, 0), (0, 0), (1, 1), (1, 1)))
        sums = np.zeros((2, 6, 6, 6))
        axes = (1, 2, 0) if channels_last else (0, 1, 2)
        for window, channel, y, x in np.ndindex(sums.shape):
            taps = padded[window, :, y : y + 3, x : x + 3].transpose(axes).ravel()
            products = taps * operator.weight[channel].astype(int).transpose(axes).ravel()
            sums[window, channel, y, x] = np.clip(products.reshape(-1, 2).sum(axis=1), -32768, 32767).sum()
        scaled = (sums + operator.bias[:, None, None]).astype(np.float32) * multipliers(graph, operator)[:, None, None]
        return stored_output(graph, operator, scaled)

    fault = named(found(0, layer, graph, windows))
    assert fault.kind == "saturation"
    assert "vpmaddubsw" in fault.text


def test_an_output_that_was_never_written_is_named() -> None:
    fault = named(found(3, lambda operator, inputs: np.zeros_like(run_operator(GRAPH, operator, inputs))))
    assert fault.kind == "constant"


def test_noise_is_given_no_name() -> None:
    rng = np.random.default_rng(0)

    def layer(operator: Operator, inputs: list[NDArray[Any]]) -> NDArray[Any]:
        stored = run_operator(GRAPH, operator, inputs)
        return np.where(rng.random(stored.shape) < 0.1, stored ^ 5, stored).astype(stored.dtype)

    assert found(2, layer).fault is None


def test_a_layer_that_is_right_has_no_fault() -> None:
    values = execute(GRAPH, WINDOWS)
    for operator in GRAPH.operators:
        assert recognise(GRAPH, operator, [values[name] for name in operator.inputs], values[operator.output]) is None


def test_the_report_says_which_execution_has_which_fault() -> None:
    execution = Planted(GRAPH, 2, changed(bias=np.zeros_like))
    report = json.loads(json.dumps(compare(GRAPH, [ReferenceExecution(GRAPH), execution], WINDOWS).to_json()))
    fault = report["pairs"][0]["fault"]
    assert (fault["kind"], fault["layer"], fault["execution"]) == ("dropped bias", GRAPH.operators[2].name, "board")
    swapped = compare(GRAPH, [execution, ReferenceExecution(GRAPH)], WINDOWS).pairs[0]
    assert swapped.fault is not None
    assert (swapped.fault.kind, swapped.faulty) == ("dropped bias", "board")


def test_onnx_runtime_as_it_comes_is_reported_and_not_judged() -> None:
    execution = Planted(GRAPH, 0, changed(bias=np.zeros_like), "ort-uint8")
    report = compare(GRAPH, [ReferenceExecution(GRAPH), execution], WINDOWS)
    assert report.passed
    pair = report.to_json()["pairs"][0]
    assert pair["differing"] > 0
    assert not pair["judged"]
