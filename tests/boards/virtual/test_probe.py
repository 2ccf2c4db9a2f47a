from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from evbench.boards.image import flash_segments
from evbench.boards.ports import open_port
from evbench.boards.session import open_board
from evbench.boards.virtual.probe import VirtualBoard, start_board
from evbench.errors import BoardError

ROOT = Path(__file__).resolve().parents[3]
QUIET = lambda step, fraction: None  # noqa: E731


@pytest.fixture
def board(profile, native_cache):
    started = start_board(profile, cache=native_cache)
    yield started
    started.close()


@pytest.fixture
def segments(exercise, profile):
    return flash_segments(exercise, profile.memory)


def says_hello(board: VirtualBoard) -> bool:
    """Whether the board's program answers on its serial port."""
    port = open_port(board.port, 921_600, 5)
    port.write(b"eZ")
    answer = port.read_until(b"Z")
    port.close()
    return answer.endswith(b"Z")


def test_a_new_board_is_blank_and_runs_once_it_is_programmed(board, segments):
    assert board.status()["blank"]
    steps: list[str] = []
    board.program(segments, lambda step, fraction: steps.append(step))
    assert list(dict.fromkeys(steps)) == ["erase", "write", "verify"]
    assert not board.status()["blank"]
    assert says_hello(board)


def test_a_board_can_be_programmed_again_while_it_runs(board, segments):
    board.program(segments, QUIET)
    board.program(segments, QUIET)
    assert says_hello(board)


def test_a_wrong_image_is_noticed_at_its_first_different_byte(board, segments):
    board.program(segments, QUIET)
    address, data = segments[0]
    wrong = bytearray(data)
    wrong[100] ^= 0xFF
    with pytest.raises(BoardError, match=f"0x{address + 100:08x}"):
        board.verify([(address, bytes(wrong))])


def test_a_board_whose_programming_was_interrupted_does_not_start(board, segments):
    def unplug(step: str, fraction: float) -> None:
        if step == "write":
            raise KeyboardInterrupt

    board.program(segments, QUIET)
    with pytest.raises(KeyboardInterrupt):
        board.program(segments, unplug)
    board.reset()
    assert board.status()["blank"]
    board.program(segments, QUIET)
    assert says_hello(board)


def test_memory_that_is_not_there_cannot_be_read_or_written(board):
    with pytest.raises(BoardError, match="cannot read"):
        board.read(0xA0000000, 4)
    with pytest.raises(BoardError, match="not flash"):
        board.program([(0x24000000, bytes(32))], QUIET)


def test_the_flash_outlives_the_process(profile, native_cache, segments, tmp_path):
    first = start_board(profile, tmp_path, native_cache)
    first.program(segments, QUIET)
    first.process.kill()
    first.close()
    second = start_board(profile, tmp_path, native_cache)
    assert says_hello(second)
    second.close()


def test_a_second_board_on_the_same_flash_is_refused(profile, native_cache, tmp_path):
    first = start_board(profile, tmp_path, native_cache)
    with pytest.raises(BoardError, match="running already"):
        start_board(profile, tmp_path, native_cache)
    first.close()


def test_a_killed_board_is_reported_by_its_probe_and_by_its_link(profile, native_cache, exercise):
    with open_board(profile, cache=native_cache) as session:
        session.virtual.program(flash_segments(exercise, profile.memory), QUIET)
        session.virtual.process.kill()
        session.virtual.process.wait()
        with pytest.raises(BoardError, match="process has ended"):
            session.virtual.status()
        with pytest.raises(BoardError):
            session.hello()


def test_a_blank_board_asks_to_be_flashed(profile, native_cache):
    with (
        open_board(profile, cache=native_cache) as session,
        pytest.raises(BoardError, match=r"no firmware.*Flash it first"),
    ):
        session.hello()


def test_an_idle_board_does_not_use_the_processor(board, segments):
    board.program(segments, QUIET)
    assert says_hello(board)
    before = board.status()["instructions"]
    assert board.status()["instructions"] - before < 100_000


def test_a_board_ends_when_its_owner_is_killed(native_cache):
    script = (
        "import sys; from pathlib import Path; from evbench.profiles import load_board\n"
        "from evbench.boards.virtual.probe import start_board\n"
        "board = start_board(load_board('virtual-h743'), cache=Path(sys.argv[1]))\n"
        "print(board.process.pid, flush=True); sys.stdin.read()"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", script, str(native_cache)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    )
    orphan = psutil.Process(int(owner.stdout.readline()))
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    owner.stdin.close()
    owner.stdout.close()
    _, alive = psutil.wait_procs([orphan], timeout=10)
    assert not [p for p in alive if p.status() != psutil.STATUS_ZOMBIE]
