"""The board's side of the protocol, with the serial line replaced by memory."""

from __future__ import annotations

import ctypes
import dataclasses
import json
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from cobs import cobs
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from evbench.compile.host import HostModel
from evbench.graph.execute import execute
from tests.graph.networks import random_graph, sparse_windows

HELLO, EVENTS, INPUT, BEGIN, RUN, DUMP, RESET, KEEP, STREAM = range(1, 10)
HELLO_REPLY, ACK, NAK, LAYER, RESULT, TENSOR = range(0x81, 0x87)
BAD_FRAME, UNKNOWN_TYPE, BAD_PAYLOAD, BAD_STATE = range(1, 5)
Reply = tuple[int, int, bytes]


class Board:
    """Talks to the server inside a host library."""

    def __init__(self, model: HostModel) -> None:
        self.model = model
        model.library.ev_host_start()

    def raw(self, stream: bytes) -> list[Reply]:
        """Answers to bytes on the line: type, sequence, payload."""
        room = ctypes.create_string_buffer(1 << 16)
        length = self.model.library.ev_host_feed(stream, ctypes.c_uint32(len(stream)), room, ctypes.c_uint32(1 << 16))
        replies = []
        for frame in room.raw[:length].split(b"\0")[:-1]:
            decoded = cobs.decode(frame)
            assert zlib.crc32(decoded[:-4]) == int.from_bytes(decoded[-4:], "little")
            replies.append((decoded[0], decoded[1], decoded[2:-4]))
        return replies

    def ask(self, kind: int, payload: bytes = b"", sequence: int = 9) -> list[Reply]:
        body = bytes([kind, sequence]) + payload
        return self.raw(cobs.encode(body + zlib.crc32(body).to_bytes(4, "little")) + b"\0")

    def fill(self, window: NDArray[np.uint8]) -> None:
        """Send one window [C, H, W] densely."""
        content = np.ascontiguousarray(np.moveaxis(window, 0, -1)).tobytes()
        assert self.ask(BEGIN) == [(ACK, 9, bytes([BEGIN, 1, 0, 0, 0]))]
        for start in range(0, len(content), 1020):
            part = content[start : start + 1020]
            answer = self.ask(INPUT, struct.pack("<I", start) + part)
            assert answer == [(ACK, 9, struct.pack("<BI", INPUT, start + len(part)))]

    def tensor(self, name: str) -> bytes:
        index = list(self.model.graph.tensors).index(name)
        size = self.model.graph.tensors[name].bytes
        parts = []
        for start in range(0, size, 1018):
            ((kind, _, payload),) = self.ask(DUMP, struct.pack("<HIH", index, start, min(1018, size - start)))
            assert (kind, payload[:6]) == (TENSOR, struct.pack("<HI", index, start))
            parts.append(payload[6:])
        return b"".join(parts)


@pytest.fixture
def board(host_model: HostModel) -> Board:
    return Board(host_model)


@pytest.fixture(scope="module")
def window(host_model: HostModel) -> NDArray[np.uint8]:
    return sparse_windows(11, 1, (4, 24, 20))[0]


def packed(events: Iterable[tuple[int, int, int, int]]) -> bytes:
    """x, y, on, bin to the link's words."""
    return b"".join(struct.pack("<I", x | y << 8 | on << 16 | b << 17) for x, y, on, b in events)


def nak(code: int, sequence: int = 9) -> list[Reply]:
    return [(NAK, sequence, bytes([code, sequence]))]


def test_hello_says_which_network_is_there_and_that_nothing_counts_cycles_here(board: Board) -> None:
    ((kind, sequence, payload),) = board.ask(HELLO, sequence=77)
    graph = board.model.graph
    version, flags, _, digest, hz, credit, layers, size, outputs, name = struct.unpack("<BB16s32sIIHIHB", payload[:67])
    assert (kind, sequence, version, flags, hz) == (HELLO_REPLY, 77, 2, 0, 0)
    assert digest.hex() == graph.digest
    assert credit >= 1024
    assert (layers, size, outputs) == (len(graph.operators), graph.tensors["input"].bytes, 5)
    assert payload[67:] == b"host"[:name]


def test_a_run_reports_every_layer_and_the_logits_of_the_reference(board: Board, window: NDArray[np.uint8]) -> None:
    board.fill(window)
    *layers, (kind, _, payload) = board.ask(RUN, b"\1")
    graph = board.model.graph
    assert [(layer[0], struct.unpack("<H", layer[2][:2])[0]) for layer in layers] == [
        (LAYER, index) for index in range(len(graph.operators))
    ]
    count = struct.unpack("<H", payload[44:46])[0]
    assert kind == RESULT
    assert count == 5
    expected = execute(graph, window[None])[graph.outputs[0]][0]
    np.testing.assert_array_equal(np.frombuffer(payload[46:], "<f4"), expected)


