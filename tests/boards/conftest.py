"""What the tests of boards share: a small program for the virtual board, the compiled runtime, a machine to talk to."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from board_tools import MemoryLine, zig

from evbench.boards.image import flash_segments
from evbench.boards.virtual.flash_memory import FlashMemory
from evbench.boards.virtual.machine import Machine, MemoryRegion
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
    elf = tmp_path_factory.mktemp("exercise") / "exercise.elf"
    flags = ("-O2", "-ffreestanding", "-nostdlib", "-fno-sanitize=all", "-Wl,-e,main")
    zig(*flags, f"-Wl,-T,{FIRMWARE / 'board.ld'}", FIRMWARE / "exercise.c", "-o", elf)
    return elf


@pytest.fixture
def machine(profile: BoardProfile, exercise: Path, native_cache: Path) -> Iterator[tuple[Machine, MemoryLine]]:
    """A machine that runs firmware/exercise.c and has said that it is ready, and its line."""
    memory = {name: MemoryRegion(r.origin, r.size, r.wait_states) for name, r in profile.memory.items()}
    flash = {name: FlashMemory(memory[name].origin, memory[name].size) for name in ("flash", "qspi")}
    for address, data in flash_segments(exercise, profile.memory):
        flash["flash"].program(address, data + b"\xff" * (-len(data) % 32))
    line = MemoryLine()
    made = Machine(memory, line, flash, build_runtime(native_cache))
    thread = threading.Thread(target=made.run)
    thread.start()
    try:
        assert line.read(1) == b"!"
        yield made, line
    finally:
        made.close()
        thread.join()
