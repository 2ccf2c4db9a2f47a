"""A compiler for the board's processor, and the far end of a machine's serial port."""

from __future__ import annotations

import queue
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from evbench.boards.firmware_file import read_firmware
from evbench.boards.virtual.flash_memory import FlashMemory
from evbench.boards.virtual.machine import Machine
from evbench.boards.virtual.parts import FLASH_REGIONS, Chip, MemoryRegion
from evbench.compile.toolchain import CORTEX_M7
from evbench.profiles import load_board

ZIG_TARGET = ("-target", "thumb-freestanding-eabihf", "-mcpu=cortex_m7+fp_armv8d16")
ANSWER_S = 20


def zig(*arguments: object) -> None:
    """Runs zig's C compiler for the board's processor."""
    subprocess.run([sys.executable, "-m", "ziglang", "cc", *ZIG_TARGET, *map(str, arguments)], check=True)


def build_image(source: Path, elf: Path, *flags: str, toolchain: str = "zig") -> Path:
    """Compiles one file of tests/boards/firmware; the test is skipped where gcc is asked for and missing."""
    code = ("-O2", "-ffreestanding", "-nostdlib", "-Wl,-e,main", f"-Wl,-T,{source.with_name('board.ld')}", *flags)
    if toolchain == "zig":
        zig(*code, "-fno-sanitize=all", source, "-o", elf)
    elif shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("arm-none-eabi-gcc is not installed")
    else:
        subprocess.run(["arm-none-eabi-gcc", *CORTEX_M7, *code, str(source), "-o", str(elf)], check=True)
    return elf


def hex_record(kind: int, address: int, content: bytes) -> str:
    """A line of Intel HEX."""
    body = bytes([len(content)]) + address.to_bytes(2) + bytes([kind]) + content
    return f":{(body + bytes([-sum(body) & 0xFF])).hex().upper()}"


@contextmanager
def running(
    elf: Path, library: Path, board: str = "virtual-h743", **reports: Any
) -> Iterator[tuple[Machine, MemoryLine]]:
    """A machine in this process that runs an image, and its line. reports: `log` and `on_fault` of the machine."""
    profile = load_board(board)
    memory = {name: MemoryRegion(r.origin, r.size, r.wait_states) for name, r in profile.memory.items()}
    flash = {name: FlashMemory(memory[name].origin, memory[name].size) for name in FLASH_REGIONS if name in memory}
    line = MemoryLine()
    chip = Chip(profile.board.chip, profile.board.core_hz, profile.link.uart, profile.link.baud)
    machine = Machine(memory, line, flash, library, chip, **reports)
    image = read_firmware(elf, memory["flash"].origin)
    machine.vectors = image.vectors(profile.memory)
    for address, data in image.segments:
        machine.write_memory(address, data)
    thread = threading.Thread(target=machine.run)
    thread.start()
    try:
        yield machine, line
    finally:
        machine.close()
        thread.join()


class MemoryLine:
    """The far end of a machine's serial port, inside this process."""

    def __init__(self) -> None:
        self._to_board: queue.Queue[bytes] = queue.Queue()
        self._from_board: queue.Queue[int] = queue.Queue()

    def send(self, data: bytes) -> None:
        for byte in data:
            self._from_board.put(byte)

    def receive(self, wait_s: float) -> bytes:
        try:
            return self._to_board.get(timeout=wait_s) if wait_s else self._to_board.get_nowait()
        except queue.Empty:
            return b""

    def wake(self) -> None:
        self._to_board.put(b"")

    def write(self, data: bytes) -> None:
        self._to_board.put(data)

    def read(self, n: int) -> bytes:
        return bytes(self._from_board.get(timeout=ANSWER_S) for _ in range(n))

    def read_line(self) -> str:
        """What the board says up to the end of a line."""
        text = bytearray()
        while (byte := self.read(1)) != b"\n":
            text += byte
        return text.decode()

    def ask(self, command: bytes) -> int:
        """Sends a command that is answered by a 32-bit word."""
        self.write(command)
        return int.from_bytes(self.read(4), "little")
