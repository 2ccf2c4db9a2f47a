"""Writes streams as Prophesee DAT, AEDAT 2.0 or N-MNIST files that `open_recording` and other tools read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from evbench.errors import RecordingError
from evbench.events.decoders.aedat2 import DVS128
from evbench.events.stream import EventStream


def write_recording(stream: EventStream, path: str | Path) -> None:
    """Writes `stream` in the format that the suffix names: .dat, .aedat, or .bin and .bs2 for N-MNIST.

    Raises RecordingError when the suffix names no such format, when the format cannot hold the stream's coordinates
    or times, or when the file cannot be written. The file appears complete or not at all.
    """
    path = Path(path)
    encode = _ENCODERS.get(path.suffix.lower())
    if encode is None:
        raise RecordingError(
            f"No format is written under the suffix {path.suffix!r}",
            where=str(path),
            remedy=f"Use one of {', '.join(_ENCODERS)}",
        )
    data = encode(stream, path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        try:
            temporary.write_bytes(data)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise RecordingError(f"The recording cannot be written: {error.strerror or error}", where=str(path)) from None


def _dat(stream: EventStream, path: Path) -> bytes:
    geometry = stream.geometry
    _require(path, "DAT", stream, 1 << 14, 1 << 14, 32)
    header = f"% Data file containing CD events.\n% Version 2\n% Width {geometry.width}\n% Height {geometry.height}\n"
    word = np.empty((len(stream), 2), "<u4")
    word[:, 0] = stream.t & 0xFFFF_FFFF
    word[:, 1] = stream.x.astype(np.int64) | stream.y.astype(np.int64) << 14 | stream.on.astype(np.int64) << 28
    return header.encode() + bytes([0x0C, 8]) + word.tobytes()


def _aedat2(stream: EventStream, path: Path) -> bytes:
    _require(path, "AEDAT 2.0 of a DVS128", stream, DVS128.width, DVS128.height, 32)
    header = (
        "#!AER-DAT2.0\r\n"
        "# This is a raw AE data file - do not edit\r\n"
        "# Data format is int32 address, int32 timestamp (8 bytes total), repeated for each event\r\n"
        "# Timestamps tick is 1 us\r\n"
        "# AEChip: ch.unizh.ini.jaer.chip.retina.DVS128\r\n"
        "#End Of ASCII Header\r\n"
    )
    word = np.empty((len(stream), 2), ">u4")
    x, y = (DVS128.width - 1 - stream.x.astype(np.int64)), (DVS128.height - 1 - stream.y.astype(np.int64))
    word[:, 0] = ~stream.on | x << 1 | y << 8
    word[:, 1] = stream.t & 0xFFFF_FFFF
    return header.encode() + word.tobytes()


def _nmnist(stream: EventStream, path: Path) -> bytes:
    # A y of 240 would read as the clock's overflow.
    _require(path, "N-MNIST", stream, 256, 240, 23)
    byte = np.empty((len(stream), 5), np.uint8)
    byte[:, 0], byte[:, 1] = stream.x, stream.y
    byte[:, 2] = stream.on.astype(np.int64) << 7 | (stream.t >> 16 & 0x7F)
    byte[:, 3] = stream.t >> 8 & 0xFF
    byte[:, 4] = stream.t & 0xFF
    return byte.tobytes()


_ENCODERS: dict[str, Callable[[EventStream, Path], bytes]] = {
    ".dat": _dat,
    ".aedat": _aedat2,
    ".bin": _nmnist,
    ".bs2": _nmnist,
}


def _require(path: Path, format_name: str, stream: EventStream, width: int, height: int, time_bits: int) -> None:
    """Raises RecordingError where the stream does not fit. Times may wrap: a reader undoes wraps, but takes a step of
    half the counter's range for one and cannot know how often the clock had turned at the first event."""
    if not len(stream):
        return
    if int(stream.x.max()) >= width or int(stream.y.max()) >= height:
        raise RecordingError(
            f"{format_name} holds {width}x{height} pixels; the stream reaches ({stream.x.max()}, {stream.y.max()})",
            where=str(path),
            remedy="Write it as .dat",
        )
    steps = np.abs(np.diff(stream.t))
    if int(stream.t[0]) < 0 or (len(steps) and int(steps.max()) >= 1 << (time_bits - 1)):
        raise RecordingError(
            f"{format_name} has times of {time_bits} bits in microseconds; the stream's do not fit",
            where=str(path),
            remedy="Write it as .dat" if time_bits < 32 else "Cut the stream where it pauses",
        )
