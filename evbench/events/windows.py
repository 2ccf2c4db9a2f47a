"""Cuts a stream into windows of time whose edges are set by the clock, never by the first or last event."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evbench.events.stream import EventStream


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """The events of [t0, t0 + duration), in microseconds of the recording's clock."""

    t0: int
    duration: int
    stream: EventStream


def first_window_start(t_first_us: int, duration_us: int) -> int:
    """The multiple of `duration_us` at or before `t_first_us`: where the window that holds it begins."""
    return t_first_us // duration_us * duration_us


def in_time_order(stream: EventStream) -> EventStream:
    """The stream sorted by time; events of one microsecond keep their order. The same object where it is sorted."""
    if is_monotonic(stream.t):
        return stream
    return stream[np.argsort(stream.t, kind="stable")]


def is_monotonic(t: NDArray[np.int64]) -> bool:
    """Whether no timestamp, [N] microseconds, lies before the one ahead of it."""
    return bool(np.all(t[1:] >= t[:-1]))


def fixed_windows(stream: EventStream, duration_us: int, *, start: int | None = None) -> Iterator[Window]:
    """Windows [t0, t0 + duration_us) one after the other, from the first event's to the last event's.

    t0 is a multiple of `duration_us` on the recording's clock, or lies a whole number of durations after `start`;
    events before `start` are left out. Windows without events are yielded too. Events that lie out of time order go
    to the window of their timestamp. A stream without events has no windows. Raises ValueError on a duration below
    one microsecond.
    """
    _check(duration_us)
    stream = in_time_order(stream)
    if not len(stream):
        return
    t0 = first_window_start(int(stream.t[0]), duration_us) if start is None else start
    begin = int(np.searchsorted(stream.t, t0))
    while begin < len(stream):
        end = int(np.searchsorted(stream.t, t0 + duration_us))
        yield Window(t0, duration_us, stream[begin:end])
        t0, begin = t0 + duration_us, end


def windows_of_chunks(chunks: Iterable[EventStream], duration_us: int) -> Iterator[Window]:
    """`fixed_windows` of a stream that arrives in chunks in time order, holding one window and one chunk at a time."""
    _check(duration_us)
    t0: int | None = None
    waiting: list[EventStream] = []
    for chunk in chunks:
        if not len(chunk):
            continue
        if t0 is None:
            t0 = first_window_start(int(chunk.t[0]), duration_us)
        while int(chunk.t[-1]) >= t0 + duration_us:
            cut = int(np.searchsorted(chunk.t, t0 + duration_us))
            yield Window(t0, duration_us, join([*waiting, chunk[:cut]]))
            waiting, chunk, t0 = [], chunk[cut:], t0 + duration_us
        waiting.append(chunk)
    if t0 is not None and waiting:
        yield Window(t0, duration_us, join(waiting))


def join(streams: list[EventStream]) -> EventStream:
    """One stream of several of the same sensor, in the order given. Raises ValueError when there are none."""
    if not streams:
        raise ValueError("nothing to join")
    if len(streams) == 1:
        return streams[0]
    return EventStream(
        np.concatenate([s.t for s in streams]),
        np.concatenate([s.x for s in streams]),
        np.concatenate([s.y for s in streams]),
        np.concatenate([s.on for s in streams]),
        streams[0].geometry,
    )


def _check(duration_us: int) -> None:
    if duration_us < 1:
        raise ValueError(f"a window lasts at least one microsecond, not {duration_us}")
