"""Windows as a sensor gives them: events go to the board, which filters and counts them itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from evbench.boards.frames import MAX_PAYLOAD, Type
from evbench.boards.link import Link
from evbench.compile.representation import StreamSettings, stream_settings
from evbench.events.filters import background_activity
from evbench.events.stream import EventStream
from evbench.events.voxel import voxelize
from evbench.events.windowset import place_on_grid
from evbench.graph.model import IntegerGraph

LARGEST_PACKED_GRID = 256
"""Rows and columns that a packed event has room for."""

_FORGET, _SLIDE = 1, 2
_EVENTS_PER_FRAME = (MAX_PAYLOAD - 4) // 4
_PACKED_TIMES = 1 << 15
_LONGEST = 1 << 31
"""Microseconds after which the board's filter is made to forget, so that no time comes round to one of long ago."""


@dataclass(frozen=True, slots=True, eq=False)
class SensorStream:
    """A recording as a board reads it. events: in time order and in the grid's coordinates, nothing filtered yet;
    kept: those that the recipe's filter leaves; settings: how windows are made of them."""

    events: EventStream
    kept: EventStream
    settings: StreamSettings

    @classmethod
    def of(cls, graph: IntegerGraph, stream: EventStream) -> Self | None:
        """The stream, in time order, as a board with `graph` reads it; None where the board would count other bytes
        than training, or cannot be told.

        That is where the model does not read a voxel grid, where its recipe has other filters than background
        activity, where the filter would need pixels that are not on the grid, and on grids of more than 256 pixels.
        """
        settings = stream_settings(graph)
        if settings is None:
            return None
        _, height, width = graph.tensors[graph.inputs[0]].shape
        cropped = stream.geometry.height > height or stream.geometry.width > width
        if max(height, width) > LARGEST_PACKED_GRID or (cropped and settings.keep_within is not None):
            return None
        events = place_on_grid(stream, (height, width))
        within = settings.keep_within
        return cls(events, events if within is None else events[background_activity(events, within)], settings)

    def window(self, first: int) -> SensorWindow:
        """The window that begins at `first`, microseconds of the recording's clock."""
        return SensorWindow(self, first)


@dataclass(frozen=True, slots=True, eq=False)
class SensorWindow:
    """One window of a stream, [first, end) in microseconds of the recording's clock."""

    stream: SensorStream
    first: int

    @property
    def end(self) -> int:
        return self.first + self.stream.settings.window

    @property
    def grid(self) -> NDArray[np.uint8]:
        """What the board is to count, uint8 [C, H, W]: the voxel grid as training makes it."""
        events, settings = self.stream.kept, self.stream.settings
        begin, stop = np.searchsorted(events.t, [self.first, self.end])
        part = events[int(begin) : int(stop)]
        height, width = events.geometry.height, events.geometry.width
        counts = voxelize(
            part.t, part.x, part.y, part.on,
            t0=self.first, duration=settings.window, bins=settings.bins, size=(height, width),
        )  # fmt: skip
        return counts.reshape(-1, height, width)


@dataclass(frozen=True, slots=True, eq=False)
class _Position:
    """Where the board is in a stream: its window begins at `first`, it was given the events before `given`, and its own
    clock began at `origin`; microseconds of the recording's clock."""

    stream: SensorStream
    first: int
    given: int
    origin: int

    def leads_to(self, window: SensorWindow) -> bool:
        """Whether the board may go on to a window without missing events."""
        same = window.stream is self.stream
        return same and self.first <= window.first <= self.given and window.end - self.origin < _LONGEST


class SensorLine:
    """Sends windows of streams over a link. What the board's filter knows outlives a window: where one follows the
    last, at its end or by whole bins later, only what is new is sent. Everywhere else the filter forgets, and learns
    anew from the events of at least one window before.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._at: _Position | None = None

    def forget(self) -> None:
        """Something else was sent to the board; the next window begins anew."""
        self._at = None

    def send(self, window: SensorWindow) -> None:
        """Makes the board's input the grid of `window`.

        Raises LinkDisturbedError when something may have been lost, and BoardError when the board is.
        """
        at, self._at = self._at, None
        if at is None or not at.leads_to(window) or not self._go_on(at, window):
            at = self._lead_in(window)
            self._go_on(at, window)
        self._at = _Position(window.stream, window.first, window.end, at.origin)

    def _go_on(self, at: _Position, window: SensorWindow) -> bool:
        """Slides the board's window to another one and gives it what is new; False where it cannot slide there."""
        first = window.first - at.origin
        if not self._begin(first, _SLIDE):
            if window.first < at.given:
                return False
            self._begin(first, 0)
        self._give(window.stream.events, at.given, window.end, at.origin)
        return True

    def _lead_in(self, window: SensorWindow) -> _Position:
        """Gives the board what lies before a window, so that its filter and the grid to be cleared are as usual."""
        settings = window.stream.settings
        origin = window.first - max(settings.window, settings.keep_within or 0)
        self._begin(0, _FORGET)
        self._give(window.stream.events, origin, window.first, origin)
        return _Position(window.stream, origin, window.first, origin)

    def _begin(self, first: int, flags: int) -> bool:
        """Begins a window at `first` on the board's clock; whether the board could."""
        answer = self._link.request(Type.BEGIN, first.to_bytes(4, "little") + bytes([flags]))
        return bool(int.from_bytes(answer.payload[1:5], "little"))

    def _give(self, events: EventStream, start: int, stop: int, origin: int) -> None:
        begin, end = np.searchsorted(events.t, [start, stop])
        self._link.stream(Type.STREAM, pack_stream(events[int(begin) : int(end)], origin))


def pack_stream(events: EventStream, origin: int) -> Iterator[bytes]:
    """Payloads of STREAM frames: the time of the first event after `origin`, then a word for each event,
    x | y << 8 | on << 16 | microseconds after the first one << 17."""
    t = events.t - origin
    place = events.x | events.y.astype(np.uint32) << 8 | events.on.astype(np.uint32) << 16
    begin = 0
    while begin < len(t):
        first = int(t[begin])
        end = min(begin + _EVENTS_PER_FRAME, int(np.searchsorted(t, first + _PACKED_TIMES)))
        words = place[begin:end] | (t[begin:end] - first).astype(np.uint32) << 17
        yield first.to_bytes(4, "little") + words.astype("<u4").tobytes()
        begin = end
