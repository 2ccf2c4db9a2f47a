"""Boards are used by one process at a time."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading

import pytest

from evbench.errors import BoardError
from evbench.jobs.held_board import HeldBoard
from evbench.jobs.leases import held_boards, holder, lease_name, leased, try_lease
from evbench.jobs.store import Lease, Store
from evbench.profiles import BoardProfile, Link, load_board
from evbench.workspace import Workspace

HOLDER = """
import sys, signal
from pathlib import Path
from evbench.jobs.held_board import HeldBoard
from evbench.jobs.leases import leased
from evbench.jobs.store import Store
from evbench.profiles import load_board
from evbench.workspace import Workspace
with leased(Store(Workspace(Path(sys.argv[1]))), load_board("virtual-h743"), job_id=7):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def board() -> BoardProfile:
    return load_board("virtual-h743")


@pytest.fixture
def other(workspace: Workspace) -> subprocess.Popen[str]:
    """A process that holds virtual-h743 until its input is closed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(workspace.root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_board_held_by_another_process_is_refused_and_its_holder_named(
    store: Store, board: BoardProfile, other: subprocess.Popen[str]
) -> None:
    with (
        pytest.raises(BoardError, match=rf"in use\. Held by job 7, process {other.pid}"),
        leased(store, board, wait=False),
    ):
        pass
    other.communicate()
    assert held_boards(store) == []


def test_a_waiting_job_gets_the_board_when_it_is_given_back(
    store: Store, board: BoardProfile, other: subprocess.Popen[str]
) -> None:
    waited: list[Lease] = []

    def give_back(lease: Lease) -> None:
        waited.append(lease)
        other.communicate()

    with leased(store, board, job_id=8, on_wait=give_back, interval=0.001):
        assert [lease.job_id for lease in held_boards(store)] == [8]
    assert [lease.job_id for lease in waited] == [7]
    assert held_boards(store) == []


def test_the_lease_of_a_killed_process_is_released(
    store: Store, board: BoardProfile, other: subprocess.Popen[str]
) -> None:
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert [lease.pid for lease in store.leases()] == [other.pid]
    assert holder(store, "virtual-h743") is None
    with leased(store, board, job_id=8, wait=False) as lease:
        assert holder(store, "virtual-h743") == lease


def test_a_process_number_used_again_does_not_keep_a_dead_holders_lease(store: Store, board: BoardProfile) -> None:
    mine = try_lease(store, board.id)
    assert mine is not None
    store.drop_lease(mine)
    assert store.take_lease(Lease(board.id, 3, mine.pid, mine.pid_started - 500, since=0.0))
    with leased(store, board, wait=False) as lease:
        assert lease.pid_started == mine.pid_started


def test_of_many_threads_only_one_holds_a_board_at_a_time(store: Store, board: BoardProfile) -> None:
    inside: list[int] = []
    most: list[int] = []

    def use() -> None:
        with leased(store, board, interval=0.001):
            inside.append(1)
            most.append(len(inside))
            inside.pop()
        store.close()

    threads = [threading.Thread(target=use) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 6


def test_real_boards_are_leased_by_their_port_so_that_two_profiles_cannot_share_one(board: BoardProfile) -> None:
    real = load_board("nucleo-h743zi2")
    named = real.model_copy(update={"link": Link(port="/dev/ttyACM0")})
    assert lease_name(board) == "virtual-h743"
    assert lease_name(real) == "nucleo-h743zi2"
    assert lease_name(named) == "/dev/ttyACM0"


def test_a_job_that_does_not_wait_is_told_who_has_the_board(
    store: Store, board: BoardProfile, other: subprocess.Popen[str]
) -> None:
    with pytest.raises(BoardError, match="evbench jobs cancel"):
        HeldBoard(store, wait=False).session(board)
    other.communicate()
