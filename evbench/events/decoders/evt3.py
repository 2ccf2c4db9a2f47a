"""EVT 3.0, the encoding of Prophesee RAW files in words of 16 bits that say only what changed.

Specified in Prophesee's "EVT 3.0 Format" (docs.prophesee.ai, data/encoding_formats/evt3). The upper four bits of a word
are its type: 0 sets y, 2 is an event at x, 3 sets the x and polarity from which words of type 4 and 5 say for 12 or 8
pixels which of them fired, 6 and 8 set the lower and upper 12 bits of the time. The rest is no event. Upper bits that
differ from those before clear the lower ones, as in Prophesee's own decoder (openeb, evt3_decoder.h).

The words are decoded by the package evt3. What it lacks is done here: it knows no damage, takes only a fall over nearly
all 24 bits of the time for a turn of the clock, clears the lower bits even where the upper ones are only repeated, and
begins nowhere but at the beginning of a recording.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import evt3
import numpy as np
from numpy.typing import NDArray

from evbench.events.decoders.source import Cursor, Note, RawChunk, fixed_records, unrolled

_Y, _X, _BASE, _VECTOR_12, _VECTOR_8, _LOW, _HIGH = 0, 2, 3, 4, 5, 6, 8
_UNKNOWN = (1, 9, 11, 12, 13)
_IGNORED, _TYPE, _TWELVE = np.uint16(0xE000), np.uint16(0xF000), np.uint16(0xFFF)
_SIDE = 2048
_NEVER = -(1 << 40)
_NOWHERE = np.empty(0, np.intp)

_Places = NDArray[np.intp]
_Words = NDArray[np.uint16]
_Columns = tuple[NDArray[np.int64], NDArray[np.uint16], NDArray[np.uint16], NDArray[np.bool_]]


class _State(NamedTuple):
    """What the words so far have set.

    high counts the turns of the clock's 24 bits in the bits above its twelve, and is _NEVER before the first; base is
    twice the x at which the next vector begins, in 16 bits, plus its polarity; y and base are -1 before the first.
    """

    high: int = _NEVER
    low: int = 0
    y: int = -1
    base: int = -1

    @property
    def turns(self) -> int:
        return 0 if self.high == _NEVER else self.high >> 12


def evt3_chunks(path: Path, cursor: Cursor, note: Note) -> Iterator[RawChunk]:
    """The events of EVT 3.0 words from `cursor` on: (offset,) or one that a chunk has."""
    blocks = fixed_records(path, cursor[0], 2, note)
    yield from evt3_events(blocks, cursor[1:], note, lambda at, word: f"at byte {at + 2 * word}")


def evt3_events(
    blocks: Iterable[tuple[int, bytes]], known: Cursor, note: Note, place: Callable[[int, int], str]
) -> Iterator[RawChunk]:
    """The events of blocks of EVT 3.0 words that follow each other, each with a number that says where it begins.

    known: what a chunk's cursor has behind that number, where reading goes on at that chunk; place: where a word of a
    block is, in words for people, given the number of the block and that of the word.
    """
    state = _State(*known)
    decoder = _decoder_in(state)
    strange = early = 0
    first_strange = ""
    for at, block in blocks:
        words = np.frombuffer(block, "<u2")
        upper = (words >> np.uint16(8)).astype(np.uint8)
        kinds = (upper >> np.uint8(4)).tobytes()
        if any(kind in kinds for kind in _UNKNOWN):
            unknown = np.isin(np.frombuffer(kinds, np.uint8), _UNKNOWN)
            first_strange = first_strange or place(at, int(unknown.argmax()))
            strange += int(np.count_nonzero(unknown))
        without = _without_state(kinds, state)
        early += len(without)
        if len(without) or not _lower_bits_follow(kinds):
            block = _blanked(words, kinds, without, state)
        if _may_turn(upper, state):
            columns, turns = _pieces(decoder, words, kinds, block, state)
        else:
            columns, turns = _piece(decoder, block, state.turns), state.turns
        if len(columns[0]):
            yield RawChunk(*columns, (at, *state))
        state = _behind(words, kinds, state, turns)
        if kinds[-1] == _HIGH:
            decoder.feed((_LOW << 12 | state.low).to_bytes(2, "little"))
    if early:
        note(f"{early} event words precede the first time, row or vector base and were dropped")
    if strange:
        note(f"{strange} words are of no known type and were skipped; the first is {first_strange}")


def _lower_bits_follow(kinds: bytes) -> bool:
    """Whether words that set the lower bits of the time follow those that set the upper ones, one or several."""
    kind = np.frombuffer(kinds, np.uint8)
    high = kind == _HIGH
    return not (high[:-1] > (high | (kind == _LOW))[1:]).any()


def _may_turn(upper: NDArray[np.uint8], state: _State) -> bool:
    """Whether the clock may turn within a block, going by the upper halves [words] of its words."""
    if state.high == _NEVER:
        return True
    # Moved around the circle of eight bits, those that set the clock are the least and the greatest of all.
    least, greatest = int((upper - np.uint8(0x80)).min()), int((upper + np.uint8(0x70)).max()) & 0xF
    before = state.high >> 8 & 0xF
    return least <= 0xF and max(greatest, before) - min(least, before) >= 8


def _high_words(words: _Words, kinds: bytes, state: _State) -> tuple[_Places, NDArray[np.int64], int]:
    """Where words set the upper bits of the time, these with the clock's turns above them, and its turns at the end."""
    places = (np.frombuffer(kinds, np.uint8) == _HIGH).nonzero()[0]
    read = (words[places] & _TWELVE).astype(np.int64)
    return places, *unrolled(read, 12, None if state.high == _NEVER else state.high & 0xFFF, state.turns)


