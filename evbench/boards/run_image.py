"""Runs firmware that is nobody's in particular on a virtual board, with its serial port at hand."""

from __future__ import annotations

import contextlib
import os
import select
import time
import tty
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from evbench.boards.virtual.probe import VirtualBoard, start_board
from evbench.errors import BoardError
from evbench.profiles import BoardProfile

_LOOK_S = 0.05
_CHUNK = 4096


@dataclass(frozen=True, slots=True)
class ImageRun:
    """How a run went. cycles, instructions and seconds are the modelled board's; faults: how many it has reported."""

    board: str
    cycles: int
    instructions: int
    seconds: float
    faults: int
    locked_up: bool

    def to_json(self) -> dict[str, Any]:
        """The run as plain values."""
        return {
            "board": self.board,
            "modelled": True,
            "cycles": self.cycles,
            "instructions": self.instructions,
            "seconds": self.seconds,
            "faults": self.faults,
            "locked_up": self.locked_up,
        }


def run_image(
    image: Path,
    profile: BoardProfile,
    seconds: float | None = None,
    streams: tuple[BinaryIO, BinaryIO] | None = None,
    on_port: Callable[[str], None] = lambda port: None,
    cache: Path | None = None,
) -> ImageRun:
    """Runs a firmware file until `seconds` of the host's time are over, the core locks up, or the user interrupts.

    image: ELF, Intel HEX or a binary for the start of flash. streams: input and output that are joined to the board's
    serial port; without them the port is for others to open, and on_port is told its name. cache: the folder for
    compiled code. Raises BoardError when the file is none or not for this board, or the profile is not virtual.
    """
    if not profile.board.virtual:
        raise BoardError(
            f"{profile.id} is a real board",
            where="--board",
            remedy="Name a virtual one, or flash the image with your own tools",
        )
    board = start_board(profile, cache=cache, image=image)
    try:
        on_port(board.port)
        _follow(board, seconds, streams)
        status = board.status()
    finally:
        board.close()
    cycles = status["cycles"]
    return ImageRun(
        profile.id,
        cycles,
        status["instructions"],
        cycles / profile.board.core_hz,
        status["faults"],
        status["locked_up"],
    )


def _follow(board: VirtualBoard, seconds: float | None, streams: tuple[BinaryIO, BinaryIO] | None) -> None:
    end = None if seconds is None else time.monotonic() + seconds
    wait = _Joint(board.port, *streams).pump if streams else time.sleep
    with contextlib.suppress(KeyboardInterrupt):
        while (end is None or time.monotonic() < end) and not board.status()["locked_up"]:
            wait(_LOOK_S if end is None else max(0.0, min(_LOOK_S, end - time.monotonic())))
        wait(0.0)


class _Joint:
    """A serial port joined to an input and an output."""

    def __init__(self, port: str, given: BinaryIO, taken: BinaryIO) -> None:
        self._port = os.open(port, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(self._port)
        self._taken = taken
        self._sources = [self._port, given.fileno()]

    def pump(self, wait_s: float) -> None:
        """Waits at most so long for bytes and moves them; an input that has ended is not looked at again."""
        ready, _, _ = select.select(self._sources, [], [], wait_s)
        for source in ready:
            data = os.read(source, _CHUNK)
            if source == self._port:
                self._taken.write(data)
                self._taken.flush()
            elif data:
                os.write(self._port, data)
            else:
                self._sources.remove(source)
