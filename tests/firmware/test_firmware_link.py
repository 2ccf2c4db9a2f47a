"""Framing in C against the cobs package and zlib, and on bytes that are no frames."""

from __future__ import annotations

import ctypes
import zlib

import pytest
from cobs import cobs
from hypothesis import given, settings
from hypothesis import strategies as st

PAYLOAD = 1024
RAW = PAYLOAD + 6
MORE, FRAME, BROKEN = 0, 1, 2
CANARY = b"\xa5" * 64


class Decoder(ctypes.Structure):
    """ev_link_decoder, with a canary behind it."""

    _fields_ = [
        ("raw", ctypes.c_uint8 * RAW),
        ("length", ctypes.c_uint32),
        ("block", ctypes.c_uint32),
        ("full", ctypes.c_uint8),
        ("overrun", ctypes.c_uint8),
        ("started", ctypes.c_uint8),
        ("canary", ctypes.c_char * len(CANARY)),
    ]


def wire(body: bytes) -> bytes:
    return cobs.encode(body + zlib.crc32(body).to_bytes(4, "little")) + b"\0"


def decode(runtime: ctypes.CDLL, stream: bytes) -> list[bytes | None]:
    """Frames' bodies in order, None for a broken frame."""
    decoder = Decoder(canary=CANARY)
    runtime.ev_link_reset(ctypes.byref(decoder))
    found: list[bytes | None] = []
    for byte in stream:
        event = runtime.ev_link_feed(ctypes.byref(decoder), ctypes.c_uint8(byte))
        assert event in (MORE, FRAME, BROKEN)
        assert decoder.length <= RAW
        if event != MORE:
            found.append(bytes(decoder.raw[: decoder.length]) if event == FRAME else None)
    assert decoder.canary == CANARY
    return found


BODIES = st.one_of(st.binary(min_size=2, max_size=40), st.binary(min_size=240, max_size=600))


@settings(deadline=None)
@given(body=BODIES)
def test_frames_on_the_wire_are_cobs_with_a_crc32(runtime: ctypes.CDLL, body: bytes) -> None:
    room = ctypes.create_string_buffer(body, len(body) + 4)
    out = ctypes.create_string_buffer(RAW + 16)
    length = runtime.ev_link_encode(room, ctypes.c_uint32(len(body)), out)
    sent = out.raw[:length]
    assert sent.endswith(b"\0")
    assert b"\0" not in sent[:-1]
    decoded = cobs.decode(sent[:-1])
    assert decoded == body + zlib.crc32(body).to_bytes(4, "little")


@settings(deadline=None)
@given(bodies=st.lists(BODIES, max_size=5))
def test_frames_sent_one_after_the_other_all_arrive(runtime: ctypes.CDLL, bodies: list[bytes]) -> None:
    assert decode(runtime, b"\0" + b"".join(map(wire, bodies))) == bodies


@pytest.mark.parametrize("fill", [0, 1, 255])
@pytest.mark.parametrize("length", [253, 254, 255, 508, PAYLOAD])
def test_payloads_around_cobs_block_lengths_survive(runtime: ctypes.CDLL, fill: int, length: int) -> None:
    body = b"\2\7" + bytes([fill]) * length
    assert decode(runtime, wire(body)) == [body]


@settings(deadline=None)
@given(body=BODIES, place=st.integers(0, 700), flip=st.integers(1, 255))
def test_a_changed_byte_never_passes_as_the_frame(runtime: ctypes.CDLL, body: bytes, place: int, flip: int) -> None:
    sent = bytearray(wire(body))
    sent[place % (len(sent) - 1)] ^= flip
    frames = decode(runtime, bytes(sent) + b"\0")
    assert body not in frames
    assert None in frames


@settings(deadline=None, max_examples=300)
@given(noise=st.binary(max_size=3000), body=BODIES)
def test_a_frame_after_any_noise_is_read(runtime: ctypes.CDLL, noise: bytes, body: bytes) -> None:
    assert decode(runtime, noise + b"\0" + wire(body))[-1] == body


def test_a_frame_longer_than_the_buffer_is_broken_and_overwrites_nothing(runtime: ctypes.CDLL) -> None:
    assert decode(runtime, wire(b"\2\1" + b"x" * 5000) + wire(b"\1\1")) == [None, b"\1\1"]
