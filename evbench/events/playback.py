"""Plays events: the window that ends at each of many equal steps, from any time on, holding nothing beyond it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from evbench.events.recording import Recording
from evbench.events.stream import EventStream, SensorGeometry
from evbench.events.windows import Window, first_window_start, fixed_windows, join

_READ_THROUGH = 32
"""Steps that are read and thrown away rather than jumped over, because opening at a place costs more."""


@dataclass(frozen=True, slots=True)
class Reel:
    """What can be played: a sensor, the times of its first and last event in microseconds, and `slices(duration,
    start)`, windows of that duration one after the other, the first of which holds `start`."""

    geometry: SensorGeometry
    t_first: int
    t_last: int
    slices: Callable[[int, int], Iterator[Window]]


def reel_of(recording: Recording) -> Reel:
    """A recording, read as it is played. Raises RecordingError when it has no events."""
    info = recording.info()
    if not info["events"]:
        # Says which file it is and what became of its events.
        recording.read()

    def slices(duration: int, start: int) -> Iterator[Window]:
        return recording.windows(duration, start=start)

    return Reel(recording.geometry, info["t_first_us"], info["t_last_us"], slices)


def reel_of_stream(stream: EventStream, t_first: int, t_last: int) -> Reel:
    """A stream in time order that is all in memory, over a stretch of time that may reach beyond its own events."""

    def slices(duration: int, start: int) -> Iterator[Window]:
        t0 = first_window_start(start, duration)
        yield from fixed_windows(stream, duration, start=t0)

    return Reel(stream.geometry, t_first, t_last, slices)


class Playback:
    """The windows of a reel that end one step after the other; `end` is where the newest of them ends."""

    def __init__(self, reel: Reel, duration: int, step: int, start: int) -> None:
        """Windows of `duration` and steps of `step` microseconds; the first one ends within a step after `start`.

        Raises ValueError on a duration or a step below one.
        """
        if duration < 1 or step < 1:
            raise ValueError(f"duration ({duration}) and step ({step}) must be at least 1")
        self._reel, self._duration, self._step = reel, duration, step
        self._held: deque[Window] = deque(maxlen=-(-duration // step))
        self._slices: Iterator[Window] = iter(())
        self.end = 0
        self._open(start)

    def advance(self, steps: int) -> Window | None:
        """The window `steps` further on, or the last one there is; None when nothing follows."""
        if steps > _READ_THROUGH:
            self._open(self.end + (steps - 1) * self._step)
            steps = 1
        before = self.end
        for _ in range(steps):
            following = next(self._slices, None)
            if following is None:
                break
            self._take(following)
        return None if self.end == before else self.window()

    def window(self) -> Window:
        """The newest window again."""
        t0 = self.end - self._duration
        if not self._held:
            return Window(t0, self._duration, EventStream.from_arrays([], [], [], [], self._reel.geometry))
        stream = join([part.stream for part in self._held])
        return Window(t0, self._duration, stream[int(np.searchsorted(stream.t, t0)) :])

    def _open(self, at: int) -> None:
        """Begins anew so that the next window ends within a step after `at`, filled with what lies before."""
        at = max(self._reel.t_first, min(at, self._reel.t_last))
        self.end = first_window_start(at, self._step)
        self._held.clear()
        self._slices = self._reel.slices(self._step, max(self.end - self._duration, self._reel.t_first))
        before = self.end
        # What ends at the place or before it is history of the first window.
        while (following := next(self._slices, None)) is not None:
            if following.t0 >= before:
                self._slices = _with_first(following, self._slices)
                break
            self._take(following)
        self.end = before

    def _take(self, following: Window) -> None:
        if self._held and following.t0 != self.end:
            self._held.clear()
        self._held.append(following)
        self.end = following.t0 + self._step


def _with_first(first: Window, rest: Iterator[Window]) -> Iterator[Window]:
    yield first
    yield from rest
