"""The terminal as a screen for moving pictures: takes it over, gives it back as it was, reads keys, writes lines."""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import tty
from collections.abc import Sequence
from types import FrameType, TracebackType
from typing import Any, Self

from evbench.errors import EvbenchError

_ENTER = b"\x1b[?1049h\x1b[?25l\x1b[2J"
_LEAVE = b"\x1b[0m\x1b[?25h\x1b[?1049l"
_HOLD, _SHOW = b"\x1b[?2026h", b"\x1b[?2026l"
"""Terminals that know these show all that lies between at once; others ignore them."""

_ARROWS = {b"A": "up", b"B": "down", b"C": "right", b"D": "left"}


class Terminal:
    """The terminal on standard input and output, within a `with` block: alternate screen, no cursor, keys unbuffered.

    It is given back on every way out of the block: an exception, Ctrl-C, SIGTERM and SIGHUP too.
    """

    def __init__(self) -> None:
        """Raises EvbenchError when there is no terminal."""
        for stream, name in ((sys.stdin, "input"), (sys.stdout, "output")):
            if not stream.isatty():
                raise EvbenchError(
                    "Playing needs a terminal",
                    where=f"Standard {name} is none",
                    remedy="Run it in one; `evbench voxel FILE --png OUT.png` writes a picture without",
                )
        if os.environ.get("TERM", "dumb") == "dumb":
            raise EvbenchError(
                "Playing needs a terminal that can move its cursor", where="TERM is dumb", remedy="Use another"
            )
        self._input, self._output = sys.stdin.fileno(), sys.stdout.fileno()
        self._lines: list[bytes] = []
        self._size = (0, 0)

    def __enter__(self) -> Self:
        self._before = termios.tcgetattr(self._input)
        self._handlers: dict[int, Any] = {
            number: signal.signal(number, _leave) for number in (signal.SIGTERM, signal.SIGHUP)
        }
        tty.setcbreak(self._input)
        # A suspended player would leave the shell on the alternate screen.
        settings = termios.tcgetattr(self._input)
        settings[6][termios.VSUSP] = b"\0"
        termios.tcsetattr(self._input, termios.TCSANOW, settings)
        self._write(_ENTER)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            self._write(_LEAVE)
        except OSError:
            # The terminal is gone, and with it what there was to give back.
            return
        finally:
            for number, handler in self._handlers.items():
                signal.signal(number, handler)
        termios.tcsetattr(self._input, termios.TCSADRAIN, self._before)

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines, now."""
        columns, lines = os.get_terminal_size(self._output)
        return max(columns, 1), max(lines, 1)

    def keys(self, wait_s: float) -> list[str]:
        """The keys pressed, at once or within `wait_s`: characters, and left, right, up, down."""
        if not select.select([self._input], [], [], max(wait_s, 0))[0]:
            return []
        typed = os.read(self._input, 256)
        if not typed:
            raise KeyboardInterrupt
        keys, place = [], 0
        while place < len(typed):
            if typed[place : place + 2] in (b"\x1b[", b"\x1bO"):
                keys.append(_ARROWS.get(typed[place + 2 : place + 3], ""))
                place += 3
            else:
                keys.append(chr(typed[place]))
                place += 1
        return [key for key in keys if key]

    def show(self, lines: Sequence[bytes]) -> None:
        """Shows these lines from the top down; only those that differ from the ones shown before are written."""
        size = self.size
        out = [_HOLD]
        if size != self._size or len(lines) != len(self._lines):
            out.append(b"\x1b[0m\x1b[2J")
            self._size, self._lines = size, [b""] * len(lines)
        for number, (line, before) in enumerate(zip(lines, self._lines, strict=True), 1):
            if line != before:
                out.append(b"\x1b[%d;1H%b\x1b[0m\x1b[K" % (number, line))
        self._lines = list(lines)
        self._write(b"".join([*out, _SHOW]))

    def _write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._output, data) :]


def _leave(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)
