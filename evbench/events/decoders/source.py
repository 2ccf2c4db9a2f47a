"""What every decoder gives `open_recording`: the sensor, how wide its timestamps are, and raw events in chunks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evbench.errors import RecordingError
from evbench.events.stream import SensorGeometry

CHUNK_BYTES = 1 << 18
"""How much of a file is read at a time: what is computed from it stays in the processor's caches."""

Cursor = tuple[int, ...]
"""A place in a recording from which it can be read on, as its decoder writes it: a byte offset and what the decoder
must know there. The empty cursor is the beginning."""


class RawChunk(NamedTuple):
    """Events as the file has them: t [N] int64 before unrolling, x and y [N] of any integer type, which may lie
    outside the sensor, and the cursor of the first of them."""

    t: NDArray[np.int64]
    x: NDArray[np.integer]
    y: NDArray[np.integer]
    on: NDArray[np.bool_]
    cursor: Cursor = ()


Note = Callable[[str], None]
"""Where a decoder reports damage, one sentence each, without the file's name."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file that a decoder recognised. `time_bits` is the width at which its timestamps wrap, 0 where they do not;
    `chunks` reads the events from a cursor on, that of a chunk it gave before or the empty one, and reports damage as
    it goes; `notes` holds what the header alone shows."""

    format: str
    geometry: SensorGeometry
    time_bits: int
    chunks: Callable[[Note, Cursor], Iterator[RawChunk]]
    notes: tuple[str, ...] = ()


def fixed_records(path: Path, offset: int, record: int, note: Note) -> Iterator[tuple[int, bytes]]:
    """The bytes of `path` from `offset` on in whole records of `record` bytes, a chunk at a time, each with its offset.

    A file that ends within a record is noted with the byte offset at which that record begins.
    """
    at = offset
    step = max(CHUNK_BYTES // record, 1) * record
    with path.open("rb") as file:
        file.seek(offset)
        while block := file.read(step):
            whole = len(block) // record * record
            if whole:
                yield at, block if whole == len(block) else block[:whole]
            if whole < len(block):
                note(
                    f"truncated: the record at byte {at + whole} has {len(block) - whole} of {record} bytes; "
                    "read up to there"
                )
                return
            at += len(block)


def comment_lines(head: bytes, mark: bytes) -> tuple[list[str], int]:
    """The lines of `head` that begin with `mark`, without it, and the offset of the first byte behind them.

    Binary data may begin with the mark too: a comment line ends as the first one does, and none comes after jAER's
    "End Of ASCII Header".
    """
    first = head.find(b"\n")
    ending = b"\r\n" if head[max(first - 1, 0) : first + 1] == b"\r\n" else b"\n"
    lines: list[str] = []
    at = 0
    while head.startswith(mark, at) and not (lines and lines[-1].startswith("End Of ASCII Header")):
        end = head.find(ending, at)
        if end < 0:
            break
        lines.append(head[at + len(mark) : end].decode("utf-8", "replace").strip())
        at = end + len(ending)
    return lines, at


def unrolled(t: NDArray[np.int64], bits: int, last: int | None, turns: int) -> tuple[NDArray[np.int64], int]:
    """Times of a counter of `bits` bits with a full turn added wherever it fell by more than half of its range, and
    the turns after the last of them. `last` is the counter ahead of the first time, `turns` how often it had turned."""
    if not len(t):
        return t, turns
    half = 1 << (bits - 1)
    before = int(t[0]) if last is None else last
    # Nearly every chunk ascends; then the whole of it moves by less than half of the range or turns at its first step.
    if abs(int(t[0]) - before) > half or int(t.max()) - int(t.min()) > half:
        step = np.diff(t, prepend=before)
        turned = turns + np.cumsum((step < -half).astype(np.int64) - (step > half).astype(np.int64))
        return t + (turned << bits), int(turned[-1])
    return (t + (turns << bits) if turns else t), turns


def read_head(path: Path, limit: int | None = None) -> bytes:
    """The first `limit` bytes of a file, or all. Raises RecordingError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read() if limit is None else file.read(limit)
    except OSError as error:
        raise RecordingError(
            f"The recording cannot be read: {error.strerror or error}",
            where=str(path),
            remedy="Name a file that exists and that you may read",
        ) from None
