"""Filters against their rules written out event by event."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evbench.events.filters import (
    background_activity,
    hot_pixels,
    list_pixels,
    outside_pixels,
    refractory_period,
)
from evbench.events.recording import open_recording
from evbench.events.stream import EventStream, SensorGeometry

SENSOR = SensorGeometry(5, 4)
SENSOR_20 = SensorGeometry(20, 20)


def by_hand(stream, keep_within_us):
    last = {}
    kept = []
    for t, x, y in zip(stream.t.tolist(), stream.x.tolist(), stream.y.tolist(), strict=True):
        around = [(x + dx, y + dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1) if (dx, dy) != (0, 0)]
        kept.append(any(pixel in last and 0 <= t - last[pixel] <= keep_within_us for pixel in around))
        last[x, y] = t
    return kept


@given(
    st.lists(st.tuples(st.integers(0, 100), st.integers(0, 4), st.integers(0, 3), st.booleans()), max_size=50),
    st.integers(0, 40),
    st.booleans(),
)
def test_an_event_stays_when_a_neighbour_fired_within_the_time(rows, keep_within_us, in_order):
    rows = sorted(rows, key=lambda row: row[0]) if in_order else rows
    columns = [[row[i] for row in rows] for i in range(4)]
    stream = EventStream.from_arrays(*columns, SENSOR)
    assert background_activity(stream, keep_within_us).tolist() == by_hand(stream, keep_within_us)


def test_a_pixel_does_not_support_itself():
    stream = EventStream.from_arrays([0, 1, 2], [2, 2, 2], [2, 2, 2], [1, 0, 1], SENSOR)
    assert not background_activity(stream, 1000).any()


def test_the_end_of_one_row_is_no_neighbour_of_the_next_rows_beginning():
    stream = EventStream.from_arrays([0, 1], [4, 0], [1, 2], [1, 1], SENSOR)
    assert not background_activity(stream, 1000).any()


def test_a_negative_time_is_refused():
    with pytest.raises(ValueError, match="negative"):
        background_activity(EventStream.from_arrays([], [], [], [], SENSOR), -1)


def refractory_by_hand(stream, period_us):
    last, kept = {}, []
    for t, x, y in zip(stream.t.tolist(), stream.x.tolist(), stream.y.tolist(), strict=True):
        kept.append((x, y) not in last or t - last[x, y] >= period_us)
        if kept[-1]:
            last[x, y] = t
    return kept


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 2), st.integers(0, 1), st.booleans()), max_size=60),
    st.integers(0, 30),
)
def test_a_pixel_is_blind_for_the_period_behind_each_event_it_keeps(rows, period_us):
    rows = sorted(rows, key=lambda row: row[0])
    stream = EventStream.from_arrays(*[[row[i] for row in rows] for i in range(4)], SENSOR)
    assert refractory_period(stream, period_us).tolist() == refractory_by_hand(stream, period_us)


def test_a_pixel_that_fires_alone_is_hot_and_one_among_many_is_not():
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 20, 4000), rng.integers(0, 20, 4000)
    busy, alone = np.full(300, 7), np.full(300, 3)
    columns = np.concatenate([x, busy, alone]), np.concatenate([y, busy, alone])
    stream = EventStream.from_arrays(np.arange(4600), *columns, np.ones(4600), SENSOR_20)
    assert list_pixels(hot_pixels(stream)) == [(3, 3), (7, 7)]
    edge = EventStream.from_arrays(np.arange(3000), np.full(3000, 9), np.arange(3000) % 20, np.ones(3000), SENSOR_20)
    assert not hot_pixels(edge).any()


def test_events_of_marked_pixels_are_left_out():
    stream = EventStream.from_arrays([0, 1, 2], [1, 2, 1], [3, 3, 0], [1, 1, 1], SENSOR)
    marked = np.zeros((4, 5), bool)
    marked[3, 1] = True
    assert outside_pixels(stream, marked).tolist() == [False, True, True]


def test_a_real_recording_has_few_hot_pixels(shared_data):
    stream = open_recording(shared_data / "dvs128-objects" / "train" / "mug.aedat").read()
    found = hot_pixels(stream)
    assert 0 <= np.count_nonzero(found) < 50
    assert np.count_nonzero(outside_pixels(stream, found)) > 0.8 * len(stream)


@pytest.mark.parametrize("wrong", [lambda s: refractory_period(s, -1), lambda s: hot_pixels(s, 1.0)])
def test_settings_without_meaning_are_refused(wrong):
    with pytest.raises(ValueError, match="must"):
        wrong(EventStream.from_arrays([], [], [], [], SENSOR))
