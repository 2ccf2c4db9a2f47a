"""What the tests of boards share: a small program for the virtual board, the compiled runtime, a machine to talk to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from board_tools import MemoryLine, build_image, running

from evbench.boards.virtual.machine import Machine
from evbench.boards.virtual.runtime import build_runtime
from evbench.profiles import BoardProfile, load_board

FIRMWARE = Path(__file__).parent / "firmware"


@pytest.fixture(scope="session")
def profile() -> BoardProfile:
    return load_board("virtual-h743-qspi")


@pytest.fixture(scope="session")
def native_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("native")


@pytest.fixture(scope="session")
def exercise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """firmware/exercise.c as an ELF file."""
    return build_image(FIRMWARE / "exercise.c", tmp_path_factory.mktemp("exercise") / "exercise.elf")


@pytest.fixture(scope="session")
def library(native_cache: Path) -> Path:
    """The compiled part of virtual boards."""
    return build_runtime(native_cache)


@pytest.fixture
def machine(exercise: Path, library: Path) -> Iterator[tuple[Machine, MemoryLine]]:
    """A machine that runs firmware/exercise.c and has said that it is ready, and its line."""
    with running(exercise, library, "virtual-h743-qspi") as (made, line):
        assert line.read(1) == b"!"
        yield made, line
