"""Windows lie on the clock and hold every event once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evbench.events.stream import EventStream, SensorGeometry
from evbench.events.windows import LONGEST_PAUSE_US, fixed_windows, windows_of_chunks

SENSOR = SensorGeometry(4, 4)
FOREVER = 1 << 62


def stream_at(t) -> EventStream:
    zero = np.zeros(len(t), np.int64)
    return EventStream.from_arrays(t, zero, zero, zero, SENSOR)


def in_chunks(stream, length):
    """Pieces of a stream, each with the earliest time in those behind it."""
    for i in range(0, len(stream), length):
        later = stream.t[i + length :]
        yield stream[i : i + length], int(later.min()) if len(later) else FOREVER


@given(st.lists(st.integers(-50, 400), max_size=40), st.integers(1, 60))
def test_every_event_is_in_exactly_the_window_of_its_time(times, duration):
    windows = list(fixed_windows(stream_at(times), duration))
    assert sorted(times) == [t for window in windows for t in window.stream.t.tolist()]
    for number, window in enumerate(windows):
        assert window.t0 % duration == 0
        assert window.t0 == windows[0].t0 + number * duration
        assert all(window.t0 <= t < window.t0 + duration for t in window.stream.t)


@given(st.lists(st.integers(0, 400), max_size=40), st.integers(1, 60), st.integers(1, 12))
def test_chunks_give_the_windows_of_the_whole(times, duration, length):
    stream = stream_at(times)
    chunks = in_chunks(stream, length)
    got = [(w.t0, w.stream.t.tolist()) for w in windows_of_chunks(chunks, duration)]
    assert got == [(w.t0, w.stream.t.tolist()) for w in fixed_windows(stream, duration)]


def test_events_that_come_after_their_window_had_to_be_given_out_are_counted():
    stream = stream_at([*range(400), 5, 390])
    late = []
    windows = list(windows_of_chunks(in_chunks(stream, 20), 10, hold=50, on_late=late.append))
    assert sum(len(window.stream) for window in windows) == 401
    assert late == [1]


def test_a_clock_that_jumps_ahead_leaves_no_windows_in_the_gap():
    stream = stream_at([3, 12, LONGEST_PAUSE_US + 40, LONGEST_PAUSE_US + 41, 10**15 + 7])
    expected = [(0, 1), (10, 1), (LONGEST_PAUSE_US + 40, 2), (10**15, 1)]
    assert [(w.t0, len(w.stream)) for w in fixed_windows(stream, 10)] == expected


def test_windows_stop_where_the_caller_says():
    stream = stream_at(list(range(0, 100, 5)))
    windows = list(windows_of_chunks(in_chunks(stream, 3), 10, start=30, stop=50))
    assert [(w.t0, w.stream.t.tolist()) for w in windows] == [(30, [30, 35]), (40, [40, 45])]


def test_windows_without_events_are_part_of_the_row():
    assert [len(w.stream) for w in fixed_windows(stream_at([5, 31]), 10)] == [1, 0, 0, 1]


def test_windows_can_start_where_the_caller_says():
    windows = list(fixed_windows(stream_at([3, 7, 18]), 10, start=7))
    assert [(w.t0, w.stream.t.tolist()) for w in windows] == [(7, [7]), (17, [18])]


def test_a_window_of_no_duration_is_refused():
    with pytest.raises(ValueError, match="at least one microsecond"):
        next(fixed_windows(stream_at([1]), 0))
