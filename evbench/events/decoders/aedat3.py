"""AEDAT 3.1, cAER's format: packets of one kind of event each behind a text header; DVS128 Gesture comes in it.

Specified in iniVation's "AEDAT 3.1 file format". A packet has a header of 28 bytes: kind and source, 16 bits each, then
size of an event, offset of its time, overflows of the 31-bit clock, capacity, number, and number of valid events, 32
bits each, little-endian. A polarity event is a word with valid bit, polarity, 15 bits of y and 15 of x, and a time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from evbench.errors import RecordingError
from evbench.events.decoders import source
from evbench.events.decoders.source import Cursor, Note, RawChunk, Source, comment_lines, read_head
from evbench.events.stream import SensorGeometry

MAGIC = b"#!AER-DAT3"
_END = "!END-HEADER"
_HEADER_LIMIT = 1 << 20
_PACKET = np.dtype("<i2, <i2, <i4, <i4, <i4, <i4, <i4, <i4")
_POLARITY_KIND, _POLARITY_SIZE = 1, 8
_LARGEST = 1 << 28
_SENSORS = {
    "DVS128": SensorGeometry(128, 128),
    "DAVIS128": SensorGeometry(128, 128),
    "DAVIS208": SensorGeometry(208, 192),
    "DAVIS240": SensorGeometry(240, 180),
    "DAVIS346": SensorGeometry(346, 260),
    "DAVIS640": SensorGeometry(640, 480),
}


def open_aedat3(path: Path) -> Source:
    """The polarity events of an AEDAT 3.1 file; packets of frames, IMU samples and triggers are skipped."""
    head = read_head(path, _HEADER_LIMIT)
    if not head.startswith(b"#!AER-DAT3.1"):
        raise RecordingError(
            f"The file is AEDAT {head[9:12].decode('ascii', 'replace')}, and evbench reads 3.1",
            where=f"{path}, byte 0",
            remedy="Convert it with caer or jAER",
        )
    lines, offset = _header(head)
    named = next((name for line in lines for name in _SENSORS if name in line.upper()), None)
    notes = () if named else ("the header names no camera that evbench knows: DVS128 assumed",)

    def chunks(note: Note, cursor: Cursor) -> Iterator[RawChunk]:
        with path.open("rb") as file:
            yield from _chunks(file, path.stat().st_size, cursor[0] if cursor else offset, note)

    return Source("AEDAT 3.1", _SENSORS[named or "DVS128"], 0, chunks, notes)


def _header(head: bytes) -> tuple[list[str], int]:
    ending = re.search(rb"#" + _END.encode() + rb"\r?\n", head)
    lines, offset = comment_lines(head, b"#")
    return lines, ending.end() if ending else offset


def _chunks(file: BinaryIO, size: int, at: int, note: Note) -> Iterator[RawChunk]:
    file.seek(at)
    while at < size:
        head = file.read(_PACKET.itemsize)
        if len(head) < _PACKET.itemsize:
            note(f"truncated: the packet at byte {at} is not complete; read up to there")
            return
        kind, _, event_size, _, overflows, _, number, _ = np.frombuffer(head, _PACKET)[0].item()
        if not _plausible(np.frombuffer(head, _PACKET))[0]:
            found = _next_packet(file, at + 1, size)
            note(f"no packet begins at byte {at}; {(found or size) - at} bytes were skipped")
            if found is None:
                return
            at = found
            file.seek(at)
            continue
        length = event_size * number
        whole = min(length, size - at - _PACKET.itemsize)
        if kind == _POLARITY_KIND and event_size == _POLARITY_SIZE:
            words = np.frombuffer(file.read(whole // _POLARITY_SIZE * _POLARITY_SIZE), "<u4").reshape(-1, 2)
            yield _polarity(words, overflows, (at,))
        if whole < length:
            note(f"truncated: the packet at byte {at} is not complete; read up to there")
            return
        at += _PACKET.itemsize + length
        file.seek(at)


def _polarity(words: NDArray[np.uint32], overflows: int, cursor: Cursor) -> RawChunk:
    data, t = words[:, 0], words[:, 1].astype(np.int64)
    valid = data & 1 == 1
    data, t = data[valid], t[valid]
    x, y = (data >> 17).astype(np.uint16), (data >> 2 & 0x7FFF).astype(np.uint16)
    return RawChunk(t + (overflows << 31), x, y, data & 2 != 0, cursor)


def _plausible(heads: NDArray[np.void]) -> NDArray[np.bool_]:
    """Which of [N] packet headers can be ones."""
    kind, origin, size, place, overflows, capacity, number, valid = (heads[name] for name in heads.dtype.names or ())
    shape = (kind >= 0) & (origin >= 0) & (size >= 8) & (place >= 4) & (place <= size - 4)
    counts = (number >= 0) & (number <= capacity) & (valid >= 0) & (valid <= number) & (overflows >= 0)
    polarity = (kind != _POLARITY_KIND) | (size == _POLARITY_SIZE)
    return np.asarray(shape & counts & polarity & (size.astype(np.int64) * capacity <= _LARGEST))


def _next_packet(file: BinaryIO, at: int, size: int) -> int | None:
    """The offset of the next packet of polarity events at or behind `at`."""
    while at + _PACKET.itemsize <= size:
        file.seek(at)
        block = file.read(max(source.CHUNK_BYTES, 4096) + _PACKET.itemsize)
        count = len(block) - _PACKET.itemsize + 1
        # Every byte may begin a packet: heads that overlap, seen through strides of one byte.
        marks = np.frombuffer(block, np.uint8)
        likely = (marks[:count] == _POLARITY_KIND) & (marks[4 : count + 4] == _POLARITY_SIZE)
        for place in likely.nonzero()[0].tolist():
            head = np.frombuffer(block, _PACKET, 1, place)
            if _plausible(head)[0] and head["f6"][0] > 0 and head["f3"][0] == 4:
                return at + int(place)
        at += count
    return None
