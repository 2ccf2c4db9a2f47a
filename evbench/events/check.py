"""Turns what a decoder gives into events on the sensor and in microseconds, counting what is wrong on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evbench.events.decoders.source import Cursor, RawChunk, Source, unrolled
from evbench.events.stream import EventStream
from evbench.events.windows import LONGEST_PAUSE_US


@dataclass(frozen=True, slots=True)
class Place:
    """A chunk of a recording: the cursor it is read from, the clock's state ahead of it, and what it holds.

    turns and last: how often the counter had turned and what it showed (-1 ahead of the first event); t_min and
    t_max: the earliest and latest time, microseconds; events: how many lie on the sensor.
    """

    cursor: Cursor
    turns: int
    last: int
    t_min: int
    t_max: int
    events: int


class Check:
    """One reading of a source: undoes wraps, drops what lies outside the sensor, and counts."""

    def __init__(self, source: Source, begin: Place | None = None) -> None:
        self._geometry, self._bits = source.geometry, source.time_bits
        self.notes: list[str] = list(source.notes)
        self.places: list[Place] = []
        self.events = self.on = self.outside = self.backwards = self.jumps = 0
        self.t_first: int | None = None
        self.t_last: int | None = None
        self._first_outside = self._first_backwards = self._first_jump = ""
        self._taken = 0
        self._turns = begin.turns if begin else 0
        self._last: int | None = begin.last if begin and begin.last >= 0 else None

    def take(self, raw: RawChunk) -> EventStream:
        """The chunk's events that lie on the sensor, counted."""
        turns, last = self._turns, -1 if self._last is None else self._last
        t = self._unrolled(raw.t)
        x, y, on = raw.x, raw.y, raw.on
        if len(t) and (_beyond(x, self._geometry.width) or _beyond(y, self._geometry.height)):
            inside = (x >= 0) & (x < self._geometry.width) & (y >= 0) & (y < self._geometry.height)
            if not self.outside:
                first = int(np.argmin(inside))
                self._first_outside = f"event {self._taken + first} at ({int(x[first])}, {int(y[first])})"
            self.outside += len(t) - int(np.count_nonzero(inside))
            t, x, y, on = t[inside], x[inside], y[inside], on[inside]
        self._taken += len(raw.t)
        if len(t):
            falls = bool((t[1:] < t[:-1]).any())
            earliest, latest = (int(t.min()), int(t.max())) if falls else (int(t[0]), int(t[-1]))
            self.places.append(Place(raw.cursor, turns, last, earliest, latest, len(t)))
            self._count(t, on, falls)
        return EventStream(t, x.astype(np.uint16, copy=False), y.astype(np.uint16, copy=False), on, self._geometry)

    def counts(self) -> dict[str, Any]:
        """events, on, off, t_first_us, t_last_us, monotonic: the times are None where there are no events."""
        return {
            "events": self.events,
            "on": self.on,
            "off": self.events - self.on,
            "t_first_us": self.t_first,
            "t_last_us": self.t_last,
            "monotonic": self.backwards == 0,
        }

    def warnings(self) -> list[str]:
        """Every kind of damage met, one sentence each."""
        width, height = self._geometry.width, self._geometry.height
        found = list(self.notes)
        if not self.events:
            found.append("the recording holds no event")
        if self.outside:
            found.append(
                f"{self.outside} events lie outside the {width}x{height} sensor and were dropped; "
                f"the first is {self._first_outside}"
            )
        if self.backwards:
            found.append(f"timestamps run backwards {self.backwards} times; the first is {self._first_backwards}")
        if self.jumps:
            found.append(
                f"timestamps jump ahead by more than {LONGEST_PAUSE_US // 60_000_000} minutes {self.jumps} times; "
                f"windows leave the gap out; the first is {self._first_jump}"
            )
        return found

    def _unrolled(self, t: NDArray[np.int64]) -> NDArray[np.int64]:
        if not self._bits or not len(t):
            return t
        undone, self._turns = unrolled(t, self._bits, self._last, self._turns)
        self._last = int(t[-1])
        return undone

    def _count(self, t: NDArray[np.int64], on: NDArray[np.bool_], falls: bool) -> None:
        before = int(t[0]) if self.t_last is None else self.t_last
        if falls or t[0] < before or self.places[-1].t_max - before > LONGEST_PAUSE_US:
            steps = np.diff(t, prepend=before)
            self._note_steps(steps)
        if self.t_first is None:
            self.t_first = int(t[0])
        self.t_last = int(t[-1])
        self.events += len(t)
        self.on += int(np.count_nonzero(on))

    def _note_steps(self, steps: NDArray[np.int64]) -> None:
        back, ahead = steps < 0, steps > LONGEST_PAUSE_US
        if back.any():
            at = int(np.argmax(back))
            if not self.backwards:
                self._first_backwards = f"event {self.events + at}, {-int(steps[at])} µs before the one ahead of it"
            self.backwards += int(np.count_nonzero(back))
        if ahead.any():
            at = int(np.argmax(ahead))
            if not self.jumps:
                self._first_jump = f"event {self.events + at}, {int(steps[at]) / 1e6:.0f} s after the one ahead of it"
            self.jumps += int(np.count_nonzero(ahead))


def _beyond(values: NDArray[np.integer], limit: int) -> bool:
    return bool(values.max() >= limit) or (values.dtype.kind == "i" and bool(values.min() < 0))
