"""How long a million events take to become a voxel grid, beside the plain bincount and the loop.

`pytest tests/benchmarks --benchmark-enable --benchmark-only` measures; an ordinary run only compares the grids.
"""

from __future__ import annotations

import numpy as np
import pytest

from evbench.events.filters import background_activity
from evbench.events.stream import EventStream, SensorGeometry
from evbench.events.voxel import voxelize

EVENTS, BINS, SIZE, DURATION = 1_000_000, 5, (128, 128), 1_000_000


@pytest.fixture(scope="module")
def million() -> EventStream:
    rng = np.random.default_rng(0)
    return EventStream.from_arrays(
        np.sort(rng.integers(0, DURATION, EVENTS)),
        rng.integers(0, SIZE[1], EVENTS),
        rng.integers(0, SIZE[0], EVENTS),
        rng.random(EVENTS) < 0.5,
        SensorGeometry(SIZE[1], SIZE[0]),
    )


def with_bincount(stream: EventStream) -> np.ndarray:
    bins = stream.t * BINS // DURATION
    index = ((stream.on * BINS + bins) * SIZE[0] + stream.y) * SIZE[1] + stream.x
    counts = np.bincount(index, minlength=2 * BINS * SIZE[0] * SIZE[1])
    return np.minimum(counts, 255).astype(np.uint8).reshape(2, BINS, *SIZE)


def with_a_loop(stream: EventStream) -> np.ndarray:
    grid = np.zeros((2, BINS, *SIZE), np.uint8)
    for t, x, y, on in zip(stream.t, stream.x, stream.y, stream.on, strict=True):
        cell = (int(on), int(t) * BINS // DURATION, y, x)
        grid[cell] = min(int(grid[cell]) + 1, 255)
    return grid


def with_voxelize(stream: EventStream) -> np.ndarray:
    return voxelize(stream.t, stream.x, stream.y, stream.on, t0=0, duration=DURATION, bins=BINS, size=SIZE)


def test_voxelize_a_million_events(benchmark, million):
    np.testing.assert_array_equal(benchmark(with_voxelize, million), with_bincount(million))


def test_bincount_a_million_events(benchmark, million):
    assert benchmark(with_bincount, million).sum(dtype=np.int64) == EVENTS


def test_a_loop_over_a_twentieth_of_the_events(benchmark, million):
    part = million[: EVENTS // 20]
    np.testing.assert_array_equal(benchmark.pedantic(with_a_loop, (part,), rounds=2), with_voxelize(part))


def test_background_activity_of_a_million_events(benchmark, million):
    mask = benchmark(background_activity, million, 2_000)
    assert 0 < np.count_nonzero(mask) < EVENTS
