"""Voxel grids and the background-activity filter in C against evbench.events."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evbench.compile.host import EVENT, HostModel
from evbench.events.filters import background_activity
from evbench.events.stream import EventStream, SensorGeometry
from evbench.events.voxel import voxelize


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
    last = np.full((height, width), 0xFFFFFFFF, np.uint32)
    function = runtime.ev_background_activity
    function.argtypes = [ctypes.c_void_p, *(ctypes.c_uint16,) * 4, *(ctypes.c_uint32,) * 2]
    return [
        bool(function(last.ctypes.data, width, height, x, y, t, keep_within))
        for x, y, t in zip(stream.x.tolist(), stream.y.tolist(), stream.t.tolist(), strict=True)
    ]


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(0, 300),
    keep_within=st.integers(0, 500),
    ordered=st.booleans(),
)
def test_the_filter_keeps_the_same_events_as_on_the_workstation(
    runtime: ctypes.CDLL, seed: int, count: int, keep_within: int, ordered: bool
) -> None:
    rng = np.random.default_rng(seed)
    width, height = int(rng.integers(1, 9)), int(rng.integers(1, 9))
    t: Any = rng.integers(0, 3000, count)
    stream = EventStream(
        t=np.sort(t) if ordered else t,
        x=rng.integers(0, width, count).astype(np.uint16),
        y=rng.integers(0, height, count).astype(np.uint16),
        on=rng.random(count) < 0.5,
        geometry=SensorGeometry(width, height),
    )
    assert kept(runtime, stream, keep_within) == background_activity(stream, keep_within).tolist()


@pytest.mark.parametrize(("x", "y"), [(4, 0), (0, 3), (65535, 65535)])
def test_an_event_outside_the_sensor_is_dropped_and_writes_nothing(runtime: ctypes.CDLL, x: int, y: int) -> None:
    last = np.full(12, 0xFFFFFFFF, np.uint32)
    found = runtime.ev_background_activity(ctypes.c_void_p(last.ctypes.data), 4, 3, x, y, 10, 5)
    assert found == 0
    assert (last == 0xFFFFFFFF).all()
