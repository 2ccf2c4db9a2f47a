"""EVT 2.0 and EVT 2.1, the encodings of Prophesee RAW files that spend a whole word on every event or 32 pixels.

Specified in Prophesee's "EVT 2.0 Format" and "EVT 2.1 Format" (docs.prophesee.ai, data/encoding_formats). The upper
four bits of a word are its type: 0 and 1 are OFF and ON events with the lower 6 bits of the time, 8 sets its upper 28.
An EVT 2.0 word of 32 bits has 11 bits of x and 11 of y; one of EVT 2.1 has 64, whose lower half says which of the 32
pixels from x on fired.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evbench.events.decoders.source import Cursor, Note, RawChunk, fixed_records, unrolled

_TIME_HIGH, _LOW_BITS, _HIGH_BITS = 8, 6, 28
_KNOWN = frozenset((0, 1, _TIME_HIGH, 10, 14, 15))
_ELEVEN = np.uint32(0x7FF)
_ON = np.uint32(1 << 28)


def evt2_chunks(path: Path, cursor: Cursor, note: Note) -> Iterator[RawChunk]:
    """The events of EVT 2.0 words from `cursor` on: (offset,) or one that a chunk has."""

    def words(block: bytes) -> tuple[NDArray[np.uint32], NDArray[np.uint32] | None]:
        return np.frombuffer(block, "<u4"), None

    yield from _chunks(path, cursor, note, 4, words)


def evt21_chunks(path: Path, cursor: Cursor, note: Note, swapped: bool) -> Iterator[RawChunk]:
    """The events of EVT 2.1 words from `cursor` on; `swapped` where a word's upper half comes first ("legacy")."""

    def words(block: bytes) -> tuple[NDArray[np.uint32], NDArray[np.uint32] | None]:
        halves = np.frombuffer(block, "<u4").reshape(-1, 2)
        upper, valid = halves[:, 0 if swapped else 1], halves[:, 1 if swapped else 0]
        return upper.copy(), valid.copy()

    yield from _chunks(path, cursor, note, 8, words)


def _chunks(
    path: Path,
    cursor: Cursor,
    note: Note,
    size: int,
    words: Callable[[bytes], tuple[NDArray[np.uint32], NDArray[np.uint32] | None]],
) -> Iterator[RawChunk]:
    """Words of both encodings look alike but for the place of x and y and the lower half of the wider one."""
    offset, high, turns = cursor if len(cursor) == 3 else (cursor[0], -1, 0)
    strange = early = 0
    first_strange = 0
    for at, block in fixed_records(path, offset, size, note):
        here = (at, high, turns)
        word, valid = words(block)
        event = word < 0x2000_0000
        other = (~event).nonzero()[0]
        kind = word[other] >> 28
        unknown = ~np.isin(kind, list(_KNOWN))
        if unknown.any():
            first_strange = first_strange if strange else at + size * int(other[np.argmax(unknown)])
            strange += int(np.count_nonzero(unknown))
        clock = (kind == _TIME_HIGH).nonzero()[0]
        read = (word[other[clock]] & 0x0FFF_FFFF).astype(np.int64)
        following, after = unrolled(read, _HIGH_BITS, high if high >= 0 else None, turns)
        # How many events precede each word that sets the clock.
        ahead = other[clock] - clock
        events = len(word) - len(other)
        known = high >= 0
        base = np.concatenate([[(turns << _HIGH_BITS) + high if known else -1], following])
        if len(read):
            high, turns = int(read[-1]), after
        skip = 0 if known else int(ahead[0]) if len(ahead) else events
        early += skip
        lengths = np.diff(np.concatenate([[0], ahead, [events]]))
        lengths[0] -= skip
        base <<= _LOW_BITS
        if len(other) or skip:
            word = word[event][skip:]
        t = np.repeat(base, lengths)
        on = word >= _ON
        if valid is None:
            t += (word >> 22 & 0x3F).view(np.int32)
            x, y = word >> 11 & _ELEVEN, word & _ELEVEN
        else:
            t += word >> 22 & 0x3F
            row, pixel = _set_bits(valid[event][skip:])
            t, on, x, y = t[row], on[row], (word >> 11 & _ELEVEN)[row] + pixel, (word & _ELEVEN)[row]
        if len(t):
            yield RawChunk(t, x.astype(np.uint16), y.astype(np.uint16), on, here)
    if early:
        note(f"{early} event words precede the first time and were dropped")
    if strange:
        note(f"{strange} words are of no known type and were skipped; the first is at byte {first_strange}")


def _set_bits(words: NDArray[np.uint32]) -> tuple[NDArray[np.intp], NDArray[np.uint32]]:
    """The number of the word and of the bit, from the lowest up, of every bit that is set."""
    bits = np.unpackbits(words.astype("<u4").view(np.uint8), bitorder="little").nonzero()[0]
    return bits >> 5, (bits & 31).astype(np.uint32)
