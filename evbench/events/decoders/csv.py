"""Events as text: one line each, behind a header line that names the columns, as in "t,x@320,y@240,on".

The layout is faery's (github.com/aestream/faery): a column's name may carry the sensor's size in that direction. All
columns are whole numbers; times are microseconds; polarity is ON where it is greater than zero.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evbench.events.decoders import source
from evbench.events.decoders.fields import field_names, measured
from evbench.events.decoders.source import Cursor, Note, RawChunk, Source, read_head
from evbench.events.stream import SensorGeometry

_HEADER_LIMIT = 1 << 12
_COMMA, _NEWLINE, _RETURN = 44, 10, 13
_DIGITS = 18
_OTHER_THAN_NUMBERS = bytes(set(range(256)) - set(b"0123456789-,\r\n"))


def looks_like_csv(head: bytes) -> bool:
    """Whether a file begins with a line that names a time, x, y and a polarity."""
    return _columns(head) is not None


def open_csv(path: Path) -> Source:
    """The events of a CSV file; lines that are no event are counted and skipped."""
    head = read_head(path, _HEADER_LIMIT)
    columns = _columns(head)
    assert columns is not None
    names, sizes, offset = columns
    order = tuple(names.index(name) for name in ("t", "x", "y", "on"))

    def chunks(note: Note, cursor: Cursor) -> Iterator[RawChunk]:
        at = cursor[0] if cursor else offset
        strange, first_strange = 0, 0
        with path.open("rb") as file:
            file.seek(at)
            while block := file.read(max(source.CHUNK_BYTES, 64)):
                block += file.readline(1 << 16)
                table, bad, first_bad = _parsed(block if block.endswith(b"\n") else block + b"\n", len(names))
                first_strange = first_strange if strange or not bad else at + first_bad
                strange += bad
                t, x, y, on = (table[:, number] for number in order)
                if len(t):
                    yield RawChunk(t, x, y, on > 0, (at,))
                at += len(block)
        if strange:
            note(f"{strange} lines are no events and were skipped; the first is at byte {first_strange}")

    if "x" in sizes and "y" in sizes:
        return Source("CSV", SensorGeometry(sizes["x"], sizes["y"]), 0, chunks)
    geometry, notes = measured(chunks)
    return Source("CSV", geometry, 0, chunks, notes)


def _columns(head: bytes) -> tuple[list[str], dict[str, int], int] | None:
    """The columns' names as `field_names` has them, the sizes some carry, and the offset of the first event."""
    line, newline, _ = head.partition(b"\n")
    if not newline or not line.isascii():
        return None
    parts = [re.fullmatch(r'\s*"?([A-Za-z_]\w*)(?:@(\d{1,5}))?"?\s*', part) for part in line.decode("ascii").split(",")]
    found = [part for part in parts if part]
    names = field_names([part[1] for part in found])
    if len(found) < len(parts) or names is None:
        return None
    sizes = {name: int(part[2]) for name, part in zip(names, found, strict=True) if part[2] and int(part[2])}
    return names, sizes, len(line) + 1


def _parsed(block: bytes, columns: int) -> tuple[NDArray[np.int64], int, int]:
    """The events of whole lines, [N, columns], how many lines are none, and the offset of the first of these."""
    byte = np.frombuffer(block, np.uint8)
    ends = ((byte == _COMMA) | (byte == _NEWLINE)).nonzero()[0]
    expected = np.full(columns, _COMMA, np.uint8)
    expected[-1] = _NEWLINE
    # NumPy takes a lone minus for a zero.
    lone = any(minus in block for minus in (b"-,", b"-\n", b"-\r"))
    if not lone and len(block.translate(None, _OTHER_THAN_NUMBERS)) == len(block) and len(ends) % columns == 0:
        lengths = np.diff(ends, prepend=-1)
        shape = byte[ends].reshape(-1, columns)
        if (shape == expected).all() and lengths.min(initial=2) > 1 and lengths.max(initial=0) <= _DIGITS + 2:
            numbers = _numbers(block)
            if numbers is not None and len(numbers) == len(ends):
                return numbers.reshape(-1, columns), 0, 0
    # Half of a damaged block is whole more often than not, so that few lines are looked at one by one.
    middle = block.find(b"\n", len(block) // 2) + 1
    if middle in (0, len(block)):
        middle = block.rfind(b"\n", 0, len(block) // 2) + 1
    if middle in (0, len(block)):
        return np.empty((0, columns), np.int64), int(bool(block.strip())), 0
    first, bad, at = _parsed(block[:middle], columns)
    second, more, more_at = _parsed(block[middle:], columns)
    return np.concatenate([first, second]), bad + more, at if bad else middle + more_at


def _numbers(block: bytes) -> NDArray[np.int64] | None:
    with warnings.catch_warnings():
        # NumPy stops with this warning where the text is no row of numbers, such as at "1-2".
        warnings.simplefilter("error", DeprecationWarning)
        try:
            return np.fromstring(block.replace(b"\n", b",").decode("ascii"), np.int64, sep=",")
        except (DeprecationWarning, ValueError, OverflowError):
            return None
