"""Starts a virtual board and speaks with its debug probe: what SWD and a programmer are to a real one."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from evbench.boards.virtual.messages import receive_message, send_message
from evbench.boards.virtual.parts import Counted
from evbench.boards.virtual.runtime import build_runtime
from evbench.errors import BoardError
from evbench.profiles import BoardProfile

_START_TIMEOUT_S = 30.0
_REQUEST_TIMEOUT_S = 30.0
_END_TIMEOUT_S = 2.0
_PROGRAM_BYTES = 64 * 1024
_WORD_BYTES = 32


@dataclass
class VirtualBoard:
    """A running virtual board. `port` is the serial port that it offers; `close` ends it."""

    port: str
    process: subprocess.Popen[bytes]
    _channel: socket.socket
    _errors: IO[bytes] | None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def status(self) -> dict[str, Any]:
        """blank, idle, locked_up, faults, cycles and the other counters; answered also while the board computes."""
        return self._request("status")[0]

    def reset(self) -> None:
        self._request("reset")

    def read(self, address: int, length: int) -> bytes:
        """Reads memory of any kind. Raises BoardError where there is none."""
        return self._request("read", address=address, length=length)[1]

    def count(self, what: Counted) -> None:
        """Chooses what the board's counter of cycles counts. With nothing to count the board runs faster."""
        self._request("count", what=str(what))

    def set_data_cache(self, on: bool, layer_end: int | None = None) -> None:
        """Switches the data-cache pass, in which missed lines cost cycles and the board is a few times slower.

        layer_end: address of the function that firmware calls after each layer.
        """
        self._request("data_cache", on=on, layer_end=layer_end)

    def watch_layer(self, start: int, layer_end: int, layer: int) -> None:
        """Watches which blocks run in a layer, between the functions where a network starts and a layer ends; start 0
        ends it."""
        self._request("watch_layer", start=start, layer_end=layer_end, layer=layer)

    def watched(self) -> list[list[int]]:
        """Pairs of blocks met while the layer ran: addresses of both, cost in sixteenths of a cycle, how often, cycles
        mispredicted, cycles waited for instruction lines, the second one's size in bytes."""
        pairs: list[list[int]] = self._request("watched")[0]["pairs"]
        return pairs

    def capture_at(self, address: int, outputs: Sequence[tuple[int, int]]) -> None:
        """Sets a breakpoint at a function called with a layer index, which saves that layer's (address, length)."""
        self._request("capture", address=address, outputs=list(outputs))

    def captured(self) -> bytes:
        """What the breakpoint has saved since the last call."""
        return self._request("captured")[1]

    def program(self, segments: Sequence[tuple[int, bytes]], on_progress: Callable[[str, float], None]) -> None:
        """Erases, writes and verifies an image of (address, bytes) segments, then restarts the board.

        The first word, which holds the reset vector, is written last: a board whose programming was interrupted does
        not start. on_progress(step, fraction). Raises BoardError when what is read back differs.
        """
        padded = [(address, data + b"\xff" * (-len(data) % _WORD_BYTES)) for address, data in segments]
        total = sum(len(data) for _, data in padded)
        on_progress("erase", 0.0)
        for address, data in padded:
            self._request("erase", address=address, length=len(data))
        first = padded[0][0]
        done = 0
        for address, data in padded:
            start = _WORD_BYTES if address == first else 0
            for offset in range(start, len(data), _PROGRAM_BYTES):
                chunk = data[offset : offset + _PROGRAM_BYTES]
                self._request("program", chunk, address=address + offset)
                done += len(chunk)
                on_progress("write", done / total)
        self._request("program", padded[0][1][:_WORD_BYTES], address=first)
        on_progress("verify", 0.0)
        self.verify(padded)
        on_progress("verify", 1.0)
        self.reset()

    def verify(self, segments: Sequence[tuple[int, bytes]]) -> None:
        """Compares the flash with an image. Raises BoardError at the first difference."""
        for address, data in segments:
            found = self.read(address, len(data))
            if found != data:
                offset = next(i for i, (a, b) in enumerate(zip(found, data, strict=True)) if a != b)
                raise BoardError(
                    "The board's flash does not hold the image",
                    where=f"First difference at 0x{address + offset:08x}: {found[offset]:02x} for {data[offset]:02x}",
                    remedy="Flash it again",
                )

    def close(self) -> None:
        """Ends the board."""
        self._channel.close()
        try:
            self.process.wait(_END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self._errors:
            self._errors.close()

    def _request(self, command: str, payload: bytes = b"", **arguments: Any) -> tuple[dict[str, Any], bytes]:
        try:
            with self._lock:
                send_message(self._channel, {"do": command, **arguments}, payload)
                reply, data = receive_message(self._channel)
        except TimeoutError:
            raise BoardError("The virtual board's probe does not answer", remedy="Start the run again") from None
        except (EOFError, OSError):
            raise _ended(self.process, self._errors) from None
        if "error" in reply:
            raise BoardError(f"The virtual board cannot {command}", where=reply["error"])
        return reply, data


def default_cache() -> Path:
    """Where compiled code is kept when no workspace says so: evbench's folder in the user's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "evbench"


def start_board(
    profile: BoardProfile, state: Path | None = None, cache: Path | None = None, image: Path | None = None
) -> VirtualBoard:
    """Starts the virtual board of a profile in a process of its own and waits until it has a port.

    state: the folder that keeps its flash between runs; without one the board starts blank. cache: the folder for the
    compiled runtime. image: a firmware file that runs at once; its faults and the registers it misses are written to
    standard error. Raises BoardError when it does not start, or when another board uses that state, BuildError without
    a compiler.
    """
    import evbench

    ours, theirs = socket.socketpair()
    spec = {
        "memory": {name: (r.origin, r.size, r.wait_states) for name, r in profile.memory.items()},
        "channel": theirs.fileno(),
        "owner": os.getpid(),
        "state": str(state.resolve()) if state else None,
        "library": str(build_runtime(cache or default_cache()).resolve()),
        "chip": {
            "name": profile.board.chip,
            "core_hz": profile.board.core_hz,
            "uart": profile.link.uart,
            "baud": profile.link.baud,
        },
        "image": str(image.resolve()) if image else None,
    }
    package_root = str(Path(evbench.__path__[0]).resolve().parent)
    path = os.pathsep.join(filter(None, (package_root, os.environ.get("PYTHONPATH"))))
    errors = None if image else tempfile.TemporaryFile()  # noqa: SIM115 (it lives as long as the board)
    process = subprocess.Popen(
        [sys.executable, "-m", "evbench.boards.virtual.process", json.dumps(spec)],
        pass_fds=[theirs.fileno()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=errors,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    theirs.close()
    ours.settimeout(_START_TIMEOUT_S)
    try:
        greeting, _ = receive_message(ours)
    except (EOFError, OSError):
        process.kill()
        process.wait()
        raise _ended(process, errors) from None
    if "error" in greeting:
        process.wait()
        raise BoardError(greeting["error"], where=greeting["where"], remedy=greeting["remedy"])
    ours.settimeout(_REQUEST_TIMEOUT_S)
    return VirtualBoard(greeting["port"], process, ours, errors)


def _ended(process: subprocess.Popen[bytes], errors: IO[bytes] | None) -> BoardError:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_END_TIMEOUT_S)
    lines = []
    if errors:
        errors.seek(0)
        lines = errors.read().decode(errors="replace").strip().splitlines()
    return BoardError(
        "The virtual board's process has ended",
        where=f"Exit status {process.returncode}{': ' + lines[-1] if lines else ''}",
        remedy="Start the run again",
    )
