"""EVT 3.0, the encoding of Prophesee RAW files in words of 16 bits that say only what changed.

Specified in Prophesee's "EVT 3.0 Format" (docs.prophesee.ai, data/encoding_formats/evt3). The upper four bits of a word
are its type: 0 sets y, 2 is an event at x, 3 sets the x and polarity from which words of type 4 and 5 say for 12 or 8
pixels which of them fired, 6 and 8 set the lower and upper 12 bits of the time. The rest is no event.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evbench.events.decoders.source import Cursor, Note, RawChunk, fixed_records, unrolled

_Y, _X, _BASE, _VECTOR_12, _VECTOR_8, _LOW, _HIGH = np.array([0, 2, 3, 4, 5, 6, 8], np.uint8)
_UNKNOWN = np.uint8(11)
_IGNORED, _TYPE = np.uint16(0xE000), np.uint16(0xF000)
_ELEVEN, _TWELVE = np.uint16(0x7FF), np.uint16(0xFFF)
_POLARITY = np.uint16(0x800)
_FEW, _NEAR = 64, 256


_NEVER = -(1 << 40)


class _State(NamedTuple):
    """What the words so far have set: as words, so that a block begins with them.

    high counts the turns of the clock's 24 bits in the bits above its twelve, and is _NEVER before the first; base is
    twice the x at which the next vector begins, plus its polarity; y and base are -1 before the first.
    """

    high: int = _NEVER
    low: int = 0
    y: int = -1
    base: int = -1


def evt3_chunks(path: Path, cursor: Cursor, note: Note) -> Iterator[RawChunk]:
    """The events of EVT 3.0 words from `cursor` on: (offset,) or one that a chunk has."""
    offset, state = cursor[0], _State(*cursor[1:])
    strange = first_strange = early = 0
    for at, block in fixed_records(path, offset, 2, note):
        here = (at, *state)
        words = np.frombuffer(block, "<u2")
        kind = _kinds(words)
        unknown = (kind == 1) | (kind == 9) | (kind - _UNKNOWN <= 2)
        if unknown.any():
            first_strange = first_strange if strange else at + 2 * int(unknown.argmax())
            strange += int(np.count_nonzero(unknown))
        if state.high == _NEVER or min(state.y, state.base) < 0:
            words, lost = _without_what_has_no_state(words, kind, state)
            early += lost
        t, x, y, on, state = _decode(words, state)
        if len(t):
            yield RawChunk(t, x, y, on, here)
    if early:
        note(f"{early} event words precede the first time, row or vector base and were dropped")
    if strange:
        note(f"{strange} words are of no known type and were skipped; the first is at byte {first_strange}")


def _without_what_has_no_state(
    words: NDArray[np.uint16], kind: NDArray[np.uint8], state: _State
) -> tuple[NDArray[np.uint16], int]:
    """The words with those events blanked whose time, row or base nothing has set yet, and how many these are."""
    place = np.arange(len(words))
    single, vector = kind == _X, (kind == _VECTOR_12) | (kind == _VECTOR_8)
    blank = np.zeros(len(words), np.bool_)
    for missing, setter, needing in (
        (state.high == _NEVER, _HIGH, single | vector),
        (state.y < 0, _Y, single | vector),
        (state.base < 0, _BASE, vector),
    ):
        if missing:
            found = kind == setter
            blank |= needing & (place < (int(np.argmax(found)) if found.any() else len(words)))
    # A vector without events still moves its base on.
    silent = np.where(vector, words & _TYPE, _IGNORED)
    return np.where(blank, silent, words), int(np.count_nonzero(blank))


def _kinds(words: NDArray[np.uint16]) -> NDArray[np.uint8]:
    return (words >> np.uint16(12)).astype(np.uint8)


def _decode(
    words: NDArray[np.uint16], state: _State
) -> tuple[NDArray[np.int64], NDArray[np.uint16], NDArray[np.uint16], NDArray[np.bool_], _State]:
    """t, x, y, polarity of a block's events, and the state behind it."""
    ahead = [int(_LOW) << 12 | state.low, max(state.y, 0)]
    words = np.concatenate([np.array(ahead, np.uint16), words])
    kind = _kinds(words)

    rare = ((kind - _BASE <= _VECTOR_8 - _BASE) | (kind == _HIGH)).nonzero()[0]
    rare_kind = kind.take(rare)
    vector, clock = rare[rare_kind != _HIGH], rare[rare_kind == _HIGH]
    read = (words.take(clock) & _TWELVE).astype(np.int64)
    told = state.high != _NEVER
    high, _ = unrolled(read, 12, state.high & 0xFFF if told else None, state.high >> 12 if told else 0)
    # The sensor repeats the upper bits every few words; only what changes them counts.
    changes = (high != np.concatenate([[state.high], high[:-1]])).nonzero()[0]
    clock, high = clock.take(changes), high.take(changes)

    place = (kind == _X).nonzero()[0]
    base, set_bits = state.base, None
    if len(vector):
        origin, x_of_bits, on_of_bits, base = _vector_events(words.take(vector), kind.take(vector), state.base)
        place, set_bits = _merged(place, vector[origin])
    word = words.take(place)
    x, on = word & _ELEVEN, word & _POLARITY != 0
    if set_bits is not None:
        x[set_bits], on[set_bits] = x_of_bits, on_of_bits

    before = place - 1
    kind_before = kind.take(before)
    # The word that sets the row mostly is the one ahead of an event, the one that sets the time that or the one before.
    row = _last(kind, _Y, place, before, kind_before)
    nearer = (kind_before == _LOW).nonzero()[0]
    guess = place - 2
    guess[nearer] += 1
    t = (words.take(_last(kind, _LOW, place, guess, kind.take(guess))) & _TWELVE).astype(np.int64)
    _add_high(t, state.high if told else 0, high, np.searchsorted(place, clock))
    y = words.take(row) & _ELEVEN

    last_low, last_y = _final(kind, _LOW), _final(kind, _Y)
    after = _State(
        high=int(high[-1]) if len(high) else state.high,
        low=int(words[last_low]) & 0xFFF,
        # The word ahead of the block stands for a row even where none was set.
        y=int(words[last_y]) & 0x7FF if state.y >= 0 or last_y > 1 else -1,
        base=base,
    )
    return t, x, y, on, after


