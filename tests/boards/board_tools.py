"""A compiler for the board's processor, and the far end of a machine's serial port."""

from __future__ import annotations

import queue
import subprocess
import sys

ZIG_TARGET = ("-target", "thumb-freestanding-eabihf", "-mcpu=cortex_m7+fp_armv8d16")
ANSWER_S = 20


def zig(*arguments: object) -> None:
    """Runs zig's C compiler for the board's processor."""
    subprocess.run([sys.executable, "-m", "ziglang", "cc", *ZIG_TARGET, *map(str, arguments)], check=True)


class MemoryLine:
    """The far end of a machine's serial port, inside this process."""

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