def test_a_run_without_layer_frames_answers_once(board: Board, window: NDArray[np.uint8]) -> None:
    board.fill(window)
    assert [reply[0] for reply in board.ask(RUN, b"\0")] == [RESULT]


def test_stopping_after_each_layer_shows_every_tensor(board: Board, window: NDArray[np.uint8]) -> None:
    graph = board.model.graph
    expected = execute(graph, window[None])
    board.fill(window)
    for index, operator in enumerate(graph.operators):
        flags = 2 if index == 0 else 6
        ((kind, _, payload),) = board.ask(RUN, struct.pack("<BH", flags, index))
        last = index + 1 == len(graph.operators)
        assert (kind, struct.unpack("<H", payload[44:46])[0]) == (RESULT, 5 if last else 0)
        value = expected[operator.output][0]
        stored = np.moveaxis(value, 0, -1) if value.ndim == 3 else value
        assert board.tensor(operator.output) == np.ascontiguousarray(stored).tobytes()
    assert board.ask(RUN, struct.pack("<BH", 6, 0)) == nak(BAD_STATE)


def test_events_fill_the_voxel_grid_and_those_outside_are_left_out(board: Board) -> None:
    board.ask(BEGIN)
    events = [(3, 2, 1, 1), (3, 2, 1, 1), (19, 23, 0, 0), (20, 0, 0, 0), (0, 24, 0, 0), (0, 0, 0, 2)]
    assert board.ask(EVENTS, packed(events)) == [(ACK, 9, struct.pack("<BI", EVENTS, 3))]
    grid = np.frombuffer(board.tensor("input"), np.uint8).reshape(24, 20, 4)
    assert grid[2, 3].tolist() == [0, 0, 0, 2]
    assert grid[23, 19].tolist() == [1, 0, 0, 0]
    assert grid.sum() == 3


def test_counts_stop_at_255(board: Board) -> None:
    board.ask(BEGIN)
    for _ in range(2):
        board.ask(EVENTS, packed([(5, 6, 0, 1)] * 200))
    grid = np.frombuffer(board.tensor("input"), np.uint8).reshape(24, 20, 4)
    assert grid[6, 5].tolist() == [0, 255, 0, 0]


def test_begin_clears_what_was_there(board: Board, window: NDArray[np.uint8]) -> None:
    board.fill(window)
    board.ask(BEGIN)
    assert not any(board.tensor("input"))


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        (EVENTS, b"\1\2\3"),
        (BEGIN, b"\0"),
        (BEGIN, struct.pack("<IB", 0, 4)),
        (BEGIN, struct.pack("<IB", 0, 0)),  # this network's metadata does not say how windows are made of events
        (STREAM, struct.pack("<II", 0, 0)),
        (INPUT, b"\0\0"),
        (INPUT, struct.pack("<I", 1920) + b"\1"),
        (INPUT, struct.pack("<I", 0xFFFFFFFF) + b"\1\1"),
        (RUN, b""),
        (RUN, b"\x08"),
        (RUN, b"\2"),
        (RUN, struct.pack("<BH", 2, 9)),
        (DUMP, b"\0"),
        (DUMP, struct.pack("<HIH", 99, 0, 1)),
        (DUMP, struct.pack("<HIH", 0, 1920, 1)),
        (DUMP, struct.pack("<HIH", 0, 0xFFFFFFFF, 2)),
        (DUMP, struct.pack("<HIH", 0, 0, 1019)),
    ],
)
def test_a_payload_out_of_bounds_is_refused(board: Board, kind: int, payload: bytes) -> None:
    board.ask(BEGIN)
    assert board.ask(kind, payload) == nak(BAD_PAYLOAD)


@pytest.mark.parametrize(
    ("kind", "payload"), [(EVENTS, packed([(1, 1, 1, 1)])), (INPUT, bytes(8)), (RUN, b"\1"), (RUN, b"\4")]
)
def test_nothing_can_be_added_or_run_before_a_window_begins(board: Board, kind: int, payload: bytes) -> None:
    assert board.ask(kind, payload) == nak(BAD_STATE)


@pytest.fixture(scope="module")
def stream_model(native_cache: Path) -> HostModel:
    """A network whose recipe filters background activity, with windows of 1000 microseconds in two bins."""
    filters = json.dumps([{"name": "background-activity", "keep_within": 150}])
    graph = random_graph(3, size=(24, 20), bins=2, width=4, classes=5)
    metadata = {"window_us": "1000", "bins": "2", "filters": filters}
    return HostModel(dataclasses.replace(graph, metadata=metadata), native_cache)


FORGET, SLIDE = 1, 2
BEGUN, NOT_BEGUN = ([(ACK, 9, struct.pack("<BI", BEGIN, answer))] for answer in (1, 0))


def raw(base: int, *events: tuple[int, int, int, int]) -> bytes:
    """t, x, y, on to a payload of STREAM."""
    words = (x | y << 8 | on << 16 | (t - base) << 17 for t, x, y, on in events)
    return struct.pack(f"<{len(events) + 1}I", base, *words)


