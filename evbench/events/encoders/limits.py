"""What a format can hold, asked before anything is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from evbench.errors import RecordingError
from evbench.events.stream import EventStream

_ELSEWHERE = "Write it as .aedat4, .h5, .npz or .csv"


def require_pixels(path: Path, format_name: str, stream: EventStream, width: int, height: int) -> None:
    """Raises RecordingError where an event lies beyond `width` x `height` pixels."""
    if len(stream) and (int(stream.x.max()) >= width or int(stream.y.max()) >= height):
        raise RecordingError(
            f"{format_name} holds {width}x{height} pixels; the stream reaches ({stream.x.max()}, {stream.y.max()})",
            where=str(path),
            remedy=_ELSEWHERE,
        )


def require_times(path: Path, format_name: str, stream: EventStream, time_bits: int, longest_pause: int) -> None:
    """Raises RecordingError where a clock of `time_bits` bits cannot tell the stream's times.

    Times may wrap: a reader undoes wraps, but takes a step back of half the counter's range for one and cannot know
    how often the clock had turned at the first event. A pause, in microseconds, has to be shorter than
    `longest_pause`.
    """
    if not len(stream):
        return
    steps = np.diff(stream.t)
    back, ahead = -int(steps.min(initial=0)), int(steps.max(initial=0))
    if int(stream.t[0]) < 0 or back >= 1 << (time_bits - 1) or ahead >= longest_pause:
        raise RecordingError(
            f"{format_name} has times of {time_bits} bits in microseconds; the stream's do not fit",
            where=str(path),
            remedy=_ELSEWHERE,
        )
