"""A second opinion on the virtual board: the same kernels on QEMU's Cortex-M7 (mps2-an500), which counts instructions.

QEMU knows no cycles. Under -icount its clock is made of instructions, 256 ns for each, and the board's timer counts 40
ns: 6.4 per instruction, the same every time.
"""

from __future__ import annotations

import array
import fcntl
import shutil
import socket
import subprocess
import tempfile
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evbench.boards.image import Firmware
from evbench.boards.link import Link
from evbench.boards.session import BoardSession, network_bins
from evbench.errors import BoardError
from evbench.graph.model import IntegerGraph
from evbench.profiles import BoardProfile, load_board
from evbench.resources import resource

PROGRAM = "qemu-system-arm"
_NANOSECONDS_LOG2 = 8
_TICK_NS = 40
_POLL_S = 0.2
_TIMEOUT_S = 20.0
_REMEDY = "Install it: Debian's package is qemu-system-arm"


def has_qemu() -> bool:
    """Whether QEMU for Arm is installed."""
    return shutil.which(PROGRAM) is not None


def qemu_profile() -> BoardProfile:
    """The board that QEMU emulates."""
    return load_board(Path(str(resource("firmware", "ports", "mps2_an500", "qemu-mps2-an500.toml"))))


def instructions(ticks: int) -> int:
    """Instructions from a difference of what the board counts."""
    return round(ticks * _TICK_NS / (1 << _NANOSECONDS_LOG2))


class _SocketPort:
    """The way to QEMU's standard input and output, as the link wants it."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._socket.settimeout(_POLL_S)

    @property
    def in_waiting(self) -> int:
        count = array.array("i", [0])
        fcntl.ioctl(self._socket, termios.FIONREAD, count)
        return count[0]

    def read(self, size: int = 1, /) -> bytes:
        try:
            return self._socket.recv(size)
        except TimeoutError:
            return b""

    def write(self, data: bytes, /) -> int:
        self._socket.settimeout(_TIMEOUT_S)
        self._socket.sendall(data)
        self._socket.settimeout(_POLL_S)
        return len(data)

    def close(self) -> None:
        self._socket.close()


@contextmanager
def open_qemu(build: Firmware) -> Iterator[BoardSession]:
    """A session with QEMU that runs a build for `qemu_profile`; its cycles are ticks for `instructions`.

    Raises BoardError when QEMU is missing or ends.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        raise BoardError(f"{PROGRAM} is not installed", where="Looked in PATH", remedy=_REMEDY)
    ours, theirs = socket.socketpair()
    given = theirs.fileno()
    machine = ("-machine", "mps2-an500", "-nodefaults", "-display", "none", "-monitor", "none")
    line = ("-semihosting-config", "enable=on,target=native")
    count = ("-icount", f"shift={_NANOSECONDS_LOG2},sleep=off")
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [program, *machine, *line, *count, "-kernel", str(build.elf)],
            stdin=given,
            stdout=given,
            stderr=said,
        )
        theirs.close()
        try:
            with BoardSession(qemu_profile(), Link(_SocketPort(ours), timeout=_TIMEOUT_S)) as session:
                session.require(build)
                yield session
        except BoardError:
            if process.poll() is None:
                raise
            said.seek(0)
            complaint = said.read().decode(errors="replace").strip()
            raise BoardError("QEMU has ended", where=complaint or PROGRAM, remedy=_REMEDY) from None
        finally:
            process.kill()
            process.wait()


def count_instructions(build: Firmware, graph: IntegerGraph, window: NDArray[np.uint8]) -> tuple[int, ...]:
    """Instructions per layer of a build for `qemu_profile` on one window, uint8 [C, H, W]; raises as `open_qemu`."""
    with open_qemu(build) as session:
        run = session.run_window(window, network_bins(graph))
    return tuple(instructions(layer.cycles) for layer in run.layers)
