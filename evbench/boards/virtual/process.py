"""The virtual board as a process: a pseudo-terminal for its serial port, a socket for its debug probe.

`python -m evbench.boards.virtual.process` is started by `probe.start_board`. It lives as long as the process that
started it: when the other end of the socket closes, for whatever reason, the board ends.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import select
import socket
import sys
import threading
import time
import tty
from pathlib import Path
from typing import Any

from evbench.boards.firmware_file import read_firmware
from evbench.boards.virtual.exceptions import Fault
from evbench.boards.virtual.fault_report import fault_report
from evbench.boards.virtual.flash_memory import FlashMemory
from evbench.boards.virtual.machine import Machine
from evbench.boards.virtual.messages import receive_message, send_message
from evbench.boards.virtual.parts import FLASH_REGIONS, Chip, Counted, MemoryRegion
from evbench.errors import BoardError, EvbenchError

_OWNER_CHECK_S = 0.5
_WRITE_PATIENCE_S = 1.0
_READ_BYTES = 4096


class TerminalLine:
    """The board's end of its serial line: the master of a pseudo-terminal whose slave the host opens."""

    def __init__(self) -> None:
        self._master, self._slave = os.openpty()
        tty.setraw(self._master)
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)
        self.port = os.ttyname(self._slave)

    def send(self, data: bytes) -> None:
        """Sends bytes; like a UART it does not care whether anybody listens, and drops what nobody reads in time."""
        view = memoryview(data)
        while view:
            if not select.select([], [self._master], [], _WRITE_PATIENCE_S)[1]:
                return
            view = view[os.write(self._master, view) :]

    def receive(self, wait_s: float) -> bytes:
        """Waits without using the processor; returns no bytes when the time is over, and when woken."""
        ready, _, _ = select.select([self._master, self._wake_read], [], [], wait_s)
        if self._wake_read in ready:
            os.read(self._wake_read, _READ_BYTES)
        return os.read(self._master, _READ_BYTES) if self._master in ready else b""

    def wake(self) -> None:
        """Ends the wait of another thread."""
        with contextlib.suppress(BlockingIOError):  # so many wakes are pending that one more says nothing
            os.write(self._wake_write, b"\0")


class Probe:
    """Serves the debug probe's requests: each names a method below and its arguments."""

    def __init__(self, machine: Machine, flash: dict[str, FlashMemory], faults: list[str]) -> None:
        self._machine = machine
        self._flash = flash
        self._faults = faults

    def answer(self, header: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], bytes]:
        """The reply to one request; a request that cannot be met is answered with a sentence under "error"."""
        arguments = {key: value for key, value in header.items() if key != "do"}
        try:
            result = getattr(self, f"do_{header['do']}")(payload=payload, **arguments)
        except Exception as error:
            return {"error": str(error) or type(error).__name__}, b""
        return ({}, result) if isinstance(result, bytes) else (result or {}, b"")

    def _region(self, address: int, length: int) -> FlashMemory:
        for region in self._flash.values():
            if region.contains(address, length):
                return region
        raise ValueError(f"0x{address:08x} to 0x{address + length:08x} is not flash of this board")

    def do_status(self, payload: bytes) -> dict[str, Any]:
        """Answered without halting the core, also while it computes."""
        state: dict[str, Any] = {"blank": self._machine.blank, "idle": self._machine.idle}
        state |= {"locked_up": self._machine.locked_up, "faults": len(self._faults)}
        return state | dataclasses.asdict(self._machine.counters())

    def do_erase(self, payload: bytes, address: int, length: int) -> dict[str, Any]:
        region = self._region(address, length)

        def erase() -> int:
            self._machine.hold()
            sectors = region.erase(address, length)
            self._machine.flash_changed()
            return sectors

        return {"sectors": self._machine.call(erase)}

    def do_program(self, payload: bytes, address: int) -> None:
        region = self._region(address, len(payload))

        def program() -> None:
            region.program(address, payload)
            self._machine.flash_changed()

        self._machine.call(program)

    def do_read(self, payload: bytes, address: int, length: int) -> bytes:
        return self._machine.call(lambda: self._machine.read_memory(address, length))

    def do_reset(self, payload: bytes) -> None:
        self._machine.call(self._machine.reset)

    def do_count(self, payload: bytes, what: str) -> None:
        self._machine.call(lambda: self._machine.set_counted(Counted(what)))

    def do_watch_layer(self, payload: bytes, start: int, layer_end: int, layer: int) -> None:
        self._machine.call(lambda: self._machine.watch_layer(start, layer_end, layer))

    def do_watched(self, payload: bytes) -> dict[str, Any]:
        return {"pairs": self._machine.call(self._machine.watched)}

    def do_data_cache(self, payload: bytes, on: bool, layer_end: int | None) -> None:
        self._machine.call(lambda: self._machine.set_data_cache(on, layer_end))

    def do_capture(self, payload: bytes, address: int, outputs: list[tuple[int, int]]) -> None:
        self._machine.call(lambda: self._machine.capture.start(address, outputs))

    def do_captured(self, payload: bytes) -> bytes:
        return self._machine.call(self._machine.capture.take)


