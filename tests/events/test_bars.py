"""The simulated set: the same bytes from the same seed, real activity, and motion that means what its name says."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from evbench.events import bars
from evbench.events.camera import Camera, record
from evbench.events.stream import EventStream


def digest(stream) -> str:
    return hashlib.sha256(b"".join(a.tobytes() for a in (stream.t, stream.x, stream.y, stream.on))).hexdigest()


def test_a_recording_is_the_same_byte_for_byte_every_time():
    first = bars.simulate(3, "left", duration_us=500_000)
    assert digest(first) == digest(bars.simulate(3, "left", duration_us=500_000))
    assert digest(first) != digest(bars.simulate(4, "left", duration_us=500_000))


def test_windows_hold_about_as_many_events_as_a_real_sensors():
    counts = np.concatenate(
        [
            np.bincount(bars.simulate(subject, motion, duration_us=500_000).t // 50_000, minlength=10)
            for subject in (0, 11)
            for motion in bars.MOTIONS
        ]
    )
    low, middle, high = np.percentile(counts, [2, 50, 98])
    assert 100 < low < high < 2500
    assert 300 < middle < 1000


def seen(bar: bars.Bar, duration_us: int) -> EventStream:
    """The bar before a camera without noise."""
    camera = Camera(bars.GEOMETRY, noise_hz=0, hot_pixels=0)
    return record(camera, bars.scene(bar, duration_us), bars.STEP_US, np.random.default_rng(0))


@pytest.mark.parametrize(("motion", "axis", "sign"), [("right", 0, 1), ("left", 0, -1), ("down", 1, 1), ("up", 1, -1)])
def test_both_edges_of_a_bar_move_the_way_its_class_says_the_bright_one_ahead(motion, axis, sign):
    rng = np.random.default_rng(0)
    plain = {"speed": 100.0, "width": 6.0, "spacing": 500.0, "centre": (64.0, 64.0), "wobble": 0.0, "start": -30.0}
    bar = replace(bars.draw_bar(motion, rng), contrast=0.5, **plain)
    stream = seen(bar, 500_000)
    place = (stream.x, stream.y)[axis].astype(float)
    for polarity in (stream.on, ~stream.on):
        speed = np.polyfit(stream.t[polarity] / 1e6, place[polarity], 1)[0]
        assert speed * sign == pytest.approx(100.0, rel=0.1)
    ahead = (place[stream.on].mean() - place[~stream.on].mean()) * sign
    assert ahead == pytest.approx(6.0, abs=1.5)


@pytest.mark.parametrize(("motion", "sign"), [("clockwise", 1), ("counter-clockwise", -1)])
def test_a_turning_bar_turns_the_way_its_class_says(motion, sign):
    bar = replace(bars.draw_bar(motion, np.random.default_rng(1)), wobble=0.0)
    stream = seen(bar, 200_000)
    angle = np.arctan2(stream.y - bar.centre[1], stream.x - bar.centre[0])
    # A bar looks the same after half a turn, so its axis is half of the mean of the doubled angles.
    doubled = [np.exp(2j * angle[stream.t // 20_000 == part]).mean() for part in range(10)]
    axis = np.unwrap(np.angle(doubled)) / 2
    assert (axis[-1] - axis[0]) * sign == pytest.approx(abs(bar.speed) * 0.18, rel=0.25)


def test_subjects_of_the_splits_are_disjoint():
    splits = (bars.TRAIN_SUBJECTS, bars.VALIDATION_SUBJECTS, bars.TEST_SUBJECTS)
    assert len(set().union(*splits)) == sum(len(split) for split in splits)
