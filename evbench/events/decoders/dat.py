"""Prophesee DAT: 64-bit little-endian events behind a text header.

The low word is the time in microseconds; of the high word bits 0-13 are x, 14-27 y, 28 the polarity. Two bytes ahead
of the events give their type (0x0C, or 0x00 in old files, for contrast detection) and their size, 8.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from evbench.errors import RecordingError
from evbench.events.decoders.source import Cursor, Note, RawChunk, Source, comment_lines, fixed_records, read_head
from evbench.events.stream import SensorGeometry

GEN1 = SensorGeometry(304, 240)
"""The sensor of DAT files whose header names no size, as Prophesee's own tools take it."""

_HEADER_LIMIT = 1 << 16
_LOW = np.uint64(0xFFFF_FFFF)
_FOURTEEN = np.uint32(0x3FFF)
_ON = np.uint32(1 << 28)
_CONTRAST_TYPES = (0x00, 0x0C)


def open_dat(path: Path) -> Source:
    """The events of a DAT file. Raises RecordingError where its events are not contrast detections of 8 bytes."""
    head = read_head(path, _HEADER_LIMIT)
    lines, offset = comment_lines(head, b"%")
    kind = head[offset : offset + 2]
    if len(kind) < 2:
        raise RecordingError(
            "The recording is empty: its header is followed by nothing",
            where=f"{path}, byte {offset}",
            remedy="Record or export it again",
        )
    if kind[0] not in _CONTRAST_TYPES or kind[1] != 8:
        raise RecordingError(
            f"The DAT file holds events of type 0x{kind[0]:02x} with {kind[1]} bytes, not contrast detections",
            where=f"{path}, byte {offset}",
            remedy="Export its CD events as DAT",
        )

    def chunks(note: Note, cursor: Cursor) -> Iterator[RawChunk]:
        for at, block in fixed_records(path, cursor[0] if cursor else offset + 2, 8, note):
            t = (np.frombuffer(block, "<u8") & _LOW).view(np.int64)
            # Contiguous, because NumPy has vector instructions for nothing else.
            what = np.frombuffer(block, "<u4")[1::2].copy()
            yield RawChunk(
                t,
                (what & _FOURTEEN).astype(np.uint16),
                (what >> 14 & _FOURTEEN).astype(np.uint16),
                what & _ON != 0,
                (at,),
            )

    geometry = _geometry(lines)
    notes = () if geometry else (f"the header names no sensor size: {GEN1.width}x{GEN1.height} assumed",)
    return Source("Prophesee DAT", geometry or GEN1, 32, chunks, notes)


def looks_like_dat(head: bytes) -> bool:
    """Whether a file begins with the comment lines of a DAT file and the two bytes behind them."""
    lines, offset = comment_lines(head, b"%")
    versioned = any(re.match(r"version\s+\d", line, re.IGNORECASE) for line in lines)
    return versioned and (offset + 2 > len(head) or head[offset + 1] == 8)


def _geometry(lines: list[str]) -> SensorGeometry | None:
    found: dict[str, int] = {}
    for line in lines:
        match = re.match(r"(width|height)\s+(\d+)", line, re.IGNORECASE)
        if match:
            found[match[1].lower()] = int(match[2])
    if found.get("width") and found.get("height"):
        return SensorGeometry(found["width"], found["height"])
    return None
