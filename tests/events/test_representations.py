"""Every representation by one call, against the functions that define it."""

from __future__ import annotations

import numpy as np
import pytest

from evbench.events.kinds import KINDS, image_labels
from evbench.events.representations import joined, represent
from evbench.events.stream import EventStream, SensorGeometry
from evbench.events.surfaces import bilinear_voxel_grid, time_surface
from evbench.events.voxel import accumulate_frame, voxelize

WINDOW = {"t0": 1000, "duration": 600}


@pytest.fixture
def stream():
    rng = np.random.default_rng(3)
    t = np.sort(rng.integers(900, 1700, 400))
    return EventStream.from_arrays(
        t, rng.integers(0, 12, 400), rng.integers(0, 9, 400), rng.integers(0, 2, 400), SensorGeometry(12, 9)
    )


def test_each_kind_is_the_function_of_its_name_over_the_window_alone(stream):
    part = stream[(stream.t >= 1000) & (stream.t < 1600)]
    columns = part.t, part.x, part.y, part.on
    expected = {
        "voxel": voxelize(*columns, **WINDOW, bins=4, size=(9, 12)),
        "bilinear": bilinear_voxel_grid(*columns, **WINDOW, bins=4, size=(9, 12)),
        "frame": accumulate_frame(part.x, part.y, part.on, size=(9, 12))[:, None],
        "time-surface": time_surface(*columns, now=1600, decay_us=300, size=(9, 12))[:, None],
    }
    assert tuple(expected) == KINDS
    for kind, images in expected.items():
        found = represent(kind, stream, **WINDOW, bins=4)
        np.testing.assert_array_equal(found, images)
        assert found.dtype == images.dtype


@pytest.mark.parametrize("kind", KINDS)
def test_a_window_without_events_is_dark(kind):
    nothing = EventStream.from_arrays([], [], [], [], SensorGeometry(4, 3))
    images = represent(kind, nothing, **WINDOW, bins=2)
    assert images.shape == (2, 2 if kind in ("voxel", "bilinear") else 1, 3, 4)
    assert not images.any()


def test_what_each_representation_keeps(stream):
    """The table in the README."""
    reversed_time = EventStream.from_arrays(
        2599 - stream.t[::-1], stream.x[::-1], stream.y[::-1], stream.on[::-1], stream.geometry
    )
    within = 1010 + (stream.t - 1000) // 150 * 150
    same_bins = EventStream.from_arrays(within, stream.x, stream.y, stream.on, stream.geometry)
    twice = stream[np.repeat(np.arange(len(stream)), 2)]
    facts = {}
    for kind in KINDS:
        images, backwards, moved, doubled = (
            represent(kind, each, **WINDOW, bins=4) for each in (stream, reversed_time, same_bins, twice)
        )
        order, timing, count = (not np.array_equal(images, other) for other in (backwards, moved, doubled))
        facts[kind] = (order, timing, count, images.dtype == np.uint8, images.nbytes // (12 * 9))
    assert facts == {
        "voxel": (True, False, True, True, 8),
        "bilinear": (True, True, True, False, 32),
        "frame": (False, False, True, True, 2),
        "time-surface": (True, True, False, False, 8),
    }


def test_images_join_as_sums_of_counts_and_as_the_newest_of_times():
    counts = np.array([200, 100], np.uint8).reshape(1, 2, 1, 1).repeat(2, axis=0)
    assert joined("voxel", counts).tolist() == [[[300]], [[300]]]
    assert joined("time-surface", counts / np.float32(256)).max() == pytest.approx(200 / 256)


def test_labels_say_what_an_image_shows():
    assert image_labels("voxel", 50_000, 2) == ["0–25 ms", "25–50 ms"]
    assert image_labels("bilinear", 50_000, 3) == ["around 0 ms", "around 25 ms", "around 50 ms"]
    assert image_labels("frame", 1_500, 5) == ["0–1.5 ms"]
    assert image_labels("time-surface", 50_000, 5) == ["seen at 50 ms"]
