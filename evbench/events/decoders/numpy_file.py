"""NumPy files: a structured array of events (.npy), or an archive of one or of a column each (.npz).

Specified in "numpy.lib.format" of NumPy's manual. Columns go by the usual names (t, x, y, p and their like), whole
times are microseconds, floating-point ones seconds. An archive may hold the sensor's size as `width` and `height`.
"""

from __future__ import annotations

import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from evbench.errors import RecordingError
from evbench.events.decoders import source
from evbench.events.decoders.fields import columns_of, is_number, measured, microseconds
from evbench.events.decoders.source import Cursor, Note, RawChunk, Source
from evbench.events.stream import SensorGeometry

NPY_MAGIC = b"\x93NUMPY"
NPZ_MAGIC = b"PK\x03\x04"
# What NumPy, the archive and the text of a damaged header raise.
_UNREADABLE = (
    OSError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    ArithmeticError,
    MemoryError,
    RuntimeError,
    SyntaxError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    tokenize.TokenError,
)


class _Array:
    """A one-dimensional array within an open file, read piece by piece."""

    def __init__(self, file: IO[bytes]) -> None:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
        if dtype.hasobject or len(shape) != 1 or not dtype.itemsize:
            raise ValueError(f"an array of shape {shape} and type {dtype} holds no events")
        self.length, self.dtype = int(shape[0]), dtype
        self._file, self._start = file, file.tell()

    def read(self, begin: int, count: int) -> NDArray[Any]:
        """Up to `count` items from number `begin` on; fewer where the file ends."""
        at = self._start + begin * self.dtype.itemsize
        if self._file.tell() != at:
            self._file.seek(at)
        data = self._file.read(max(0, min(count, self.length - begin)) * self.dtype.itemsize)
        return np.frombuffer(data[: len(data) // self.dtype.itemsize * self.dtype.itemsize], self.dtype)


def open_npy(path: Path) -> Source:
    """The events of a structured array. Raises RecordingError where the file has no columns for them."""
    return _open(path, "NPY", [None], None)


def open_npz(path: Path) -> Source:
    """The events of an archive, whose array or arrays are told by their names and columns."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = {name.removesuffix(".npy"): name for name in archive.namelist() if name.endswith(".npy")}
            geometry = _geometry(archive, members)
            columns = columns_of(members)
            if columns:
                return _open(path, "NPZ", [members[columns[mine]] for mine in ("t", "x", "y", "on")], geometry)
            for name in members.values():
                with archive.open(name) as file:
                    if _has_columns(file):
                        return _open(path, "NPZ", [name], geometry)
    except _UNREADABLE as error:
        raise _refused(path, str(error)) from None
    raise _refused(path, f"its arrays are {', '.join(members) or 'none'}")


def _open(path: Path, name: str, members: list[str | None], geometry: SensorGeometry | None) -> Source:
    def chunks(note: Note, cursor: Cursor) -> Iterator[RawChunk]:
        begin = cursor[0] if cursor else 0
        with ExitStack() as stack:
            arrays = _arrays(path, members, stack)
            length = max(array.length for array in arrays)
            step = max(source.CHUNK_BYTES // 8, 1)
            while begin < length:
                try:
                    parts = [array.read(begin, step) for array in arrays]
                except _UNREADABLE as error:
                    note(f"damaged from event {begin} on ({error}); read up to there")
                    return
                whole = min(len(part) for part in parts)
                if whole:
                    yield _chunk(parts, whole, begin)
                if whole < min(step, length - begin):
                    note(f"truncated: event {begin + whole} of {length} is not complete; read up to there")
                    return
                begin += whole

    try:
        with ExitStack() as stack:
            arrays = _arrays(path, members, stack)
            if not _usable([array.dtype for array in arrays]):
                raise ValueError(f"its type is {arrays[0].dtype}")
    except _UNREADABLE as error:
        raise _refused(path, str(error)) from None
    if geometry:
        return Source(name, geometry, 0, chunks)
    geometry, notes = measured(chunks)
    return Source(name, geometry, 0, chunks, notes)


def _arrays(path: Path, members: list[str | None], stack: ExitStack) -> list[_Array]:
    if members == [None]:
        return [_Array(stack.enter_context(path.open("rb")))]
    archive = stack.enter_context(zipfile.ZipFile(path))
    return [_Array(stack.enter_context(archive.open(cast("str", name)))) for name in members]


def _usable(types: list[np.dtype[Any]]) -> bool:
    if len(types) > 1:
        return all(is_number(dtype) for dtype in types)
    columns = columns_of(types[0].names or ())
    return columns is not None and all(is_number(types[0][name]) for name in columns.values())


def _has_columns(file: IO[bytes]) -> bool:
    try:
        return _usable([_Array(file).dtype])
    except _UNREADABLE:
        return False


def _chunk(parts: list[NDArray[Any]], whole: int, begin: int) -> RawChunk:
    if len(parts) == 1:
        columns = columns_of(parts[0].dtype.names or ()) or {}
        parts = [parts[0][columns[mine]] for mine in ("t", "x", "y", "on")]
    t, x, y, polarity = (part[:whole] for part in parts)
    return RawChunk(microseconds(t), x.astype(np.int64), y.astype(np.int64), polarity > 0, (begin,))


def _geometry(archive: zipfile.ZipFile, members: dict[str, str]) -> SensorGeometry | None:
    sides = []
    for side in ("width", "height"):
        if side not in members:
            return None
        with archive.open(members[side]) as file:
            value = np.lib.format.read_array(file, allow_pickle=False)
            if value.size != 1 or not 0 < int(value.reshape(())) <= 1 << 16:
                return None
            sides.append(int(value.reshape(())))
    return SensorGeometry(*sides)


def _refused(path: Path, why: str) -> RecordingError:
    return RecordingError(
        f"The NumPy file holds no events: {why}",
        where=str(path),
        remedy="Save a structured array, or arrays t, x, y and p in an archive",
    )
