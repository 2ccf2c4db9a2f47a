"""The background activity filter against the rule written out event by event."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evbench.events.filters import background_activity
from evbench.events.stream import EventStream, SensorGeometry

SENSOR = SensorGeometry(5, 4)


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
