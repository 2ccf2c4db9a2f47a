"""Voxel grids and the background-activity filter in C against evbench.events."""

from __future__ import annotations

import ctypes
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evbench.compile.host import EVENT, HostModel
from evbench.events.filters import background_activity
from evbench.events.stream import EventStream, SensorGeometry
from evbench.events.voxel import voxelize
from tests.graph.networks import random_graph


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(0, 4000), spread=st.sampled_from([2, 30]))
def test_the_board_counts_events_as_the_workstation_does(
    host_model: HostModel, seed: int, count: int, spread: int
) -> None:
    rng = np.random.default_rng(seed)
    height, width, bins, duration = 24, 20, 2, 50_000
    t = np.sort(rng.integers(0, duration, count))
    x, y, on = rng.integers(0, spread, count), rng.integers(0, spread, count), rng.random(count) < 0.5
    expected = voxelize(t, x, y, on, t0=0, duration=duration, bins=bins, size=(height, width))
    events = np.zeros(count, EVENT)
    events["x"], events["y"], events["on"], events["bin"] = x, y, on, t * bins // duration
    grid = np.zeros((height, width, 2 * bins), np.uint8)
    counted = host_model.library.ev_host_voxelise(
        ctypes.c_void_p(events.ctypes.data), ctypes.c_uint32(count), ctypes.c_void_p(grid.ctypes.data)
    )
    np.testing.assert_array_equal(np.moveaxis(grid, -1, 0), expected.reshape(2 * bins, height, width))
    assert counted == ((x < width) & (y < height)).sum()


def kept(runtime: ctypes.CDLL, stream: EventStream, keep_within: int) -> list[bool]:
    width, height = stream.geometry.width, stream.geometry.height
    told = np.full((height + 2, width + 2), 0xFFFFFFFF, np.uint32)
    function = runtime.ev_background_activity
    function.argtypes = [ctypes.c_void_p, *(ctypes.c_uint16,) * 4, *(ctypes.c_uint32,) * 2]
    return [
        bool(function(told.ctypes.data, width, height, x, y, t, keep_within))
        for x, y, t in zip(stream.x.tolist(), stream.y.tolist(), stream.t.tolist(), strict=True)
    ]


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(0, 300),
    keep_within=st.integers(0, 500),
)
def test_the_filter_keeps_the_same_events_in_time_order_as_on_the_workstation(
    runtime: ctypes.CDLL, seed: int, count: int, keep_within: int
) -> None:
    rng = np.random.default_rng(seed)
    width, height = int(rng.integers(1, 9)), int(rng.integers(1, 9))
    t: Any = rng.integers(0, 3000, count)
    stream = EventStream(
        t=np.sort(t),
        x=rng.integers(0, width, count).astype(np.uint16),
        y=rng.integers(0, height, count).astype(np.uint16),
        on=rng.random(count) < 0.5,
        geometry=SensorGeometry(width, height),
    )
    assert kept(runtime, stream, keep_within) == background_activity(stream, keep_within).tolist()


@pytest.mark.parametrize(("x", "y"), [(4, 0), (0, 3), (65535, 65535)])
def test_an_event_outside_the_sensor_is_dropped_and_writes_nothing(runtime: ctypes.CDLL, x: int, y: int) -> None:
    told = np.full(30, 0xFFFFFFFF, np.uint32)
    found = runtime.ev_background_activity(ctypes.c_void_p(told.ctypes.data), 4, 3, x, y, 10, 5)
    assert found == 0
    assert (told == 0xFFFFFFFF).all()


STREAM_EVENT = np.dtype([("t", "<u4"), ("x", "<u2"), ("y", "<u2"), ("on", "u1"), ("", "V3")])


def stream_model(keep_within: int | None, cache: Path) -> HostModel:
    """A small network whose recipe filters background activity, or nothing."""
    filters = [] if keep_within is None else [{"name": "background-activity", "keep_within": keep_within}]
    graph = random_graph(3, size=(24, 20), bins=2, width=4, classes=5)
    metadata = {"window_us": "1000", "bins": "2", "filters": json.dumps(filters)}
    return HostModel(dataclasses.replace(graph, metadata=metadata), cache)


@pytest.mark.parametrize("keep_within", [None, 0, 150])
@pytest.mark.parametrize("origin", [0, 2**32 - 1500])
def test_a_stream_becomes_the_windows_that_training_saw(
    native_cache: Path, keep_within: int | None, origin: int
) -> None:
    model = stream_model(keep_within, native_cache)
    rng = np.random.default_rng(origin % 97)
    count, duration = 600, 4000
    t = np.sort(rng.integers(0, duration, count))
    x, y, on = rng.integers(0, 20, count), rng.integers(0, 24, count), rng.random(count) < 0.5
    stream = EventStream(t, x.astype(np.uint16), y.astype(np.uint16), on, SensorGeometry(20, 24))
    kept_events = np.ones(count, np.bool_) if keep_within is None else background_activity(stream, keep_within)
    assert kept_events.any()
    events = np.zeros(count, STREAM_EVENT)
    events["t"], events["x"], events["y"], events["on"] = (t + origin) % 2**32, x, y, on
    assert model.library.ev_host_stream_begin() == 0
    for first in range(0, duration, 1000):
        inside = (t >= first) & (t < first + 1000)
        given, chosen = np.ascontiguousarray(events[inside]), inside & kept_events
        grid = np.zeros((24, 20, 4), np.uint8)
        counted = model.library.ev_host_stream_window(
            ctypes.c_uint32((first + origin) % 2**32),
            ctypes.c_void_p(given.ctypes.data),
            ctypes.c_uint32(len(given)),
            ctypes.c_void_p(grid.ctypes.data),
        )
        expected = voxelize(t[chosen], x[chosen], y[chosen], on[chosen], t0=first, duration=1000, bins=2, size=(24, 20))
        np.testing.assert_array_equal(np.moveaxis(grid, -1, 0), expected.reshape(4, 24, 20))
        assert counted == chosen.sum()


def test_events_outside_the_window_reach_the_filter_and_not_the_grid(native_cache: Path) -> None:
    model = stream_model(150, native_cache)
    events = np.zeros(3, STREAM_EVENT)
    events["t"], events["x"], events["y"] = [990, 1010, 2500], [5, 6, 6], 7
    grid = np.zeros((24, 20, 4), np.uint8)
    model.library.ev_host_stream_begin()
    counted = model.library.ev_host_stream_window(
        ctypes.c_uint32(1000),
        ctypes.c_void_p(events.ctypes.data),
        ctypes.c_uint32(3),
        ctypes.c_void_p(grid.ctypes.data),
    )
    assert counted == 1
    assert grid.nonzero()[:2] == ([7], [6])


@pytest.mark.parametrize(
    "changed",
    [
        {"filters": json.dumps([{"name": "hot-pixels"}])},
        {"filters": json.dumps([{"name": "background-activity", "keep_within": 5}] * 2)},
        {"filters": "?"},
        {"window_us": "4000000000"},
        {"bins": "1"},
    ],
)
def test_a_board_refuses_streams_that_it_cannot_treat_as_training_did(
    native_cache: Path, changed: dict[str, str]
) -> None:
    graph = random_graph(3, size=(24, 20), bins=2, width=4, classes=5)
    metadata = {"window_us": "1000", "bins": "2", "filters": "[]"} | changed
    model = HostModel(dataclasses.replace(graph, metadata=metadata), native_cache)
    assert model.library.ev_host_stream_begin() != 0
