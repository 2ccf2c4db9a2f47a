"""Skipping kernels as the board runs them, of both toolchains: the reference's bytes on empty, sparse, full windows."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from evbench.boards.execution import BoardExecution
from evbench.boards.session import open_board
from evbench.compile.build import build_firmware
from evbench.compile.sparse import choose
from evbench.graph.execute import execute
from evbench.graph.model import DType, IntegerGraph
from evbench.profiles import BoardProfile
from tests.graph.networks import Builder, sparse_windows

SHAPE = (2, 26, 35)


def zero_skipping_graph() -> IntegerGraph:
    """Every map skips sites and, where a kernel can, zeros; one convolution makes values on a rectified signed grid."""
    build = Builder(7, sparse_windows(8, 4, SHAPE), active=0.4)
    last = build.conv("input", 16, 4, 2, padding=(0, 0, 0, 0))
    last = build.conv(last, 20, kernel=1)
    last = build.conv(build.conv(last, 0, depthwise=True), 9, kernel=1)
    build.tensors[last] = dataclasses.replace(build.tensors[last], dtype=DType.S8)  # saturates at 127, not at 255
    build.values[last] = np.minimum(build.values[last], 127).astype(np.int8)
    pooled = build.maxpool(last), build.average_window(last, (2, 2), 2, (0, 0, 0, 0), counted=False)
    last = build.conv(build.concat(*pooled), 8)
    last = build.add(build.conv(last, 8, relu=False), last)
    activity = {operator.name: [0.0, 0.0] for operator in build.operators}
    graph = build.graph(build.linear(build.average(last), 3), "zero-skipping")
    return dataclasses.replace(
        graph, metadata={"bins": "1", "activity": json.dumps({"windows": 1, "layers": activity})}
    )


@pytest.mark.parametrize("toolchain", ["board", "gcc_board"])
def test_boards_skip_without_changing_a_byte(toolchain: str, builds: Path, request: pytest.FixtureRequest) -> None:
    profile: BoardProfile = request.getfixturevalue(toolchain)
    graph = zero_skipping_graph()
    choices = choose(graph).choices
    kinds = {operator.name: operator.kind for operator in graph.operators}
    assert {kinds[choice.layer] for choice in choices if not choice.skips} == {"Concat", "GlobalAveragePool", "Linear"}
    assert [choice.nonzero for choice in choices[:4]] == [True, True, False, True]
    corners = np.zeros((2, *SHAPE), np.uint8)
    corners[0, 0, 0, 0] = corners[1, 1, -1, -1] = 200
    full = np.random.default_rng(1).integers(1, 256, (1, *SHAPE)).astype(np.uint8)
    batch = np.concatenate([np.zeros((1, *SHAPE), np.uint8), corners, full, sparse_windows(4, 1, SHAPE), corners[:1]])
    expected = execute(graph, batch)
    build = build_firmware(graph, profile, builds)
    with open_board(profile) as session:
        session.flash(build)
        found = BoardExecution(session, build, graph).run(batch)
    for tensor, value in expected.items():
        np.testing.assert_array_equal(found[tensor], value, err_msg=tensor)
