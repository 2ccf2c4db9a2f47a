"""Networks that skip where nothing happened: every tensor as in the reference execution, on every kind of window."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from evbench.compile.host import EVENT, HostModel
from evbench.compile.sparse import WORTH_SITES, WORTH_TAPS, choose
from evbench.graph.activity import measure_activity, with_activity
from evbench.graph.execute import execute
from evbench.graph.model import Add, AveragePool2d, Conv2d, IntegerGraph, MaxPool2d
from tests.graph.networks import (
    Builder,
    branched_graph,
    float_graph,
    odd_graph,
    random_graph,
    residual_graph,
    sparse_windows,
)

SHAPE = (4, 44, 37)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> HostModel:
    graph = random_graph(11, size=SHAPE[1:], bins=2, width=4, classes=5)
    return HostModel(graph, tmp_path_factory.mktemp("host"))


def events_of(window: NDArray[np.uint8]) -> NDArray[np.void]:
    """A voxel grid [2 * bins, H, W] as events, one per count."""
    bins = len(window) // 2
    channel, y, x = window.nonzero()
    events = np.zeros(len(channel), EVENT)
    events["x"], events["y"], events["on"], events["bin"] = x, y, channel // bins, channel % bins
    return np.repeat(events, window[channel, y, x])


def assert_equal(model: HostModel, windows: NDArray[np.uint8]) -> None:
    """Dense windows, one after the other, and the same windows as events."""
    expected, dense = execute(model.graph, windows), model.run(windows)
    for name, values in expected.items():
        np.testing.assert_array_equal(dense[name], values, err_msg=name)
    for number, window in enumerate(windows):
        for name, values in model.run_events(events_of(window)).items():
            np.testing.assert_array_equal(values[0], expected[name][number], err_msg=name)


def test_all_convolutions_of_the_network_to_ship_skip(model: HostModel) -> None:
    assert sum(choice.skips for choice in choose(model.graph).choices) == len(model.graph.operators) - 2


def test_a_single_event_at_every_corner_and_edge(model: HostModel) -> None:
    _, height, width = SHAPE
    places = [(y, x) for y in (0, 1, height // 2, height - 2, height - 1) for x in (0, 1, width // 2, width - 1)]
    windows = np.zeros((len(places), *SHAPE), np.uint8)
    for number, (y, x) in enumerate(places):
        windows[number, number % SHAPE[0], y, x] = 1 + 254 * (number % 2)
    assert_equal(model, windows)


def test_an_empty_window_and_full_ones_in_any_order(model: HostModel) -> None:
    rng = np.random.default_rng(0)
    full = rng.integers(0, 256, (2, *SHAPE)).astype(np.uint8)
    empty = np.zeros((1, *SHAPE), np.uint8)
    expected, found = (
        run(np.concatenate([empty, full, empty])) for run in (lambda w: execute(model.graph, w), model.run)
    )
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


def test_windows_as_recordings_have_them(model: HostModel) -> None:
    assert_equal(model, sparse_windows(5, 6, SHAPE))


def some_convolution(draw: st.DrawFn, build: Builder, last: str) -> str:
    kernel, stride = draw(st.sampled_from([1, 3])), draw(st.integers(1, 2))
    padding = tuple(draw(st.integers(0, kernel // 2)) for _ in range(4))
    depthwise = draw(st.booleans())
    return build.conv(
        last,
        draw(st.integers(1, 9)),
        kernel,
        stride,
        depthwise=depthwise,
        padding=padding,  # type: ignore[arg-type]
    )


def some_pooling(draw: st.DrawFn, build: Builder, last: str) -> str:
    kernel, stride, padding = draw(st.integers(2, 3)), draw(st.integers(1, 2)), draw(st.integers(0, 1))
    if draw(st.booleans()):
        return build.maxpool(last, kernel, stride, padding)
    return build.average_window(last, (kernel, kernel), stride, (padding,) * 4, draw(st.booleans()))


def some_junction(draw: st.DrawFn, build: Builder, last: str) -> str:
    branch = build.conv(last, build.tensors[last].shape[0], kernel=draw(st.sampled_from([1, 3])), relu=False)
    return build.concat(last, branch, last) if draw(st.booleans()) else build.add(branch, last)


@st.composite
def small_networks(draw: st.DrawFn) -> IntegerGraph:
    """A stem, some convolutions of any stride and padding, poolings, additions and joined channels, and a head."""
    height, width = draw(st.integers(9, 40)), draw(st.integers(9, 70))
    build = Builder(draw(st.integers(0, 1000)), sparse_windows(1, 4, (2, height, width)), active=0.4)
    last = build.conv("input", draw(st.integers(1, 9)), draw(st.integers(1, 4)), draw(st.integers(1, 3)))
    for _ in range(draw(st.integers(0, 4))):
        if min(build.tensors[last].shape[1:]) < 3:
            break
        last = draw(st.sampled_from([some_convolution, some_pooling, some_junction]))(draw, build, last)
    mean = build.average(last)
    assume(np.ptp(build.values[mean]) > 0)  # a head cannot be scaled to windows that all look alike
    return build.graph(build.linear(mean, 3), "small")


@settings(deadline=None, max_examples=12)
@given(graph=small_networks(), seed=st.integers(0, 1000))
def test_networks_of_any_shape(tmp_path_factory: pytest.TempPathFactory, graph: IntegerGraph, seed: int) -> None:
    model = HostModel(graph, tmp_path_factory.getbasetemp() / "small-networks")
    shape = graph.tensors["input"].shape
    rng = np.random.default_rng(seed)
    share = np.array([0.0, 0.001, 0.02, 0.5])[:, None, None, None]
    assert_equal(model, (rng.random((4, *shape)) < share).astype(np.uint8))


@pytest.mark.parametrize("make", [residual_graph, odd_graph])
def test_what_is_active_is_known_behind_additions_and_poolings(
    make: Callable[[int], IntegerGraph], tmp_path: Path
) -> None:
    graph = make(4)
    maps = {op.name for op in graph.operators if isinstance(op, Conv2d | MaxPool2d | Add)}
    assert {choice.layer for choice in choose(graph).choices if choice.skips} == maps
    assert_equal(HostModel(graph, tmp_path), sparse_windows(6, 3, graph.tensors["input"].shape))


def test_layers_behind_one_that_cannot_skip_compute_everything(tmp_path: Path) -> None:
    graph = branched_graph(4)
    choices = {choice.layer: choice for choice in choose(graph).choices}
    assert graph.operators[0].name in {name for name, choice in choices.items() if choice.skips}
    last = next(op for op in reversed(graph.operators) if isinstance(op, AveragePool2d))
    assert choices[last.name].reason == "computes everything: the layer before it does"
    assert_equal(HostModel(graph, tmp_path), sparse_windows(6, 3, graph.tensors["input"].shape))


def test_joined_channels_are_copied_and_what_is_active_is_passed_on(tmp_path: Path) -> None:
    build = Builder(5, sparse_windows(1, 4, SHAPE), active=0.4)
    stem = build.conv("input", 6, stride=2)
    joined = build.concat(stem, build.conv(stem, 5), build.maxpool(stem, kernel=3, stride=1, padding=1))
    graph = build.graph(build.linear(build.average(build.conv(joined, 7, kernel=1)), 3))
    choices = choose(graph).choices
    assert [choice.skips for choice in choices] == [True, True, True, False, True, False, False]
    assert "passes on which of their sites saw events" in choices[3].reason
    assert_equal(HostModel(graph, tmp_path), sparse_windows(6, 3, SHAPE))


def test_networks_whose_windows_are_full_compute_everything() -> None:
    graph = random_graph(11, size=SHAPE[1:], bins=2, width=4, classes=5)
    full = np.ones((2, *SHAPE), np.uint8)
    choices = choose(with_activity(graph, full)).choices
    assert not any(choice.skips for choice in choices)
    assert "at the median of 2 calibration windows 100 % of its sites are active" in choices[0].reason


def test_layers_that_most_windows_fill_still_skip_what_a_quiet_one_leaves(tmp_path: Path) -> None:
    graph = random_graph(11, size=SHAPE[1:], bins=2, width=4, classes=5)
    busy = np.zeros((2, *SHAPE), np.uint8)
    busy[:, 0, ::9, ::9] = 1
    recorded = with_activity(graph, busy)
    measured = measure_activity(graph, busy)
    choices = {choice.layer: choice for choice in choose(recorded).choices}
    full = [name for name, layer in measured.items() if layer.sites > WORTH_SITES]
    assert len(full) > 2
    for name in full:
        assert choices[name].skips
    quiet = np.zeros((2, *SHAPE), np.uint8)
    quiet[1, 0, 3, 5] = 7
    assert_equal(HostModel(recorded, tmp_path), np.concatenate([quiet, busy, quiet]))


def test_zeros_are_skipped_where_calibration_finds_many() -> None:
    graph = random_graph(11, size=SHAPE[1:], bins=2, width=4, classes=5)
    choices = choose(with_activity(graph, sparse_windows(5, 4, SHAPE))).choices
    measured = measure_activity(graph, sparse_windows(5, 4, SHAPE))
    assert choices[0].nonzero
    assert "of what those read is not zero" in choices[0].reason
    for choice in choices:
        if choice.nonzero:
            assert measured[choice.layer].nonzero <= WORTH_TAPS


@settings(deadline=None, max_examples=6)
@given(graph=small_networks(), seed=st.integers(0, 1000))
def test_networks_of_any_shape_skip_zeros_everywhere(
    tmp_path_factory: pytest.TempPathFactory, graph: IntegerGraph, seed: int
) -> None:
    convolutions = {op.name: [0.0, 0.0] for op in graph.operators}
    metadata = {"activity": json.dumps({"windows": 1, "layers": convolutions})}
    graph = dataclasses.replace(graph, metadata=metadata)
    shape = graph.tensors["input"].shape
    rng = np.random.default_rng(seed)
    share = np.array([0.001, 0.1, 1.0])[:, None, None, None]
    model = HostModel(graph, tmp_path_factory.getbasetemp() / "small-networks")
    assert_equal(model, (rng.random((3, *shape)) < share).astype(np.uint8))


def test_float_networks_skip_nothing() -> None:
    choices = choose(float_graph(1, size=(24, 24), bins=1, width=4)).choices
    assert [choice.skips for choice in choices] == [False] * len(choices)
    assert all("has no other kernel" in choice.reason for choice in choices)
