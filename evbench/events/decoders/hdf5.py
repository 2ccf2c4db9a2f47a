"""HDF5: Prophesee's layout (CD/events), that of DSEC, and any group of t, x, y and p of one length.

Specified in Prophesee's "HDF5 Event File Format" (docs.prophesee.ai, data/file_formats/hdf5) and on DSEC's "Data
Format" page (dsec.ifi.uzh.ch), whose times count from `t_offset`. Elsewhere whole times are microseconds,
others seconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evbench.errors import RecordingError
from evbench.events.decoders import source
from evbench.events.decoders.fields import columns_of, is_number, measured, microseconds
from evbench.events.decoders.source import Cursor, Note, RawChunk, Source
from evbench.events.stream import SensorGeometry

if TYPE_CHECKING:
    import h5py

MAGIC = b"\x89HDF\r\n\x1a\n"
_DSEC = SensorGeometry(640, 480)
_UNREADABLE = (OSError, RuntimeError, ValueError, KeyError, TypeError, MemoryError)


def open_hdf5(path: Path) -> Source:
    """The events of an HDF5 file. Raises RecordingError where it is damaged or has no such columns."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            place = _find(file)
            if place is None:
                raise ValueError("no group has t, x, y and p of one length")
            offset = int(file["t_offset"][()]) if isinstance(file.get("t_offset"), h5py.Dataset) else 0
            geometry = _geometry(file, place)
            if geometry is None and offset and "ms_to_idx" in file:
                geometry = _DSEC
    except _UNREADABLE as error:
        raise RecordingError(
            f"The HDF5 file holds no events that can be read: {error}",
            where=str(path),
            remedy="Give it datasets t, x, y and p in one group, or Prophesee's CD/events",
        ) from None

    def chunks(note: Note, cursor: Cursor) -> Iterator[RawChunk]:
        step = max(source.CHUNK_BYTES // 8, 1)
        with h5py.File(path, "r") as opened:
            columns = _columns(opened[place])
            assert columns is not None
            length = len(columns["t"])
            for begin in range(cursor[0] if cursor else 0, length, step):
                try:
                    part = {name: np.asarray(data[begin : begin + step]) for name, data in columns.items()}
                except _UNREADABLE as error:
                    # Prophesee compresses with a codec of its own, which HDF5 knows when its plugin is installed.
                    note(f"events {begin} to {min(begin + step, length)} cannot be read: {error}")
                    continue
                t = microseconds(part["t"]) + offset
                yield RawChunk(t, part["x"].astype(np.int64), part["y"].astype(np.int64), part["on"] > 0, (begin,))

    if geometry:
        return Source("HDF5", geometry, 0, chunks)
    geometry, notes = measured(chunks)
    return Source("HDF5", geometry, 0, chunks, notes)


def _find(file: h5py.File) -> str | None:
    """The name of the group or table that holds events: Prophesee's, else the first in the file's order."""
    for name in ("CD/events", "events"):
        if name in file and _columns(file[name]) is not None:
            return name
    found: str | None = file.visititems(lambda name, item: name if _columns(item) is not None else None)
    return found


class _Column:
    """One field of a table, read like a dataset."""

    def __init__(self, table: h5py.Dataset, name: str) -> None:
        self._table, self._name = table, name

    def __len__(self) -> int:
        return len(self._table)

    def __getitem__(self, part: slice) -> Any:
        return self._table[part][self._name]


def _columns(item: Any) -> dict[str, Any] | None:
    """What can be sliced for "t", "x", "y" and "on" of a group of columns or of a table; None for anything else."""
    import h5py

    if isinstance(item, h5py.Dataset):
        names = columns_of(item.dtype.names or ())
        if names is None or item.ndim != 1 or not all(is_number(item.dtype[name]) for name in names.values()):
            return None
        return {mine: _Column(item, name) for mine, name in names.items()}
    names = columns_of(item.keys())
    if names is None:
        return None
    found = {mine: item[name] for mine, name in names.items()}
    if not all(isinstance(data, h5py.Dataset) and data.ndim == 1 and is_number(data.dtype) for data in found.values()):
        return None
    return found if len({len(data) for data in found.values()}) == 1 else None


def _geometry(file: h5py.File, place: str) -> SensorGeometry | None:
    """The sensor's size as attributes tell it: geometry = "WxH", or width and height."""
    for attributes in (file[place].attrs, file[place].parent.attrs, file.attrs):
        size = re.fullmatch(r"(\d{1,5})x(\d{1,5})", _text(attributes.get("geometry", "")))
        sides = (int(size[1]), int(size[2])) if size else tuple(attributes.get(side, 0) for side in ("width", "height"))
        if all(isinstance(side, int | np.integer) and 0 < side <= 1 << 16 for side in sides):
            return SensorGeometry(int(sides[0]), int(sides[1]))
    return None


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
