"""Streams as tables: HDF5 in Prophesee's layout, a NumPy archive, and CSV. The decoders say what these are."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evbench.events.stream import EventStream

_EVENT = np.dtype([("x", "<u2"), ("y", "<u2"), ("p", "<i2"), ("t", "<i8")])
_LINES = 1 << 16


def encode_hdf5(stream: EventStream, path: Path) -> bytes:
    """CD/events with x, y, p and t, compressed by gzip, and the sensor's size as the attribute `geometry`."""
    import h5py

    file = io.BytesIO()
    with h5py.File(file, "w") as opened:
        opened.attrs["geometry"] = f"{stream.geometry.width}x{stream.geometry.height}"
        stored: dict[str, Any] = {"compression": "gzip", "compression_opts": 1, "shuffle": True} if len(stream) else {}
        opened.create_dataset("CD/events", data=_table(stream), **stored)
    return file.getvalue()


def encode_npz(stream: EventStream, path: Path) -> bytes:
    """A structured array `events` of x, y, p and t, with the sensor's `width` and `height`."""
    file = io.BytesIO()
    width, height = np.array(stream.geometry.width), np.array(stream.geometry.height)
    np.savez_compressed(file, events=_table(stream), width=width, height=height)
    return file.getvalue()


def encode_csv(stream: EventStream, path: Path) -> bytes:
    """Lines of t, x, y and polarity behind a header that has the sensor's size."""
    columns = (stream.t, stream.x, stream.y, stream.on.view(np.uint8))
    parts = [f"t,x@{stream.geometry.width},y@{stream.geometry.height},on\n"]
    for begin in range(0, len(stream), _LINES):
        rows = zip(*(column[begin : begin + _LINES].tolist() for column in columns), strict=True)
        parts += [f"{t},{x},{y},{on}\n" for t, x, y, on in rows]
    return "".join(parts).encode("ascii")


def _table(stream: EventStream) -> NDArray[np.void]:
    table = np.empty(len(stream), _EVENT)
    table["x"], table["y"], table["p"], table["t"] = stream.x, stream.y, stream.on, stream.t
    return table
