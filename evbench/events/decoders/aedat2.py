"""AEDAT 2.0, jAER's format: big-endian pairs of address and time, of a DVS128 or of a DAVIS.

Address bits as in the "AEDAT 2.0" section of iniVation's AEDAT file format description. The addresses count x from the
right and y from the bottom; streams count from the left and from the top, so that pictures stand upright as in jAER.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evbench.events.decoders.source import Cursor, Note, RawChunk, Source, comment_lines, fixed_records
from evbench.events.stream import SensorGeometry

MAGIC = b"#!AER-DAT2.0"
DVS128 = SensorGeometry(128, 128)
_HEADER_BYTES = 1 << 22
_DAVIS = {
    "240": SensorGeometry(240, 180),
    "346": SensorGeometry(346, 260),
    "640": SensorGeometry(640, 480),
    "208": SensorGeometry(208, 192),
    "128": SensorGeometry(128, 128),
}


def open_aedat2(path: Path) -> Source:
    """The events of an AEDAT 2.0 file. Frame, IMU and external-input words are skipped; without a line that names the
    chip it is taken for a DVS128."""
    offset, chip = _read_header(path)
    davis = re.search(r"davis[a-z_]*(\d{3})", chip, re.IGNORECASE)
    if davis and davis[1] in _DAVIS:
        geometry, split = _DAVIS[davis[1]], _davis_words
    else:
        geometry, split = DVS128, _dvs128_words
    notes = () if davis or "DVS128" in chip else (f"the header names no chip that evbench knows ({chip!r}): DVS128",)

    def chunks(note: Note, cursor: Cursor) -> Iterator[RawChunk]:
        for at, block in fixed_records(path, cursor[0] if cursor else offset, 8, note):
            words = np.frombuffer(block, ">u4").reshape(-1, 2)
            t, x, y, on, _ = split(words[:, 0].astype(np.int64), words[:, 1].astype(np.int64))
            yield RawChunk(t, geometry.width - 1 - x, geometry.height - 1 - y, on, (at,))

    return Source("AEDAT 2.0", geometry, 32, chunks, notes)


def _dvs128_words(address: NDArray[np.int64], t: NDArray[np.int64]) -> RawChunk:
    """Bit 0 is set for OFF, bits 1-7 x, bits 8-14 y; bit 15 marks a signal of the external input.

    Bits above 15 stay in y, so that an address no DVS128 can send shows as a coordinate outside the sensor.
    """
    polarity_event = (address & 0x8000) == 0
    address, t = address[polarity_event], t[polarity_event]
    return RawChunk(t, address >> 1 & 127, address >> 8, (address & 1) == 0)


def _davis_words(address: NDArray[np.int64], t: NDArray[np.int64]) -> RawChunk:
    """Bit 31 marks frame and IMU words, bit 10 an external input; y is bits 22-30, x 12-21, bit 11 is set for ON."""
    polarity_event = (address & 0x8000_0400) == 0
    address, t = address[polarity_event], t[polarity_event]
    return RawChunk(t, address >> 12 & 0x3FF, address >> 22 & 0x1FF, (address & 0x800) != 0)


def _read_header(path: Path) -> tuple[int, str]:
    """The offset of the first event and what the header says about the chip."""
    with path.open("rb") as file:
        head = b""
        # The header may hold all of jAER's preferences, hundreds of kilobytes; it is read until it ends.
        while True:
            more = file.read(_HEADER_BYTES)
            head += more
            lines, offset = comment_lines(head, b"#")
            if not more or offset < len(head) - (1 << 16):
                break
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("AEChip"))
    return offset, next(named, "")
