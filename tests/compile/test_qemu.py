"""A second opinion on the virtual board: the same networks on QEMU's Cortex-M7."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from evbench.boards.execution import BoardExecution
from evbench.boards.qemu import PROGRAM, count_instructions, has_qemu, open_qemu, qemu_profile
from evbench.boards.session import open_board
from evbench.compile.build import build_firmware
from evbench.errors import BoardError
from evbench.graph.execute import execute
from evbench.graph.model import IntegerGraph
from evbench.profiles import BoardProfile
from tests.compile.test_on_board import GRAPHS
from tests.graph.networks import random_graph, sparse_windows

LAYER_SLACK = 5
"""Instructions by which reading a counter may differ: the two boards have different ones."""

INTEGER_GRAPHS = [name for name, (graph, _) in GRAPHS.items() if not graph.is_float]

needs_qemu = pytest.mark.skipif(not has_qemu(), reason=f"{PROGRAM} is not installed")


def for_qemu(profile: BoardProfile) -> BoardProfile:
    """QEMU's board with the toolchain of another."""
    return qemu_profile().model_copy(update={"toolchain": profile.toolchain})


@needs_qemu
@pytest.mark.parametrize("name", INTEGER_GRAPHS)
@pytest.mark.parametrize("toolchain", ["board", "gcc_board"])
def test_qemu_computes_the_bytes_of_the_reference(
    name: str, toolchain: str, builds: Path, request: pytest.FixtureRequest
) -> None:
    profile = for_qemu(request.getfixturevalue(toolchain))
    graph: IntegerGraph = dataclasses.replace(GRAPHS[name][0], metadata={"bins": str(GRAPHS[name][1])})
    batch = sparse_windows(4, 1, graph.tensors["input"].shape)  # type: ignore[arg-type]
    build = build_firmware(graph, profile, builds)
    with open_qemu(build) as session:
        found = BoardExecution(session, build, graph).run(batch)
    for tensor, value in execute(graph, batch).items():
        np.testing.assert_array_equal(found[tensor], value, err_msg=tensor)


@needs_qemu
@pytest.mark.parametrize("toolchain", ["board", "gcc_board"])
def test_qemu_and_the_virtual_board_count_the_same_instructions(
    toolchain: str, builds: Path, request: pytest.FixtureRequest
) -> None:
    profile: BoardProfile = request.getfixturevalue(toolchain)
    graph = random_graph(3, size=(32, 32), width=4)
    (window,) = sparse_windows(7, 1, (10, 32, 32))
    theirs = count_instructions(build_firmware(graph, for_qemu(profile), builds), graph, window)
    with open_board(profile) as session:
        session.flash(build_firmware(graph, profile, builds))
        ours = session.count_instructions(window, 5)
    assert ours is not None
    assert sum(theirs) == pytest.approx(sum(ours), rel=0.001)
    for layer, (counted, modelled) in enumerate(zip(theirs, ours, strict=True)):
        assert abs(counted - modelled) <= max(LAYER_SLACK, 0.001 * modelled), f"layer {layer}"


@needs_qemu
def test_an_image_for_another_board_does_not_answer(builds: Path, board: BoardProfile) -> None:
    build = build_firmware(random_graph(3, size=(16, 16), width=2), board, builds)
    with pytest.raises(BoardError), open_qemu(build):
        pass


def test_a_missing_qemu_is_named_with_its_package(
    builds: Path, board: BoardProfile, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = build_firmware(random_graph(3, size=(16, 16), width=2), for_qemu(board), builds)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(BoardError, match=f"{PROGRAM} is not installed.*Debian"), open_qemu(build):
        pass
