"""Streams as Prophesee files: DAT, and RAW in EVT 2.0 and EVT 3.0. The decoders say where these are specified."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evbench.events.encoders.limits import require_pixels, require_times
from evbench.events.stream import EventStream

_EVT3_STEP = 1 << 11
"""How far the upper twelve bits of EVT 3.0's clock may go at once: at half of their range a reader could not tell."""

_EVT3_LONGEST_PAUSE = 1 << 36
"""Nineteen hours: a pause takes a word for every eight seconds."""


def encode_dat(stream: EventStream, path: Path) -> bytes:
    """A DAT file of version 2; times are kept in 32 bits."""
    require_pixels(path, "DAT", stream, 1 << 14, 1 << 14)
    require_times(path, "DAT", stream, 32, 1 << 31)
    header = (
        "% Data file containing CD events.\n% Version 2\n"
        f"% Width {stream.geometry.width}\n% Height {stream.geometry.height}\n"
    )
    word = np.empty((len(stream), 2), "<u4")
    word[:, 0] = stream.t & 0xFFFF_FFFF
    word[:, 1] = stream.x.astype(np.int64) | stream.y.astype(np.int64) << 14 | stream.on.astype(np.int64) << 28
    return header.encode() + bytes([0x0C, 8]) + word.tobytes()


def encode_evt2(stream: EventStream, path: Path) -> bytes:
    """A RAW file of EVT 2.0 words: one for each event, and one whenever the upper 28 bits of the time change."""
    require_pixels(path, "EVT2", stream, 1 << 11, 1 << 11)
    require_times(path, "EVT2", stream, 34, 1 << 33)
    high = stream.t >> 6
    event = stream.on.astype(np.int64) << 28 | (stream.t & 0x3F) << 22 | stream.x.astype(np.int64) << 11 | stream.y
    words = _interleaved([(_changes(high), 8 << 28 | high & 0xFFF_FFFF), (np.ones(len(stream), np.bool_), event)])
    return _header(stream, "2.0", "EVT2") + words.astype("<u4").tobytes()


def encode_evt3(stream: EventStream, path: Path) -> bytes:
    """A RAW file of EVT 3.0 words that say what changed; no vectors, since streams keep the order of events."""
    require_pixels(path, "EVT3", stream, 1 << 11, 1 << 11)
    require_times(path, "EVT3", stream, 24, _EVT3_LONGEST_PAUSE)
    t, x, y, on, event = _with_long_pauses_told(stream)
    high, low = t >> 12, t & 0xFFF
    new_high = _changes(high)
    words = _interleaved(
        [
            (new_high, 8 << 12 | high & 0xFFF),
            (event & (_changes(t) | _behind(~event)), 6 << 12 | low),
            (event & (_changes(y) | _behind(~event)), y),
            (event, 2 << 12 | on << 11 | x),
        ]
    )
    return _header(stream, "3.0", "EVT3") + words.astype("<u2").tobytes()


def _with_long_pauses_told(
    stream: EventStream,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """t, x, y, polarity and whether it is an event, with times between events whose upper bits are too far apart."""
    high = stream.t >> 12
    missing = np.maximum(np.diff(high, prepend=high[:1]) - 1, 0) // (_EVT3_STEP - 1)
    at = np.repeat(np.arange(len(stream)), missing)
    number = np.arange(len(at)) - np.repeat(np.cumsum(missing) - missing, missing) + 1
    between = (high[at - 1] + number * (_EVT3_STEP - 1)) << 12 if len(at) else np.empty(0, np.int64)
    columns = (np.insert(column.astype(np.int64), at, 0) for column in (stream.x, stream.y, stream.on))
    x, y, on = columns
    event = np.insert(np.ones(len(stream), np.bool_), at, False)
    return np.insert(stream.t, at, between), x, y, on, event


def _changes(values: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Where a value differs from the one ahead of it; the first does."""
    changed = np.ones(len(values), np.bool_)
    changed[1:] = values[1:] != values[:-1]
    return changed


def _behind(marks: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The marks moved on by one."""
    moved = np.zeros(len(marks), np.bool_)
    moved[1:] = marks[:-1]
    return moved


def _interleaved(columns: list[tuple[NDArray[np.bool_], NDArray[np.int64]]]) -> NDArray[np.int64]:
    """The words of each row that are wanted, row by row."""
    wanted = np.stack([flags for flags, _ in columns], axis=1)
    words: NDArray[np.int64] = np.stack([words for _, words in columns], axis=1)[wanted]
    return words


def _header(stream: EventStream, version: str, name: str) -> bytes:
    width, height = stream.geometry.width, stream.geometry.height
    return (
        f"% evt {version}\n% format {name};height={height};width={width}\n% geometry {width}x{height}\n% end\n"
    ).encode()