def _blanked(words: _Words, kinds: bytes, without: _Places, state: _State) -> bytes:
    """The words with the events at `without` taken out, and the upper bits that only repeat what holds."""
    kind = np.frombuffer(kinds, np.uint8)
    clock, high, _ = _high_words(words, kinds, state)
    words = words.copy()
    # A vector without events still moves its base on.
    words[without] = np.where(kind[without] == _X, _IGNORED, words[without] & _TYPE)
    words[clock[np.diff(high, prepend=state.high) == 0]] = _IGNORED
    return words.tobytes()


def _pieces(decoder: evt3.Decoder, words: _Words, kinds: bytes, block: bytes, state: _State) -> tuple[_Columns, int]:
    """What a block decodes to, piece by piece between the turns of the clock, and its turns at the end."""
    clock, high, turns = _high_words(words, kinds, state)
    turning = np.diff(high >> 12, prepend=state.turns).nonzero()[0]
    begins = [0, *(2 * clock[turning]).tolist(), len(block)]
    turned = [state.turns, *(high[turning] >> 12).tolist()]
    parts = zip(pairwise(begins), turned, strict=True)
    pieces = [_piece(decoder, block[begin:end], turn) for (begin, end), turn in parts]
    if len(pieces) == 1:
        return pieces[0], turns
    t, x, y, on = (np.concatenate(column) for column in zip(*pieces, strict=True))
    return (t, x, y, on), turns


def _piece(decoder: evt3.Decoder, words: bytes, turns: int) -> _Columns:
    """t, x, y, polarity of the events of words throughout which the clock has turned `turns` times."""
    events = decoder.feed(words)
    t = events.t.view(np.int64)
    if len(t) and (missing := turns - (int(t[0]) >> 24)):
        t += missing << 24
    return t, events.x, events.y, events.p.view(np.bool_)


def _behind(words: _Words, kinds: bytes, state: _State, turns: int) -> _State:
    """The state behind a block of words, the clock then having turned `turns` times."""
    high, low, y, base = (kinds.rfind(setter) for setter in (_HIGH, _LOW, _Y, _BASE))
    cleared = high > low and _changes(words, kinds, low, state)
    begin = state.base if base < 0 else (int(words[base]) & 0x7FF) << 1 | int(words[base]) >> 11 & 1
    moved = 12 * kinds.count(_VECTOR_12, base + 1) + 8 * kinds.count(_VECTOR_8, base + 1)
    return _State(
        high=turns << 12 | int(words[high] & _TWELVE) if high >= 0 else state.high,
        low=0 if cleared else int(words[low] & _TWELVE) if low >= 0 else state.low,
        y=int(words[y]) & 0x7FF if y >= 0 else state.y,
        base=begin + 2 * moved & 0x1FFFF if begin >= 0 else -1,
    )


def _changes(words: _Words, kinds: bytes, low: int, state: _State) -> bool:
    """Whether the upper bits behind the place `low` differ from those ahead of it."""
    ahead = kinds.rfind(_HIGH, 0, low + 1)
    upper = int(words[ahead] & _TWELVE) if ahead >= 0 else _NEVER if state.high == _NEVER else state.high & 0xFFF
    kind = np.frombuffer(kinds, np.uint8)
    following = (words[low + 1 :][kind[low + 1 :] == _HIGH] & _TWELVE).astype(np.int64)
    return bool((following != upper).any())


def _decoder_in(state: _State) -> evt3.Decoder:
    """A decoder that has been told a state; rows and bases ahead of the first time then count too."""
    decoder = evt3.Decoder(_SIDE, _SIDE)
    x = max(state.base, 0) >> 1
    moves = max(-(-(x - _SIDE + 1) // 12), 0)
    words = (
        (_HIGH, 0 if state.high == _NEVER else state.high & 0xFFF),
        (_LOW, state.low),
        (_Y, max(state.y, 0)),
        (_BASE, (max(state.base, 0) & 1) << 11 | (x - 12 * moves)),
        *[(_VECTOR_12, 0)] * moves,
    )
    decoder.feed(np.array([kind << 12 | value for kind, value in words], "<u2").tobytes())
    return decoder


def _without_state(kinds: bytes, state: _State) -> _Places:
    """The places of events whose time, row or base nothing has set yet."""
    without = _NOWHERE
    for missing, setter, needing in (
        (state.high == _NEVER, _HIGH, (_X, _VECTOR_12, _VECTOR_8)),
        (state.y < 0, _Y, (_X, _VECTOR_12, _VECTOR_8)),
        (state.base < 0, _BASE, (_VECTOR_12, _VECTOR_8)),
    ):
        ahead = kinds.partition(bytes([setter]))[0] if missing else b""
        if any(event in ahead for event in needing):
            without = np.union1d(without, np.isin(np.frombuffer(ahead, np.uint8), needing).nonzero()[0])
    return without
