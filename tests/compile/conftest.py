"""Small networks, board profiles and caches for builds."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from evbench.compile.toolchain import find_toolchain
from evbench.errors import BuildError
from evbench.graph.model import IntegerGraph
from evbench.profiles import BoardProfile, load_board
from tests.graph.networks import random_graph


@pytest.fixture(scope="session")
def builds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where images of this run of the tests are kept."""
    return tmp_path_factory.mktemp("builds")


@pytest.fixture(scope="session")
def small_graph() -> IntegerGraph:
    graph = random_graph(5, size=(32, 32), bins=2, width=4, classes=4)
    return dataclasses.replace(graph, metadata={"bins": "2"})


@pytest.fixture(scope="session")
def board() -> BoardProfile:
    """The virtual board, with the toolchain that every installation has."""
    return load_board("virtual-h743").model_copy(update={"toolchain": "zig"})


@pytest.fixture(scope="session")
def gcc_board(board: BoardProfile) -> BoardProfile:
    try:
        find_toolchain("gcc")
    except BuildError as error:
        pytest.skip(str(error))
    return board.model_copy(update={"toolchain": "gcc"})