def _add_high(t: NDArray[np.int64], first: int, high: NDArray[np.int64], since: NDArray[np.intp]) -> None:
    """Adds the upper bits of the time: `first`, then each of `high` from the event `since` which it holds."""
    begin, value = 0, first
    # The upper bits change every four milliseconds, some dozen times in a block.
    for following, end in zip(high.tolist(), since.tolist(), strict=True):
        t[begin:end] += value << 12
        begin, value = end, following
    t[begin:] += value << 12


def _final(kind: NDArray[np.uint8], setter: np.uint8) -> int:
    """The place of the last word of the type `setter`."""
    near = (kind[-_NEAR:] == setter).nonzero()[0]
    if len(near):
        return max(len(kind) - _NEAR, 0) + int(near[-1])
    return int((kind == setter).nonzero()[0][-1])


def _vector_events(
    word: NDArray[np.uint16], kind: NDArray[np.uint8], base: int
) -> tuple[NDArray[np.intp], NDArray[np.uint16], NDArray[np.bool_], int]:
    """The word, x and polarity of every bit set in the words of types 4 and 5, and the base behind them.

    word, kind: [V], the words of types 3, 4 and 5; each of the latter two moves the base on by as many pixels as it
    tells of.
    """
    sets = kind == _BASE
    width = np.where(kind == _VECTOR_12, 12, np.where(kind == _VECTOR_8, 8, 0))
    passed = np.cumsum(width) - width
    # Entry 0 stands for the base of the block before.
    group = np.cumsum(sets)
    based = word[sets].astype(np.int64)
    start = np.concatenate([[max(base, 0) >> 1], based & 0x7FF])
    on = np.concatenate([[max(base, 0) & 1], based >> 11 & 1])
    began = np.concatenate([[0], passed[sets]])
    first = start[group] + passed - began[group]
    valid = np.where(sets, 0, word & np.where(kind == _VECTOR_8, 0xFF, 0xFFF)).astype("<u2")
    bits = np.unpackbits(valid.view(np.uint8), bitorder="little").nonzero()[0]
    origin, pixel = bits >> 4, bits & 15
    # Beyond 16 bits nothing is on a sensor any more.
    x = np.minimum(first[origin] + pixel, 0xFFFF).astype(np.uint16)
    behind = min(int(first[-1] + width[-1]), 0xFFFF)
    known = base >= 0 or bool(sets.any())
    return origin, x, on[group[origin]] == 1, behind << 1 | int(on[group[-1]]) if known else -1


def _merged(place: NDArray[np.intp], more: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Both ascending rows of places as one, and where in it those of `more` are."""
    there = np.searchsorted(place, more) + np.arange(len(more))
    merged = np.empty(len(place) + len(more), np.intp)
    others = np.ones(len(merged), np.bool_)
    others[there] = False
    merged[there], merged[others] = more, place
    return merged, there


def _last(
    kind: NDArray[np.uint8],
    setter: np.uint8,
    place: NDArray[np.intp],
    found: NDArray[np.intp],
    kind_found: NDArray[np.uint8],
) -> NDArray[np.intp]:
    """The place of the last word of the type `setter` ahead of each event at `place`, ascending; changes `found`.

    One of the first two words is of that type. found, kind_found: a guess and the types of the words there, behind
    which no word of that type may lie; where nothing lies between it and the event before, the two have the same.
    """
    missing = (kind_found != setter).nonzero()[0]
    if not len(missing):
        return found
    at = found.take(missing)
    event_before = place.take(np.maximum(missing - 1, 0))
    if missing[0] == 0:
        event_before[0] = -1
    further = (at - 1 > event_before).nonzero()[0]
    if len(further) > _FEW:
        setting = kind == setter
        found[missing] = setting.nonzero()[0].take(np.cumsum(setting, dtype=np.int32).take(at) - 1)
        return found
    found[missing] = -1
    for number in further.tolist():
        between = (kind[event_before[number] + 1 : at[number]] == setter).nonzero()[0]
        if len(between):
            found[missing[number]] = event_before[number] + 1 + between[-1]
    inheriting = missing[found.take(missing) < 0]
    begins = np.diff(inheriting, prepend=-1) != 1
    found[inheriting] = found.take(np.maximum.accumulate(np.where(begins, inheriting - 1, 0)))
    return found