def test_what_the_filter_knows_outlives_a_window_until_it_is_told_to_forget(stream_model: HostModel) -> None:
    board = Board(stream_model)
    assert board.ask(BEGIN, struct.pack("<IB", 0, FORGET)) == BEGUN
    assert board.ask(STREAM, raw(900, (990, 5, 5, 1))) == [(ACK, 9, struct.pack("<BI", STREAM, 0))]
    board.ask(BEGIN, struct.pack("<IB", 1000, SLIDE))
    assert board.ask(STREAM, raw(1000, (1010, 6, 5, 1))) == [(ACK, 9, struct.pack("<BI", STREAM, 1))]
    board.ask(BEGIN, struct.pack("<IB", 1000, FORGET))
    assert board.ask(STREAM, raw(1000, (1020, 5, 5, 1))) == [(ACK, 9, struct.pack("<BI", STREAM, 0))]


def test_a_window_slides_by_whole_bins_only_and_keeps_what_both_have_in_common(stream_model: HostModel) -> None:
    board = Board(stream_model)
    board.ask(BEGIN, struct.pack("<IB", 0, FORGET))
    board.ask(STREAM, raw(0, (100, 4, 4, 0), (110, 5, 4, 0), (600, 8, 8, 1), (610, 9, 8, 1), (620, 8, 9, 1)))
    assert board.ask(BEGIN, struct.pack("<IB", 300, SLIDE)) == NOT_BEGUN
    assert board.ask(BEGIN, struct.pack("<IB", 500, SLIDE)) == BEGUN
    assert board.ask(BEGIN, struct.pack("<IB", 500, SLIDE)) == BEGUN  # asked again because its answer was lost
    board.ask(STREAM, raw(1000, (1100, 8, 8, 0), (1110, 9, 9, 1)))
    grid = np.frombuffer(board.tensor("input"), np.uint8).reshape(24, 20, 4)
    assert {tuple(map(int, place)) for place in zip(*grid.nonzero(), strict=True)} == {(8, 9, 2), (9, 8, 2), (9, 9, 3)}


def test_a_window_does_not_slide_away_from_dense_bytes(stream_model: HostModel) -> None:
    board = Board(stream_model)
    board.ask(BEGIN, struct.pack("<IB", 0, FORGET))
    board.ask(INPUT, struct.pack("<I", 7) + b"\5")
    assert board.ask(BEGIN, struct.pack("<IB", 1000, SLIDE)) == NOT_BEGUN
    assert board.ask(BEGIN, struct.pack("<IB", 1000, 0)) == BEGUN
    assert not any(board.tensor("input"))


def test_a_result_says_how_many_events_came_and_were_counted(stream_model: HostModel) -> None:
    board = Board(stream_model)
    board.ask(BEGIN, struct.pack("<IB", 0, FORGET))
    board.ask(STREAM, raw(0, (100, 4, 4, 0), (110, 5, 4, 0), (600, 15, 15, 1)))
    ((_, _, payload),) = board.ask(RUN, b"\0")
    assert struct.unpack("<II", payload[28:36]) == (3, 1)


def test_unknown_requests_and_broken_frames_are_refused(board: Board) -> None:
    assert board.ask(KEEP, b"\1") == nak(UNKNOWN_TYPE)
    assert board.ask(0x81) == nak(UNKNOWN_TYPE)
    assert board.raw(b"\x03\x01\x02\x00") == nak(BAD_FRAME, sequence=0)


def test_reset_is_acknowledged_and_forgets_the_window(board: Board) -> None:
    board.ask(BEGIN)
    assert board.ask(RESET) == [(ACK, 9, bytes([RESET, 0, 0, 0, 0]))]
    assert board.ask(RUN, b"\1") == nak(BAD_STATE)


@settings(deadline=None, max_examples=200)
@given(noise=st.binary(max_size=400))
def test_random_bytes_leave_the_server_answering(host_model: HostModel, noise: bytes) -> None:
    board = Board(host_model)
    board.raw(noise + b"\0")
    assert [reply[0] for reply in board.ask(HELLO)] == [HELLO_REPLY]


@settings(deadline=None, max_examples=300)
@given(requests=st.lists(st.tuples(st.integers(0, 10), st.binary(max_size=24)), max_size=12))
def test_every_well_framed_request_gets_exactly_one_answer(
    host_model: HostModel, requests: list[tuple[int, bytes]]
) -> None:
    board = Board(host_model)
    for sequence, (kind, payload) in enumerate(requests):
        replies = board.ask(kind, payload, sequence)
        assert {reply[1] for reply in replies} == {sequence}
        assert [reply[0] for reply in replies if reply[0] != LAYER] in ([HELLO_REPLY], [ACK], [NAK], [RESULT], [TENSOR])