def _serve(channel: socket.socket, probe: Probe) -> None:
    try:
        while True:
            send_message(channel, *probe.answer(*receive_message(channel)))
    except (EOFError, OSError):
        os._exit(0)  # the owner is gone; flash contents are in a shared mapping and need no farewell


def _leave_with(owner: int) -> None:
    """Ends the board when its owner has died but a process that the owner forked still holds the socket open."""
    while os.getppid() == owner:
        time.sleep(_OWNER_CHECK_S)
    os._exit(0)


def _made_machine(spec: dict[str, Any], line: TerminalLine) -> tuple[Machine, dict[str, FlashMemory], list[str]]:
    """The machine that `main` was asked for, with its image loaded; the list gathers its faults as text."""
    memory = {name: MemoryRegion(*region) for name, region in spec["memory"].items()}
    state = Path(spec["state"]) if spec["state"] else None
    flash = {
        name: FlashMemory(region.origin, region.size, state / f"{name}.bin" if state else None)
        for name, region in memory.items()
        if name in FLASH_REGIONS
    }
    image = read_firmware(Path(spec["image"]), memory["flash"].origin) if spec["image"] else None
    faults: list[str] = []

    def on_fault(fault: Fault) -> None:
        if image:
            faults.append(fault_report(fault, image, machine.read_memory))
            print(faults[-1], file=sys.stderr, flush=True)

    def log(text: str) -> None:
        if image:
            print(text, file=sys.stderr, flush=True)

    machine = Machine(memory, line, flash, Path(spec["library"]), Chip(**spec["chip"]), log, on_fault)
    if image:
        machine.vectors = image.vectors(memory)
        for address, data in image.segments:
            machine.write_memory(address, data)
        machine.reset()
        if machine.blank:
            raise BoardError(
                "The firmware cannot start: stack and entry point lie outside memory",
                where=f"{spec['image']}, vector table at 0x{machine.vectors:08x}",
                remedy="Give firmware for this board; a binary must begin with its vector table",
            )
    return machine, flash, faults


def main(arguments: list[str]) -> None:
    """Runs a board.

    Argument: JSON with `memory` (name: [origin, size, wait states]), `chip` (as in parts.py), `channel` (an inherited
    socket's number), `owner` (the process to end with), `state` (a folder for the flash, or null), `library` (the
    runtime), `image` (a firmware file to run at once, whose faults and unknown registers are reported, or null).
    """
    spec = json.loads(arguments[0])
    channel = socket.socket(fileno=spec["channel"])
    try:
        line = TerminalLine()
        machine, flash, faults = _made_machine(spec, line)
    except EvbenchError as error:
        send_message(channel, {"error": error.what, "where": error.where, "remedy": error.remedy})
        return
    send_message(channel, {"port": line.port})
    threading.Thread(target=_leave_with, args=(spec["owner"],), daemon=True).start()
    threading.Thread(target=_serve, args=(channel, Probe(machine, flash, faults)), daemon=True).start()
    try:
        machine.run()
    finally:
        sys.stderr.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
