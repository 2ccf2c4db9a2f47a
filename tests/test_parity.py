"""Parity names the first layer that differs, forgives rounding ties of float executions, and forgives nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import evbench.graph.execute as reference
from evbench.errors import ModelError
from evbench.events.recording import open_recording
from evbench.events.voxel import voxelize
from evbench.graph.execute import execute
from evbench.graph.model import Add, IntegerGraph, Operator
from evbench.graph.onnx import OnnxSession
from evbench.parity import Pair, ParityReport, ReferenceExecution, compare
from tests.graph.networks import float_graph, random_graph, residual_graph, sparse_windows

GRAPH = residual_graph(1, size=(32, 32))
WINDOWS = sparse_windows(8, 20, (10, 32, 32))


@dataclass
class Fake:
    """An execution under any name: a graph run by the reference, then changed."""

    name: str
    graph: IntegerGraph
    change: Callable[[dict[str, NDArray[Any]]], None] = lambda values: None

    def run(self, batch: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        values = {name: value.copy() for name, value in execute(self.graph, batch).items()}
        self.change(values)
        return values


def with_layer(index: int, **changes: object) -> IntegerGraph:
    operators = list(GRAPH.operators)
    operators[index] = replace(operators[index], **changes)  # type: ignore[arg-type]
    return replace(GRAPH, operators=tuple(operators))


def against_reference(*others: Any, graph: IntegerGraph = GRAPH) -> ParityReport:
    return compare(graph, [ReferenceExecution(graph), *others], WINDOWS, at_once=7)


def test_equal_executions_pass_with_zero_everywhere() -> None:
    report = against_reference(Fake("host", GRAPH), OnnxSession(GRAPH, optimised=True))
    assert report.passed
    for pair in report.to_json()["pairs"]:
        assert pair["max_lsb"] == pair["max_logit_deviation"] == pair["differing"] == 0
        assert pair["first_differing_layer"] is None


def test_the_report_has_the_promised_keys_and_is_json() -> None:
    report = json.loads(json.dumps(against_reference(Fake("host", GRAPH)).to_json()))
    assert report.keys() == {"windows", "pairs", "passed"}
    assert report["windows"] == 20
    assert {"a", "b", "max_lsb", "max_logit_deviation", "first_differing_layer"} <= report["pairs"][0].keys()
    assert (report["pairs"][0]["a"], report["pairs"][0]["b"]) == ("reference", "host")


@pytest.mark.parametrize("index", [0, 3, 6])
def test_a_corrupted_scale_is_found_in_its_layer(index: int) -> None:
    scale = GRAPH.operators[index].weight_scale  # type: ignore[attr-defined]
    report = against_reference(Fake("board", with_layer(index, weight_scale=scale * np.float32(1.01))))
    assert not report.passed
    assert report.pairs[0].first_differing_layer == GRAPH.operators[index].name


@pytest.mark.parametrize("index", [2, 5])
def test_a_dropped_bias_is_found_in_its_layer_and_worst_element(index: int) -> None:
    bias = np.zeros_like(GRAPH.operators[index].bias)  # type: ignore[attr-defined]
    broken = with_layer(index, bias=bias)
    report = against_reference(Fake("host", broken))
    worst = report.pairs[0].worst
    assert worst is not None
    assert worst.layer == GRAPH.operators[index].name
    tensor = GRAPH.operators[index].output
    good, bad = execute(GRAPH, WINDOWS)[tensor].astype(int), execute(broken, WINDOWS)[tensor].astype(int)
    place = (worst.window, *worst.position)
    assert (worst.a, worst.b) == (good[place], bad[place])
    assert abs(worst.a - worst.b) == np.abs(good - bad).max()


def test_a_head_without_bias_is_found_in_the_logits() -> None:
    head = len(GRAPH.operators) - 1
    bias = np.zeros_like(GRAPH.operators[head].bias)  # type: ignore[attr-defined]
    report = against_reference(Fake("host", with_layer(head, bias=bias)))
    assert not report.passed
    assert report.pairs[0].max_lsb == 0
    assert report.pairs[0].max_logit_deviation > 0
    assert report.pairs[0].first_differing_layer == GRAPH.operators[head].name


def test_rounding_half_up_is_found_in_the_first_layer_that_meets_a_half(monkeypatch: pytest.MonkeyPatch) -> None:
    tensors = dict(GRAPH.tensors)
    index = next(i for i, op in enumerate(GRAPH.operators) if op.kind == "GlobalAveragePool")
    mean = GRAPH.operators[index]
    tensors[mean.output] = replace(tensors[mean.output], scale=tensors[mean.inputs[0]].scale)  # m = 1 / 64: many halves
    halves = replace(GRAPH, tensors=tensors)
    good = ReferenceExecution(halves)
    expected = good.run(WINDOWS)
    monkeypatch.setattr(reference.np, "rint", lambda values: np.floor(values + np.float32(0.5)))
    bad = execute(halves, WINDOWS)
    monkeypatch.undo()
    report = compare(halves, [good, Fake("host", halves, lambda values: values.update(bad))], WINDOWS, at_once=20)
    first = next(op for op in halves.operators if not np.array_equal(expected[op.output], bad[op.output]))
    assert not report.passed
    assert report.pairs[0].max_lsb >= 1
    assert report.pairs[0].first_differing_layer == first.name


def test_one_byte_is_too_much_for_an_integer_execution_and_unexplained_in_a_float_one() -> None:
    target = GRAPH.operators[4]

    def flip(values: dict[str, NDArray[Any]]) -> None:
        values[target.output][0].flat[17] ^= 1

    exact, loose = against_reference(Fake("board", GRAPH, flip), Fake("torch", GRAPH, flip)).pairs
    assert exact.differing == loose.differing == 3  # once in each of the three batches
    assert not exact.passes(float_network=False)
    assert (loose.unexplained, loose.ties) == (3, 0)
    assert not loose.passes(float_network=False)
    assert exact.first_differing_layer == loose.first_differing_layer == target.name


def tie_graph() -> IntegerGraph:
    """A separable network whose third layer meets exact halves: its requantisation multiplies by 2**-9."""
    graph = random_graph(3, size=(32, 32))
    layer, source = graph.operators[2], graph.operators[2].inputs[0]
    tensors = dict(graph.tensors)
    tensors[layer.output] = replace(tensors[layer.output], scale=tensors[source].scale)
    operators = list(graph.operators)
    scales = np.full_like(layer.weight_scale, 2.0**-9)  # type: ignore[attr-defined]
    operators[2] = replace(layer, weight_scale=scales)  # type: ignore[call-arg]
    return replace(graph, tensors=tensors, operators=tuple(operators))


def rounded_down(graph: IntegerGraph, ties: int) -> Callable[[NDArray[np.uint8]], dict[str, NDArray[Any]]]:
    """An execution that takes the other side of the first `ties` halves in the third layer and goes on from there."""
    layer = graph.operators[2]

    def run(batch: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        values = execute(graph, batch)
        sums = reference.accumulate(graph, layer, [values[layer.inputs[0]]])
        exact = sums.astype(np.float64) / 512
        changed = values[layer.output].copy()
        halves = np.argwhere((exact - np.floor(exact) == 0.5) & (exact > 0) & (exact < 254))[:ties]
        for place in map(tuple, halves):
            changed[place] = 2 * np.floor(exact[place]) + 1 - changed[place]
        values[layer.output] = changed
        for operator in graph.operators[3:]:
            values[operator.output] = reference.run_operator(graph, operator, [values[n] for n in operator.inputs])
        return values

    return run


@dataclass
class Named:
    name: str
    run: Callable[[NDArray[np.uint8]], dict[str, NDArray[Any]]]


def test_the_other_side_of_a_half_is_proved_to_be_a_tie_and_what_follows_is_inherited() -> None:
    graph = tie_graph()
    report = compare(graph, [ReferenceExecution(graph), Named("torch", rounded_down(graph, 2))], WINDOWS, at_once=20)
    pair = report.pairs[0]
    assert (pair.ties, pair.unexplained, pair.own_max_lsb) == (2, 0, 1)
    assert pair.differing == pair.ties + pair.inherited
    assert pair.tie_distance == 0
    assert pair.first_differing_layer == graph.operators[2].name
    swapped = compare(graph, [Named("torch", rounded_down(graph, 2)), ReferenceExecution(graph)], WINDOWS, at_once=20)
    assert (swapped.pairs[0].ties, swapped.pairs[0].inherited) == (pair.ties, pair.inherited)
    exact = compare(graph, [ReferenceExecution(graph), Named("host", rounded_down(graph, 2))], WINDOWS, at_once=20)
    assert not exact.passed


def test_too_many_ties_do_not_pass() -> None:
    graph = tie_graph()
    pair = compare(graph, [ReferenceExecution(graph), Named("torch", rounded_down(graph, 400))], WINDOWS).pairs[0]
    assert pair.unexplained == 0
    assert pair.ties > 1e-4 * pair.elements
    assert not replace(pair, max_logit_deviation=0.0).passes(float_network=False)
    assert replace(pair, max_logit_deviation=0.0, ties=3).passes(float_network=False)


def test_logits_may_be_farther_apart_behind_a_tie_but_not_on_equal_inputs() -> None:
    pair = Pair("reference", "torch", 100_000, 18, 2, 0.011, False, None, ties=1, own_logit_deviation=1e-6)
    assert pair.passes(float_network=False)
    assert not replace(pair, ties=0).passes(float_network=False)
    assert not replace(pair, max_logit_deviation=0.051).passes(float_network=False)
    assert not replace(pair, own_logit_deviation=0.011).passes(float_network=False)


def test_logits_of_a_float_execution_are_held_to_its_own_inputs() -> None:
    def shift(values: dict[str, NDArray[Any]]) -> None:
        values[GRAPH.outputs[0]] += np.float32(0.02)

    report = against_reference(Fake("torch", GRAPH, shift))
    assert not report.passed
    assert report.pairs[0].own_logit_deviation == pytest.approx(0.02, rel=1e-3)


def test_every_difference_of_unoptimised_onnx_runtime_is_explained() -> None:
    graphs = [residual_graph(seed) for seed in (0, 4)] + [random_graph(0)]
    pairs = []
    for graph in graphs:
        windows = sparse_windows(99, 12, graph.tensors["input"].shape)  # type: ignore[arg-type]
        pairs += compare(graph, [ReferenceExecution(graph), OnnxSession(graph, optimised=False)], windows).pairs
    assert sum(pair.ties for pair in pairs) > 0
    assert sum(pair.unexplained for pair in pairs) == 0
    assert max(pair.tie_distance for pair in pairs) < 1e-4


def test_a_residual_sum_in_float_needs_no_forgiveness() -> None:
    """Addition is defined as the float operators compute it, so given equal inputs it is exact everywhere."""
    graph = residual_graph(0)
    windows = sparse_windows(99, 12, (10, 64, 64))
    values = OnnxSession(graph, optimised=False).run(windows)
    for operator in graph.operators:
        if isinstance(operator, Add):
            again = reference.run_operator(graph, operator, [values[name] for name in operator.inputs])
            assert np.array_equal(again, values[operator.output])


@pytest.mark.parametrize("optimised", [True, False])
def test_float_networks_are_judged_by_their_logits(optimised: bool) -> None:
    graph = float_graph(1, size=(32, 32))
    report = against_reference(OnnxSession(graph, optimised), graph=graph)
    assert report.passed
    assert 0 < report.pairs[0].max_logit_deviation < 1e-4

    def shift(values: dict[str, NDArray[Any]]) -> None:
        values[graph.outputs[0]] += np.float32(0.02)

    far = against_reference(Fake("host", graph, shift), graph=graph)
    assert not far.passed
    assert far.pairs[0].first_differing_layer == graph.operators[-1].name


def test_a_logit_that_is_not_a_number_fails_and_stays_json() -> None:
    def spoil(values: dict[str, NDArray[Any]]) -> None:
        values[GRAPH.outputs[0]][0, 0] = np.nan

    report = against_reference(Fake("host", GRAPH, spoil))
    assert not report.passed
    assert "NaN" not in json.dumps(report.to_json())


def test_progress_counts_windows_to_the_last() -> None:
    seen: list[int] = []
    compare(GRAPH, [ReferenceExecution(GRAPH), Fake("host", GRAPH)], WINDOWS, at_once=8, on_windows=seen.append)
    assert seen == [8, 16, 20]


def test_tensors_of_another_shape_are_refused_with_the_layer() -> None:
    layer: Operator = GRAPH.operators[0]

    def crop(values: dict[str, NDArray[Any]]) -> None:
        values[layer.output] = values[layer.output][:, :, 1:]

    with pytest.raises(ModelError, match=f"layer '{layer.name}'"):
        against_reference(Fake("host", GRAPH, crop))


def test_a_lone_execution_is_nothing_to_compare() -> None:
    with pytest.raises(ModelError, match="nothing to compare"):
        compare(GRAPH, [ReferenceExecution(GRAPH)], WINDOWS)


def test_integer_kernels_equal_the_reference_on_real_windows(shared_data: Path) -> None:
    recording = open_recording(shared_data / "dvs128-waves" / "wave-1.aedat4")
    grids = []
    for window in recording.windows(50_000):
        part = window.stream
        counts = voxelize(
            part.t, part.x, part.y, part.on, t0=window.t0, duration=window.duration, bins=5, size=(128, 128)
        )
        grids.append(counts.reshape(10, 128, 128))
        if len(grids) == 40:
            break
    graph = random_graph(0)
    sessions = [OnnxSession(graph, optimised=True), OnnxSession(graph, optimised=False)]
    report = compare(graph, [ReferenceExecution(graph), *sessions], np.stack(grids))
    exact, loose = report.pairs
    assert (exact.differing, exact.equal_logits) == (0, True)
    assert exact.elements > 3_000_000
    assert loose.unexplained == 0
