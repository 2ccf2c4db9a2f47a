"""The board's side of the link on thousands of damaged frames: no crash, no hang, none taken for another."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
from cobs import cobs
from hypothesis import given, settings
from hypothesis import strategies as st

from evbench.compile.host import HostModel
from tests.firmware.test_server import (
    ACK,
    BEGIN,
    DUMP,
    EVENTS,
    HELLO,
    HELLO_REPLY,
    INPUT,
    LAYER,
    NAK,
    RESET,
    RESULT,
    RUN,
    TENSOR,
    Board,
)

REPLIES = {HELLO_REPLY, ACK, NAK, LAYER, RESULT, TENSOR}
WINDOW = 24 * 20 * 4  # bytes of the small network's input

NUMBERS = st.one_of(st.integers(0, 2**32 - 1), st.sampled_from([0, 1, WINDOW - 1, WINDOW, WINDOW + 1, 2**32 - 1]))
SHORTS = st.one_of(st.integers(0, 2**16 - 1), st.integers(0, 12))
PAYLOADS = {
    HELLO: st.binary(max_size=4),
    BEGIN: st.binary(max_size=4),
    EVENTS: st.lists(NUMBERS, max_size=40).map(lambda words: struct.pack(f"<{len(words)}I", *words)),
    INPUT: st.builds(lambda at, data: struct.pack("<I", at) + data, NUMBERS, st.binary(max_size=300)),
    RUN: st.builds(
        lambda flags, last, n: struct.pack("<BH", flags, last)[:n], st.integers(0, 9), SHORTS, st.integers(0, 3)
    ),
    DUMP: st.builds(lambda tensor, at, n: struct.pack("<HIH", tensor, at, n), SHORTS, NUMBERS, SHORTS),
    RESET: st.just(b""),
}


@st.composite
def frames(draw: Any) -> bytes:
    """One request that the protocol knows, with any numbers in it, and often damaged on its way."""
    kind = draw(st.sampled_from(sorted(PAYLOADS)))
    harm = draw(st.sampled_from(["none", "none", "short", "flipped", "cut", "doubled", "joined"]))
    payload = draw(PAYLOADS[kind])
    body = bytes([kind, draw(st.integers(0, 255))]) + (payload[:-1] if harm == "short" else payload)
    wire = bytearray(cobs.encode(body + zlib.crc32(body).to_bytes(4, "little")) + b"\0")
    match harm:
        case "flipped":
            wire[draw(st.integers(0, len(wire) - 1))] ^= draw(st.integers(1, 255))
        case "cut":
            del wire[draw(st.integers(0, len(wire) - 1)) :]
        case "doubled":
            wire = wire * 2
        case "joined":
            del wire[-1]
    return bytes(wire)


@settings(deadline=None, max_examples=400)
@given(stream=st.lists(frames(), min_size=1, max_size=12))
def test_damaged_requests_are_answered_in_whole_frames_and_the_next_one_is_served(
    host_model: HostModel, stream: list[bytes]
) -> None:
    board = Board(host_model)
    replies = board.raw(b"".join(stream))  # checks the framing and the CRC of every answer
    assert {reply[0] for reply in replies} <= REPLIES
    board.raw(b"\0")
    ((kind, sequence, _),) = board.ask(HELLO, sequence=201)
    assert (kind, sequence) == (HELLO_REPLY, 201)


def test_twenty_thousand_changed_frames_are_never_taken_for_others(host_model: HostModel) -> None:
    """Bytes are set, lost, repeated and exchanged at random; a changed frame passes only if its CRC-32 does."""
    rng = np.random.default_rng(11)
    board = Board(host_model)
    taken = 0
    for _ in range(100):
        stream = bytearray()
        for _ in range(200):
            body = bytes([int(rng.integers(1, 9)), 77, *rng.integers(0, 256, rng.integers(0, 30)).tolist()])
            wire = bytearray(cobs.encode(body + zlib.crc32(body).to_bytes(4, "little")))
            place, other = (int(number) for number in rng.integers(0, len(wire), 2))
            match int(rng.integers(0, 4)):
                case 0:
                    wire[place] ^= int(rng.integers(1, 256))
                case 1:
                    del wire[place]
                case 2:
                    wire.insert(place, wire[other] ^ 0xFF)
                case _:
                    wire[place] = wire[place] ^ 0x80
            stream += wire + b"\0"
        replies = board.raw(bytes(stream))
        taken += sum(reply[1] == 77 for reply in replies if reply[0] != NAK)
    assert taken == 0
    assert [reply[0] for reply in board.ask(HELLO)] == [HELLO_REPLY]
