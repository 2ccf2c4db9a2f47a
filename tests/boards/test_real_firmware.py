"""The whole road on the virtual board: networks compiled to real firmware, flashed, run and measured."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from evbench.boards.execution import BoardExecution
from evbench.boards.frames import Type
from evbench.boards.session import BoardSession, open_board
from evbench.compile.build import Build, build_firmware
from evbench.errors import BoardError
from evbench.graph.execute import execute
from evbench.graph.model import IntegerGraph
from evbench.profiles import load_board

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "graph"))
from networks import float_graph, odd_graph, random_graph, residual_graph, sparse_windows

SIZE = (32, 32)


@pytest.fixture(scope="module")
def build_of(tmp_path_factory):
    folder = tmp_path_factory.mktemp("builds")
    return lambda graph, board="virtual-h743": build_firmware(graph, load_board(board), folder)


@pytest.fixture(scope="module")
def graph() -> IntegerGraph:
    return random_graph(3, size=SIZE, width=4)


@pytest.fixture(scope="module")
def build(graph, build_of) -> Build:
    return build_of(graph)


@pytest.fixture(scope="module")
def session(build, native_cache):
    with open_board(load_board("virtual-h743"), cache=native_cache) as opened:
        opened.flash(build)
        yield opened


def windows_for(graph: IntegerGraph, n: int) -> np.ndarray:
    return sparse_windows(7, n, graph.tensors[graph.inputs[0]].shape)


def test_a_flashed_board_says_which_build_it_runs(session: BoardSession, build: Build):
    hello = session.hello()
    assert (hello.build_id, hello.graph_digest) == (build.build_id, build.graph_digest)
    assert hello.counts_cycles


def test_a_profile_run_has_the_logits_of_the_reference_and_cycles_for_every_layer(session, build, graph):
    windows = list(windows_for(graph, 3))
    run = session.profile(build, graph, windows)
    expected = execute(graph, np.stack(windows))[graph.outputs[0]].reshape(3, -1)
    assert [list(window.logits) for window in run.windows] == expected.tolist()
    assert [layer.name for layer in run.layers] == [operator.name for operator in graph.operators]
    assert all(layer.cycles > 0 for layer in run.layers)
    assert run.total_cycles == sum(layer.cycles for layer in run.layers)
    assert sorted(window.total_cycles for window in run.windows)[1] == run.total_cycles
    assert run.latency_ms == pytest.approx(1e3 * run.total_cycles / 480e6)
    assert 0 < run.stack_bytes < 8192


def test_a_profile_runs_json_has_the_agreed_keys(session, build, graph):
    report = session.profile(build, graph, list(windows_for(graph, 1))).to_json()
    agreed = "board modelled core_hz build_id layers total_cycles latency_ms flash_bytes ram_bytes stack_bytes logits"
    assert set(agreed.split()) <= set(report)
    assert set(report["layers"][0]) == {"index", "name", "kind", "macs", "cycles", "cycles_per_mac", "ms"}
    assert (report["board"], report["modelled"]) == ("virtual-h743", True)


def test_the_same_window_takes_the_same_cycles_every_time(session, graph):
    (window,) = windows_for(graph, 1)
    for _ in range(2):  # until the branch predictor has seen every way a layer's loops end
        session.run_window(window, 5)
    runs = [[layer.cycles for layer in session.run_window(window, 5).layers] for _ in range(2)]
    # The counter shows whole cycles of a sum of sixteenths, so a layer may begin on the other side of a whole one.
    assert all(abs(first - second) <= 1 for first, second in zip(*runs, strict=True))


def test_every_tensor_of_every_window_equals_the_reference(session, build, graph):
    windows = windows_for(graph, 3)
    found, expected = BoardExecution(session, build, graph).run(windows), execute(graph, windows)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


def test_tensors_read_by_the_probe_and_dumped_over_the_link_are_the_same(session, build, graph):
    windows = windows_for(graph, 2)
    probed = BoardExecution(session, build, graph).run(windows)
    dumped = BoardExecution(session, build, graph, use_probe=False).run(windows)
    for name, values in probed.items():
        np.testing.assert_array_equal(dumped[name], values, err_msg=name)


def test_random_bytes_do_not_stop_the_firmware(session: BoardSession):
    rng = np.random.default_rng(1)
    for size in rng.integers(1, 3000, 20):
        session._link._port.write(rng.bytes(int(size)))
        session._link._port.write(b"\0")
    assert session.hello().layers > 0


def test_random_frames_do_not_stop_the_firmware(session: BoardSession):
    rng = np.random.default_rng(2)
    for kind in (*Type, *Type):
        if kind != Type.RUN and kind < Type.HELLO_REPLY:
            session._link._send(kind, rng.bytes(int(rng.integers(0, 40))))
    session._link._port.read(1)
    assert session.hello().layers > 0


def test_a_board_with_another_network_is_refused_and_accepted_after_flashing(native_cache, build, build_of, graph):
    other = random_graph(4, size=SIZE, width=4)
    other_build = build_of(other)
    with open_board(load_board("virtual-h743"), cache=native_cache) as session:
        session.flash(other_build)
        with pytest.raises(BoardError, match=r"The board runs build .* you asked for .*Flash first"):
            session.profile(build, graph, list(windows_for(graph, 1)))
        session.flash(build)
        assert session.profile(build, graph, list(windows_for(graph, 1))).build_id == build.build_id


@pytest.mark.parametrize("make", [lambda: residual_graph(4, size=SIZE), lambda: odd_graph(5)], ids=["residual", "odd"])
def test_other_shapes_of_networks_equal_the_reference_too(session, build, build_of, make):
    graph = make()
    session.flash(build_of(graph))
    windows = windows_for(graph, 2)
    found = BoardExecution(session, build_of(graph), graph).run(windows)
    for name, values in execute(graph, windows).items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)
    session.flash(build)


def test_a_float_network_with_weights_in_external_flash_pays_for_reading_them(native_cache, build_of):
    graph = float_graph(6, size=(32, 32), width=8)
    build = build_of(graph, "virtual-h743-qspi")
    with open_board(load_board("virtual-h743-qspi"), cache=native_cache) as session:
        session.flash(build)
        (window,) = windows_for(graph, 1)
        free = session.profile(build, graph, [window], data_cache=False)
        paid = session.profile(build, graph, [window])
    assert free.data_cache_cycles == ()
    weights = graph.weight_bytes // 32 * 90
    assert sum(paid.data_cache_cycles) > weights
    assert paid.total_cycles == pytest.approx(free.total_cycles + sum(paid.data_cache_cycles), rel=0.01)
    assert paid.logits == pytest.approx(execute(graph, window[None])[graph.outputs[0]].ravel().tolist(), rel=1e-5)


def test_sampled_misses_come_close_to_all_misses(native_cache, build_of):
    graph = random_graph(8, size=(96, 96), width=16)
    build = build_of(graph)
    (window,) = windows_for(graph, 1)
    with open_board(load_board("virtual-h743"), cache=native_cache) as session:
        session.flash(build)
        session.run_window(window, 5)  # instructions are in their cache from here on
        plain = session.run_window(window, 5).result.cycles
        session.virtual.set_data_cache(True, build.symbols["ev_layer_done"][0])
        sampled = session.run_window(window, 5).result.cycles - plain
        session.virtual.set_data_cache(True)
        exact = session.run_window(window, 5).result.cycles - plain
    assert exact > 0
    assert abs(sampled - exact) < 0.01 * plain


def test_a_board_killed_during_a_window_is_reported(native_cache, build, graph):
    with open_board(load_board("virtual-h743"), cache=native_cache) as session:
        session.flash(build)
        os.kill(session.virtual.process.pid, 9)
        with pytest.raises(BoardError):
            session.run_window(windows_for(graph, 1)[0], 5)
