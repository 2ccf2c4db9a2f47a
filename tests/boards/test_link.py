from __future__ import annotations

import os

import pytest
from fake_board import CREDIT, FakeBoard

from evbench.boards.frames import MAX_PAYLOAD, Type
from evbench.boards.link import Link, LinkDisturbedError
from evbench.boards.ports import find_port, open_port
from evbench.errors import BoardError

QUIET_S = 0.2


@pytest.fixture
def board():
    with FakeBoard() as made:
        yield made


@pytest.fixture
def link(board):
    opened = Link(open_port(board.port, 921_600, 0.02), timeout=QUIET_S)
    yield opened
    opened.close()


def test_a_request_is_answered_by_the_frame_with_its_sequence(board, link):
    assert link.request(Type.BEGIN).type == Type.ACK
    assert link.request(Type.HELLO).type == Type.HELLO_REPLY
    assert board.seen[0].sequence + 1 == board.seen[1].sequence


@pytest.mark.parametrize("trouble", ["nak", "mute"])
def test_a_request_that_was_damaged_or_lost_is_sent_again(board, link, trouble):
    board.trouble[Type.HELLO] = [trouble]
    assert link.request(Type.HELLO).type == Type.HELLO_REPLY
    assert [frame.type for frame in board.seen] == [Type.HELLO, Type.HELLO]


def test_noise_before_an_answer_is_skipped(board, link):
    board.trouble[Type.HELLO] = ["garbage"]
    assert link.request(Type.HELLO).type == Type.HELLO_REPLY
    assert len(board.seen) == 1


def test_a_board_that_never_answers_is_reported(board, link):
    board.trouble[Type.HELLO] = ["mute"] * 9
    with pytest.raises(BoardError, match="does not answer"):
        link.request(Type.HELLO)


def test_a_refusal_that_will_not_change_is_reported_at_once(board, link):
    board.trouble[Type.DUMP] = ["refuse"]
    with pytest.raises(BoardError, match="refuses DUMP"):
        link.request(Type.DUMP, bytes(8))
    assert len(board.seen) == 1


def test_a_crash_of_the_firmware_is_reported_with_its_cause(board, link):
    board.trouble[Type.RUN] = ["fault"]
    with pytest.raises(BoardError, match="address without memory"):
        link.request_once(Type.RUN, b"\0")


def test_what_the_board_logs_is_passed_on(board):
    lines: list[str] = []
    board.trouble[Type.HELLO] = ["log"]
    link = Link(open_port(board.port, 921_600, 0.02), timeout=QUIET_S, on_log=lines.append)
    link.request(Type.HELLO)
    link.close()
    assert lines == ["warm"]


@pytest.mark.parametrize("trouble", ["nak", "mute"])
def test_a_stream_that_was_disturbed_says_so_and_is_not_repeated(board, link, trouble):
    board.trouble[Type.EVENTS] = ["", trouble]
    with pytest.raises(LinkDisturbedError):
        link.stream(Type.EVENTS, [bytes(8)] * 3)


def test_a_stream_never_has_more_bytes_on_their_way_than_the_board_has_room_for(board, link):
    link.credit = CREDIT
    link.stream(Type.EVENTS, [bytes([i + 1]) * MAX_PAYLOAD for i in range(20)])
    assert len(board.seen) == 20
    assert board.most_in_flight <= CREDIT


def test_the_link_waits_on_while_the_board_is_known_to_compute(board):
    asked = []

    def computing() -> bool:
        asked.append(True)
        return len(asked) < 4

    board.trouble[Type.RUN] = ["mute"]
    link = Link(open_port(board.port, 921_600, 0.01), timeout=0.02, is_computing=computing)
    with pytest.raises(LinkDisturbedError):
        link.request_once(Type.RUN, b"\0")
    link.close()
    assert len(asked) == 4


def test_random_bytes_on_the_line_do_not_break_the_link(board, link):
    for _ in range(50):
        os.write(board.master, os.urandom(100) + b"\0")
        assert link.request(Type.BEGIN).type == Type.ACK


def test_a_port_that_does_not_exist_is_named():
    with pytest.raises(BoardError, match=r"does not exist\. /dev/ttyNONE"):
        open_port("/dev/ttyNONE", 921_600, 1)


def test_a_port_that_another_program_holds_is_busy(board):
    first = open_port(board.port, 921_600, 1)
    with pytest.raises(BoardError, match="busy"):
        open_port(board.port, 921_600, 1)
    first.close()


def test_a_file_is_no_serial_port(tmp_path):
    path = tmp_path / "file"
    path.touch()
    with pytest.raises(BoardError, match="cannot be used"):
        open_port(str(path), 921_600, 1)


def _port(device: str, vendor: int):
    return type("Port", (), {"device": device, "vid": vendor})()


def test_auto_finds_the_only_st_link(monkeypatch):
    ports = [_port("/dev/ttyUSB0", 0x0403), _port("/dev/ttyACM0", 0x0483)]
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: ports)
    assert find_port() == "/dev/ttyACM0"


@pytest.mark.parametrize(("vendors", "message"), [([0x0403], "No board"), ([0x0483, 0x0483], "Several boards")])
def test_auto_says_so_when_there_is_no_board_or_more_than_one(monkeypatch, vendors, message):
    ports = [_port(f"/dev/ttyACM{i}", vendor) for i, vendor in enumerate(vendors)]
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: ports)
    with pytest.raises(BoardError, match=message):
        find_port()
