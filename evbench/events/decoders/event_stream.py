"""Event Stream 2 (.es), the format of sepia and its tools: DVS events of five bytes that carry the time since the last.

Specified in "The Event Stream file format" (github.com/neuromorphic-paris/event_stream): "Event Stream", three bytes of
version, one byte that says of what kind the events are, then width and height. The first byte of an event holds
7 bits of time and the polarity; then come x and y, 16 bits each, y counted from the bottom. A first byte of 0xFF only
moves the clock on by 127 µs, and 0xFE is a reset of the camera.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evbench.errors import RecordingError
from evbench.events.decoders import source
from evbench.events.decoders.source import Cursor, Note, RawChunk, Source, read_head
from evbench.events.stream import SensorGeometry

MAGIC = b"Event Stream"
_HEADER = struct.Struct("<3B B 2H")
_KINDS = ("generic", "DVS", "ATIS", "color")
_RECORD = 5
_RESET, _OVERFLOW, _OVERFLOW_US = 0xFE, 0xFF, 127


def open_event_stream(path: Path) -> Source:
    """The events of an .es file. Raises RecordingError where they are no DVS events of version 2."""
    head = read_head(path, len(MAGIC) + _HEADER.size)[len(MAGIC) :]
    if len(head) < _HEADER.size:
        raise RecordingError("The Event Stream header is not complete", where=f"{path}, byte {len(MAGIC)}")
    major, minor, patch, kind, width, height = _HEADER.unpack(head)
    if major != 2 or kind != _KINDS.index("DVS"):
        what = _KINDS[kind] if kind < len(_KINDS) else f"type {kind}"
        raise RecordingError(
            f"The file holds {what} events of Event Stream {major}.{minor}.{patch}, not DVS events of version 2",
            where=f"{path}, byte {len(MAGIC)}",
            remedy="Convert it to a stream of DVS events",
        )
    offset = len(MAGIC) + _HEADER.size

    def chunks(note: Note, cursor: Cursor) -> Iterator[RawChunk]:
        at, t = cursor or (offset, 0)
        resets = 0
        with path.open("rb") as file:
            file.seek(at)
            rest = b""
            while block := file.read(max(source.CHUNK_BYTES, _RECORD)):
                data = np.frombuffer(rest + block, np.uint8)
                here = (at, t)
                begins, skipped, used = _records(data)
                first = data[begins]
                # Skipped bytes move the clock on, all before the events that follow them.
                steps = (first >> 1).astype(np.int64)
                overflows = data[skipped] == _OVERFLOW
                resets += len(skipped) - int(np.count_nonzero(overflows))
                passed = np.concatenate([[0], np.cumsum(overflows * _OVERFLOW_US)])
                times = t + np.cumsum(steps) + passed[np.searchsorted(skipped, begins)]
                t += int(steps.sum()) + int(passed[-1])
                at, rest = at + used, data[used:].tobytes()
                if len(begins):
                    y = height - 1 - _sixteen(data, begins + 3).astype(np.int32)
                    yield RawChunk(times, _sixteen(data, begins + 1), y, first & 1 == 1, here)
            if rest:
                note(f"truncated: the record at byte {at} has {len(rest)} of {_RECORD} bytes; read up to there")
        if resets:
            note(f"the stream was reset {resets} times")

    return Source("Event Stream 2", SensorGeometry(max(width, 1), max(height, 1)), 0, chunks)


def _sixteen(data: NDArray[np.uint8], at: NDArray[np.intp]) -> NDArray[np.uint16]:
    return data[at].astype(np.uint16) | data[at + 1].astype(np.uint16) << np.uint16(8)


def _records(data: NDArray[np.uint8]) -> tuple[NDArray[np.intp], NDArray[np.intp], int]:
    """Where the complete events begin, where the single bytes between them lie, and how many bytes both take.

    From one event the next begins five bytes on until a first byte is no event's; where that is for each of the five
    ways to count on is known beforehand, so the only loop is over the single bytes.
    """
    no_event = (data >= _RESET).nonzero()[0]
    by_phase = [no_event[no_event % _RECORD == phase].tolist() for phase in range(_RECORD)]
    at, end = 0, len(data)
    runs: list[tuple[int, int]] = []
    singles: list[int] = []
    while at < end:
        candidates = by_phase[at % _RECORD]
        place = bisect_left(candidates, at)
        stop = candidates[place] if place < len(candidates) else at + (end - at) // _RECORD * _RECORD
        if stop > at:
            runs.append((at, (stop - at) // _RECORD))
        at = stop
        if place >= len(candidates):
            break
        singles.append(at)
        at += 1
    begins, counts = np.array(runs, np.intp).reshape(-1, 2).T
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(begins, counts) + within * _RECORD, np.array(singles, np.intp), at
