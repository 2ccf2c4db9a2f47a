"""How fast the virtual board is: instructions with timing per second of its processor, and from reset to HELLO."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil
import pytest

from evbench.boards.session import open_board
from evbench.compile.build import build_firmware
from evbench.profiles import load_board

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "graph"))
from networks import random_graph, sparse_windows


@pytest.fixture(scope="module")
def graph():
    return random_graph(3, width=24)


@pytest.fixture(scope="module")
def session(graph, tmp_path_factory):
    folder = tmp_path_factory.mktemp("speed")
    board = load_board("virtual-h743")
    with open_board(board, cache=folder) as opened:
        opened.flash(build_firmware(graph, board, folder))
        yield opened


def test_instructions_per_second_with_timing(benchmark, session, graph):
    (window,) = sparse_windows(7, 1, graph.tensors["input"].shape)
    session.run_window(window, 5)
    board, process = session.virtual, psutil.Process(session.virtual.process.pid)
    before, spent = board.status()["instructions"], sum(process.cpu_times()[:2])
    benchmark.pedantic(session.run_window, (window, 5), rounds=20)
    instructions = board.status()["instructions"] - before
    seconds = sum(process.cpu_times()[:2]) - spent
    if benchmark.stats:
        benchmark.extra_info["million_instructions_per_cpu_second"] = instructions / seconds / 1e6
    assert instructions > 1_000_000


def test_boot_to_hello(benchmark, session):
    def boot() -> str:
        session.virtual.reset()
        return session.hello().name

    assert benchmark.pedantic(boot, rounds=5) == "Virtual STM32H743"
