"""How fast the virtual board is: instructions with timing per second of its processor, from reset and from nothing to
HELLO."""

from __future__ import annotations

import sys
from pathlib import Path
from time import process_time

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
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("speed")


@pytest.fixture(scope="module")
def build(graph, cache):
    return build_firmware(graph, load_board("virtual-h743"), cache)


@pytest.fixture(scope="module")
def session(build, cache):
    with open_board(load_board("virtual-h743"), cache=cache) as opened:
        opened.flash(build)
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


def test_process_start_flash_and_hello(benchmark, build, cache):
    spent = []

    def start() -> str:
        before = process_time()
        with open_board(load_board("virtual-h743"), cache=cache) as session:
            session.flash(build)
            name = session.hello().name
            spent.append(process_time() - before + sum(psutil.Process(session.virtual.process.pid).cpu_times()[:2]))
        return name

    assert benchmark.pedantic(start, rounds=5) == "Virtual STM32H743"
    benchmark.extra_info["cpu_seconds_of_both_processes"] = min(spent)
