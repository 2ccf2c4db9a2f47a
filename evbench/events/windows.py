"""Cuts a stream into windows of time whose edges are set by the clock, never by the first or last event."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evbench.events.stream import EventStream

LONGEST_PAUSE_US = 600_000_000
"""Ten minutes: a recording that says nothing for longer has a clock that jumped, and the gap has no windows."""

_FOREVER = int(np.iinfo(np.int64).max)


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
    events before `start` are left out. Windows without events are yielded too, except in a pause of more than
    LONGEST_PAUSE_US, which is a clock that jumped. Events that lie out of time order go to the window of their
    timestamp. A stream without events has no windows. Raises ValueError on a duration below one microsecond.
    """
    _check(duration_us)
    yield from windows_of_chunks([(stream, _FOREVER)], duration_us, start=start)


def windows_of_chunks(
    chunks: Iterable[tuple[EventStream, int]],
    duration_us: int,
    *,
    start: int | None = None,
    stop: int | None = None,
    hold: int = 1 << 22,
    on_late: Callable[[int], None] | None = None,
) -> Iterator[Window]:
    """`fixed_windows` of a stream that arrives in chunks, in memory for one window and one chunk.

    Each chunk comes with the time before which no later chunk has an event, so that chunks out of time order give the
    same windows. When more than `hold` events would have to wait for that, windows go without what comes later;
    `on_late` is told how many events that cost. Windows that begin at `stop` or later are left out.
    """
    _check(duration_us)
    t0, begun = start, False
    waiting: list[EventStream] = []
    held = 0
    for chunk, complete in chunks:
        if t0 is not None and len(chunk) and int(chunk.t.min()) < t0:
            early = chunk.t < t0
            if begun and on_late:
                on_late(int(np.count_nonzero(early)))
            chunk = chunk[~early]
        if len(chunk):
            waiting.append(chunk)
            held += len(chunk)
        first = min((int(part.t.min()) for part in waiting), default=_FOREVER)
        if _next_start(t0, first, duration_us) + duration_us > complete and held <= hold:
            continue
        stream = in_time_order(join(waiting)) if waiting else chunk
        if held > hold:
            complete = max(complete, int(stream.t[len(stream) // 2]))
        begin = 0
        while begin < len(stream):
            following = _next_start(t0, int(stream.t[begin]), duration_us)
            if stop is not None and following >= stop:
                return
            if following + duration_us > complete:
                break
            end = int(np.searchsorted(stream.t, following + duration_us))
            yield Window(following, duration_us, stream[begin:end])
            t0, begin, begun = following + duration_us, end, True
        held = len(stream) - begin
        waiting = [stream[begin:]] if held else []
        # A window may be larger than what is held; then waiting for twice as much keeps the sorting in proportion.
        hold = max(hold, 2 * held)


def _next_start(t0: int | None, t: int, duration_us: int) -> int:
    """Where the window begins that follows: at `t0`, unless the next event's time `t` lies behind a jump."""
    if t0 is None:
        return first_window_start(t, duration_us)
    return t0 + (t - t0) // duration_us * duration_us if t - t0 > LONGEST_PAUSE_US else t0


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
