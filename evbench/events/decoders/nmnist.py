"""The 40-bit events of an ATIS as N-MNIST and N-Caltech101 store them (.bin, and .bs2 in other collections).

One byte x, one byte y, then 24 bits big-endian: polarity and a time of 23 bits in microseconds (Orchard et al.,
"Converting static image datasets to spiking neuromorphic datasets using saccades", 2015). The format has no magic.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from evbench.events.decoders.source import Cursor, Note, RawChunk, Source, fixed_records, read_head
from evbench.events.stream import SensorGeometry

SENSORS = (SensorGeometry(34, 34), SensorGeometry(128, 128), SensorGeometry(240, 180), SensorGeometry(256, 240))
"""Sizes of the sets published in this format, smallest first: N-MNIST, crops, N-Caltech101, the whole ATIS."""

_OVERFLOW_ROW = 240
_OVERFLOW_US = 1 << 13
_RECORD = 5
_ENOUGH = 64
_TEXT = bytes(range(32, 127)) + b"\t\n\r"
_LONG_PAUSE_US = 1 << 17
_GEOMETRY_BYTES = 1 << 22


def open_nmnist(path: Path) -> Source:
    """The events of an N-MNIST file; a y of 240 is no event but says that the clock moved on by 8192 µs.

    The file does not name its sensor: it is the smallest of `SENSORS` that holds all but one event in a hundred.
    """

    def chunks(note: Note, cursor: Cursor) -> Iterator[RawChunk]:
        start, passed = cursor or (0, 0)
        for at, block in fixed_records(path, start, _RECORD, note):
            here = (at, passed)
            byte = np.frombuffer(block, np.uint8).reshape(-1, _RECORD).astype(np.int64)
            t = (byte[:, 2] & 0x7F) << 16 | byte[:, 3] << 8 | byte[:, 4]
            overflow = byte[:, 1] == _OVERFLOW_ROW
            if passed or overflow.any():
                moved = passed + np.cumsum(overflow)
                t = t + moved * _OVERFLOW_US
                passed = int(moved[-1])
            event = ~overflow
            yield RawChunk(t[event], byte[event, 0], byte[event, 1], byte[event, 2] > 127, here)

    return Source("N-MNIST", _geometry(path), 23, chunks)


def looks_like_nmnist(head: bytes) -> bool:
    """Whether bytes without a magic read as 40-bit events: their times must ascend nearly always, as chance would not.

    Images and archives fail because half of their neighbouring "times" would descend; text is told by its bytes.
    """
    whole = len(head) // _RECORD
    if whole == 0 or not head.translate(None, _TEXT):
        return False
    byte = np.frombuffer(head, np.uint8, whole * _RECORD).reshape(-1, _RECORD).astype(np.int64)
    byte = byte[byte[:, 1] != _OVERFLOW_ROW]
    t = (byte[:, 2] & 0x7F) << 16 | byte[:, 3] << 8 | byte[:, 4]
    # Bytes that are no clock step by anything in 23 bits; real events follow each other within a few milliseconds.
    steps = np.diff(t) & 0x7FFFFF
    plausible = np.count_nonzero(steps < _LONG_PAUSE_US)
    if whole < _ENOUGH:
        return bool(plausible == len(steps) and (byte[:, :2] <= _OVERFLOW_ROW).all())
    return bool(plausible > 0.9 * len(steps))


def _geometry(path: Path) -> SensorGeometry:
    head = read_head(path, _GEOMETRY_BYTES)
    byte = np.frombuffer(head, np.uint8, len(head) // _RECORD * _RECORD).reshape(-1, _RECORD)
    x, y = byte[byte[:, 1] != _OVERFLOW_ROW, :2].T
    for sensor in SENSORS:
        if np.count_nonzero((x >= sensor.width) | (y >= sensor.height)) <= 0.01 * len(x):
            return sensor
    return SENSORS[-1]
