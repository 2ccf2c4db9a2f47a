"""Writes streams as files that `open_recording` and other tools read; the suffix says in which format."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from evbench.errors import RecordingError
from evbench.events.decoders.aedat2 import DVS128
from evbench.events.encoders.aedat4 import encode_aedat4
from evbench.events.encoders.limits import require_pixels, require_times
from evbench.events.encoders.prophesee import encode_dat, encode_evt2, encode_evt3
from evbench.events.encoders.tables import encode_csv, encode_hdf5, encode_npz
from evbench.events.stream import EventStream


def write_recording(stream: EventStream, path: str | Path) -> None:
    """Writes `stream` in the format that the end of the file's name says, one of `SUFFIXES`.

    Raises RecordingError when it says no format, when the format cannot hold the stream's coordinates or times, or
    when the file cannot be written. The file appears complete or not at all.
    """
    path = Path(path)
    encode = next((encode for suffix, encode in _ENCODERS.items() if path.name.lower().endswith(suffix)), None)
    if encode is None:
        raise RecordingError(
            f"No format is written under the suffix {path.suffix!r}",
            where=str(path),
            remedy=f"Use one of {', '.join(SUFFIXES)}",
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


def _aedat2(stream: EventStream, path: Path) -> bytes:
    require_pixels(path, "AEDAT 2.0 of a DVS128", stream, DVS128.width, DVS128.height)
    require_times(path, "AEDAT 2.0 of a DVS128", stream, 32, 1 << 31)
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
    require_pixels(path, "N-MNIST", stream, 256, 240)
    require_times(path, "N-MNIST", stream, 23, 1 << 22)
    byte = np.empty((len(stream), 5), np.uint8)
    byte[:, 0], byte[:, 1] = stream.x, stream.y
    byte[:, 2] = stream.on.astype(np.int64) << 7 | (stream.t >> 16 & 0x7F)
    byte[:, 3] = stream.t >> 8 & 0xFF
    byte[:, 4] = stream.t & 0xFF
    return byte.tobytes()


_ENCODERS: dict[str, Callable[[EventStream, Path], bytes]] = {
    ".dat": encode_dat,
    ".evt2.raw": encode_evt2,
    ".raw": encode_evt3,
    ".aedat4": encode_aedat4,
    ".aedat": _aedat2,
    ".h5": encode_hdf5,
    ".hdf5": encode_hdf5,
    ".npz": encode_npz,
    ".csv": encode_csv,
    ".bin": _nmnist,
    ".bs2": _nmnist,
}

SUFFIXES = tuple(_ENCODERS)
"""What a file's name may end in: Prophesee DAT, RAW in EVT2 or EVT3, AEDAT 4.0 or 2.0, HDF5, NPZ, CSV, or N-MNIST."""
