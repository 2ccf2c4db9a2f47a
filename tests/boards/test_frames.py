from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evbench.boards.frames import (
    MAX_PAYLOAD,
    Frame,
    FrameReader,
    Voxelising,
    decode_frame,
    describe_fault,
    encode_frame,
    parse_hello,
    parse_layer,
    parse_result,
)

frames = st.builds(Frame, st.integers(0, 255), st.integers(0, 255), st.binary(max_size=MAX_PAYLOAD))


@given(frames)
def test_a_frame_comes_back_as_it_was_sent_and_holds_no_zero_but_its_last_byte(frame):
    wire = encode_frame(frame)
    assert wire.index(0) == len(wire) - 1
    assert decode_frame(wire[:-1]) == frame


@given(frames, st.data())
def test_a_frame_with_any_byte_changed_is_noticed(frame, data):
    wire = bytearray(encode_frame(frame)[:-1])
    wire[data.draw(st.integers(0, len(wire) - 1))] ^= data.draw(st.integers(1, 255))
    assert all(decode_frame(bytes(piece)) in (None,) for piece in bytes(wire).split(b"\0") if piece)


@given(st.lists(frames, max_size=5), st.data())
def test_frames_are_cut_out_of_a_stream_however_it_is_split(sent, data):
    stream = b"".join(map(encode_frame, sent))
    reader, found = FrameReader(), []
    while stream:
        n = data.draw(st.integers(1, len(stream)))
        found += reader.feed(stream[:n])
        stream = stream[n:]
    assert found == sent
    assert reader.damaged == 0


@given(st.binary(max_size=3000))
def test_random_bytes_are_dropped_and_the_next_frame_is_read(noise):
    reader = FrameReader()
    reader.feed(noise + b"\0")
    assert reader.feed(encode_frame(Frame(1, 2, b"x"))) == [Frame(1, 2, b"x")]


def test_a_payload_that_is_too_long_is_refused():
    with pytest.raises(ValueError, match="longer than 1024"):
        encode_frame(Frame(1, 2, bytes(MAX_PAYLOAD + 1)))


@pytest.mark.parametrize("parse", [parse_hello, parse_layer, parse_result])
def test_a_payload_of_the_wrong_length_is_refused(parse):
    with pytest.raises(ValueError, match="bytes"):
        parse(b"abc")


def test_a_result_carries_its_logits_and_what_the_voxel_grid_cost():
    result = parse_result(struct.pack("<QQIIIIIQH2f", 10, 12, 300, 8, 70, 5, 3, 1 << 33, 2, 1.5, -2.0))
    assert (result.cycles, result.run_cycles, result.stack_bytes, result.read_overhead) == (10, 12, 300, 8)
    assert result.voxelising == Voxelising(began_cycles=70, given=5, counted=3, cycles=1 << 33)
    assert result.logits.tolist() == [1.5, -2.0]


def test_a_fault_is_described_by_its_cause_address_and_place():
    text = describe_fault(struct.pack("<6I", 1 << 9 | 1 << 15, 1 << 30, 0, 0xA0000000, 0x08001234, 0x08000101))
    assert "address without memory" in text
    assert "0xa0000000" in text
    assert "pc 0x08001234" in text


def test_a_fault_report_that_is_cut_short_is_said_to_be_so():
    assert "cannot be read" in describe_fault(b"abc")
