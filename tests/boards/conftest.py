"""What the tests of boards share: a small program for the virtual board, the compiled runtime, a machine to talk to."""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from evbench.boards.image import flash_segments
from evbench.boards.virtual.flash_memory import FlashMemory
from evbench.boards.virtual.machine import Machine, MemoryRegion
from evbench.boards.virtual.runtime import build_runtime
from evbench.profiles import BoardProfile, load_board

FIRMWARE = Path(__file__).parent / "firmware"
ZIG_TARGET = ("-target", "thumb-freestanding-eabihf", "-mcpu=cortex_m7+fp_armv8d16")
ANSWER_S = 20


def zig(*arguments: object) -> None:
    """Runs zig's C compiler for the board's processor."""
    subprocess.run([sys.executable, "-m", "ziglang", "cc", *ZIG_TARGET, *map(str, arguments)], check=True)


@pytest.fixture(scope="session")
def profile() -> BoardProfile:
    return load_board("virtual-h743-qspi")


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("native")


@pytest.fixture(scope="session")
def exercise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """firmware/exercise.c as an ELF file."""
    elf = tmp_path_factory.mktemp("exercise") / "exercise.elf"
    flags = ("-O2", "-ffreestanding", "-nostdlib", "-fno-sanitize=all", "-Wl,-e,main")
    zig(*flags, f"-Wl,-T,{FIRMWARE / 'board.ld'}", FIRMWARE / "exercise.c", "-o", elf)
    return elf


class TestLine:
    """The far end of a machine's serial port, inside this process."""

    __test__ = False

    def __init__(self) -> None:
        self._to_board: queue.Queue[bytes] = queue.Queue()
        self._from_board: queue.Queue[int] = queue.Queue()

    def send(self, data: bytes) -> None:
        for byte in data:
            self._from_board.put(byte)

    def receive(self) -> bytes:
        try:
            return self._to_board.get(timeout=0.05)
        except queue.Empty:
            return b""

    def wake(self) -> None:
        self._to_board.put(b"")

    def write(self, data: bytes) -> None:
        self._to_board.put(data)

    def read(self, n: int) -> bytes:
        return bytes(self._from_board.get(timeout=ANSWER_S) for _ in range(n))

    def ask(self, command: bytes) -> int:
        """Sends a command that is answered by a 32-bit word."""
        self.write(command)
        return int.from_bytes(self.read(4), "little")


@pytest.fixture
def machine(profile: BoardProfile, exercise: Path, cache: Path) -> Iterator[tuple[Machine, TestLine]]:
    """A machine that runs firmware/exercise.c and has said that it is ready, and its line."""
    memory = {name: MemoryRegion(r.origin, r.size, r.wait_states) for name, r in profile.memory.items()}
    flash = {name: FlashMemory(memory[name].origin, memory[name].size) for name in ("flash", "qspi")}
    for address, data in flash_segments(exercise, profile.memory):
        flash["flash"].program(address, data + b"\xff" * (-len(data) % 32))
    line = TestLine()
    made = Machine(memory, line, flash, build_runtime(cache))
    thread = threading.Thread(target=made.run)
    thread.start()
    try:
        assert line.read(1) == b"!"
        yield made, line
    finally:
        made.close()
        thread.join()
