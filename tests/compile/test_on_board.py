"""Images of both toolchains on the virtual board: the bytes of the host, for integer and for float networks."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from evbench.boards.execution import BoardExecution
from evbench.boards.session import open_board
from evbench.compile.build import build_firmware
from evbench.compile.host import HostModel
from evbench.graph.model import DType, IntegerGraph
from evbench.profiles import BoardProfile
from tests.graph.networks import (
    Builder,
    branched_graph,
    float_graph,
    hybrid_graph,
    mixed_graph,
    odd_graph,
    residual_graph,
    sparse_windows,
)

LAYERS = (  # outputs, kernel, stride, whether depthwise, padding
    (7, 3, 1, False, (1, 1, 1, 1)),
    (7, 3, 1, True, (1, 1, 1, 1)),
    (5, 1, 1, False, (0, 0, 0, 0)),
    (5, 3, 2, True, (0, 1, 2, 1)),
    (4, 2, 1, False, (0, 1, 1, 0)),
    (4, 3, 1, True, (2, 2, 1, 1)),
    (10, 3, 1, False, (2, 0, 1, 1)),
    (10, 3, 2, True, (1, 0, 1, 2)),
    (6, 5, 1, False, (4, 3, 2, 3)),
    (3, 1, 1, False, (0, 0, 0, 0)),
    (3, 3, 1, True, (1, 1, 1, 1)),
    (1, 3, 1, False, (1, 1, 1, 1)),
    (2, 3, 1, False, (1, 1, 1, 1)),
    (11, 3, 1, False, (1, 1, 1, 1)),
    (11, 3, 2, True, (1, 1, 1, 1)),
)


def tails_graph(seed: int, *, zero_points: bool) -> IntegerGraph:
    """Channel counts that fill no block of the kernels, lopsided padding, unsigned, signed or shifted activations."""
    build = Builder(seed, sparse_windows(seed + 1, 4, (3, 19, 14)), active=0.3, zero_points=zero_points)
    last = "input"
    for number, (outputs, kernel, stride, depthwise, padding) in enumerate(LAYERS):
        relu = number % 2 == 0
        last = build.conv(last, outputs, kernel, stride, depthwise=depthwise, relu=relu, padding=padding)
    return build.graph(build.linear(build.linear(last, 5, logits=False), 3), f"tails-{seed}")


def rectified_signed_graph(seed: int) -> IntegerGraph:
    """Rectified outputs on signed grids with zero point 0, as imported networks may have them."""
    build = Builder(seed, sparse_windows(seed + 1, 4, (2, 13, 11)), active=0.5)
    last = build.conv("input", 7)
    for operator in ("dense", "depthwise"):
        last = build.conv(last, 7, depthwise=operator == "depthwise")
        tensor = build.tensors[last]
        signed = dataclasses.replace(tensor, dtype=DType.S8, scale=tensor.scale)  # saturates at 127, not at 255
        build.tensors[last] = signed
        build.values[last] = np.minimum(build.values[last], 127).astype(np.int8)
    return build.graph(build.linear(last, 3), f"rectified-{seed}")


GRAPHS = {
    "rectified on signed grids": (rectified_signed_graph(3), 1),
    "tails, signed": (tails_graph(5, zero_points=False), 1),
    "tails, zero points": (tails_graph(6, zero_points=True), 1),
    "signed and unsigned, residual": (residual_graph(1, size=(32, 32), bins=2, width=4), 2),
    "zero points and odd sizes": (odd_graph(2), 1),
    "groups, windows and joined channels": (branched_graph(1), 1),
    "a head of 16 bit": (hybrid_graph(1, zero_points=True), 1),
    "float layers between 8 and 16 bit": (mixed_graph(1), 1),
    "float groups and windows": (branched_graph(2, float_weights=True), 1),
    "float": (float_graph(3, size=(24, 24), bins=2, width=4), 2),
}


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("toolchain", ["board", "gcc_board"])
def test_an_image_computes_the_same_bytes_as_the_host(
    name: str, toolchain: str, builds: Path, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> None:
    profile: BoardProfile = request.getfixturevalue(toolchain)
    graph: IntegerGraph = dataclasses.replace(GRAPHS[name][0], metadata={"bins": str(GRAPHS[name][1])})
    batch = sparse_windows(4, 2, graph.tensors["input"].shape)  # type: ignore[arg-type]
    expected = HostModel(graph, tmp_path_factory.getbasetemp() / "native").run(batch)
    build = build_firmware(graph, profile, builds)
    with open_board(profile) as session:
        session.flash(build)
        found = BoardExecution(session, build, graph).run(batch)
    for tensor, value in expected.items():
        np.testing.assert_array_equal(found[tensor], value, err_msg=tensor)
