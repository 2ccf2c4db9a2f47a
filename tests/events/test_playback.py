"""Which window is played at each step, against the events of the whole recording."""

from __future__ import annotations

import numpy as np
import pytest

from evbench.errors import RecordingError
from evbench.events.playback import Playback, reel_of, reel_of_stream
from evbench.events.recording import open_recording
from evbench.events.stream import EventStream, SensorGeometry
from evbench.events.writers import write_recording


@pytest.fixture(scope="module")
def stream():
    rng = np.random.default_rng(5)
    t = np.sort(rng.integers(70_000, 2_070_000, 40_000))
    columns = rng.integers(0, 64, 40_000), rng.integers(0, 48, 40_000), rng.integers(0, 2, 40_000)
    return EventStream.from_arrays(t, *columns, SensorGeometry(64, 48))


@pytest.fixture(scope="module", params=["file", "memory"])
def reel(request, stream, tmp_path_factory):
    if request.param == "memory":
        return reel_of_stream(stream, int(stream.t[0]), int(stream.t[-1]))
    path = tmp_path_factory.mktemp("reel") / "a.dat"
    write_recording(stream, path)
    return reel_of(open_recording(path))


def check(window, stream, end, duration):
    expected = stream[(stream.t >= end - duration) & (stream.t < end)]
    assert (window.t0, window.duration) == (end - duration, duration)
    np.testing.assert_array_equal(window.stream.t, expected.t)
    np.testing.assert_array_equal(window.stream.x, expected.x)


@pytest.mark.parametrize(("duration", "step"), [(50_000, 40_000), (50_000, 10_000), (10_000, 40_000), (40_000, 40_000)])
def test_windows_end_one_step_after_the_other_until_the_last_event(reel, stream, duration, step):
    playback = Playback(reel, duration, step, reel.t_first)
    end = reel.t_first // step * step
    while (window := playback.advance(1)) is not None:
        end += step
        check(window, stream, end, duration)
        assert playback.end == end
    assert end - step <= reel.t_last < end
    check(playback.window(), stream, end, duration)


@pytest.mark.parametrize("steps", [2, 5, 40])
def test_steps_that_are_left_out_do_not_change_the_window_shown(reel, stream, steps):
    playback = Playback(reel, 50_000, 20_000, reel.t_first)
    window = playback.advance(steps)
    check(window, stream, reel.t_first // 20_000 * 20_000 + steps * 20_000, 50_000)


@pytest.mark.parametrize("start", [70_000, 1_000_000, 1_234_567])
def test_the_first_window_ends_within_a_step_after_the_start_and_is_full(reel, stream, start):
    playback = Playback(reel, 100_000, 40_000, start)
    check(playback.window(), stream, start // 40_000 * 40_000, 100_000)
    check(playback.advance(1), stream, start // 40_000 * 40_000 + 40_000, 100_000)


def test_a_start_beyond_the_end_is_brought_into_the_recording(reel, stream):
    playback = Playback(reel, 50_000, 40_000, 10**9)
    assert playback.advance(1) is not None
    assert playback.advance(1) is None


def test_a_jump_past_the_end_shows_the_last_window(reel, stream):
    playback = Playback(reel, 50_000, 40_000, reel.t_first)
    playback.advance(1000)
    end = reel.t_last // 40_000 * 40_000 + 40_000
    check(playback.window(), stream, end, 50_000)


def test_a_pause_of_hours_is_no_wait(tmp_path):
    t = np.array([1_000, 2_000, 5_000_000_000, 5_000_001_000])
    stream = EventStream.from_arrays(t, [1, 2, 3, 4], [1, 2, 3, 4], [1, 1, 0, 0], SensorGeometry(8, 8))
    playback = Playback(reel_of_stream(stream, 1_000, 5_000_001_000), 50_000, 40_000, 1_000)
    seen = []
    while (window := playback.advance(1)) is not None:
        seen.append(len(window.stream))
    assert seen == [2, 2]


def test_events_that_filters_left_nothing_of_end_at_once():
    nothing = EventStream.from_arrays([], [], [], [], SensorGeometry(8, 8))
    playback = Playback(reel_of_stream(nothing, 0, 1_000_000), 50_000, 40_000, 0)
    assert len(playback.window().stream) == 0
    assert playback.advance(1) is None


def test_a_recording_without_events_cannot_be_played(tmp_path):
    path = tmp_path / "quiet.dat"
    write_recording(EventStream.from_arrays([], [], [], [], SensorGeometry(8, 8)), path)
    with pytest.raises(RecordingError, match="no event"):
        reel_of(open_recording(path))


def test_a_step_of_no_time_is_refused(reel):
    with pytest.raises(ValueError, match="at least 1"):
        Playback(reel, 50_000, 0, 0)
