"""Exceptions of the virtual core, asked of firmware that lives by them: firmware/interrupts.c."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from pathlib import Path

import pytest
from board_tools import ANSWER_S, MemoryLine, build_image, running

from evbench.boards.faults import DEBUG_EVENT, FORCED
from evbench.boards.firmware_file import FirmwareFile, read_firmware
from evbench.boards.virtual.exceptions import (
    INSTRUCTION_ACCESS,
    INVALID_STATE,
    PRECISE_DATA_ERROR,
    STACKING_ERROR,
    UNDEFINED_INSTRUCTION,
    Fault,
)
from evbench.boards.virtual.fault_report import fault_report
from evbench.boards.virtual.interrupts import HARD_FAULT, USAGE_FAULT
from evbench.boards.virtual.machine import Machine
from evbench.boards.virtual.rules import RULES

FIRMWARE = Path(__file__).parents[1] / "firmware" / "interrupts.c"


@pytest.fixture(scope="session", params=["zig", "gcc"])
def image(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    elf = tmp_path_factory.mktemp("interrupts") / f"{request.param}.elf"
    return build_image(FIRMWARE, elf, toolchain=request.param)


@pytest.fixture
def faults() -> queue.Queue[Fault]:
    """The faults that the machine reports."""
    return queue.Queue()


@pytest.fixture
def board(image: Path, library: Path, faults: queue.Queue[Fault]) -> Iterator[tuple[Machine, MemoryLine]]:
    with running(image, library, on_fault=faults.put) as (machine, line):
        assert line.read_line() == "ready"
        yield machine, line


@pytest.fixture
def line(board: tuple[Machine, MemoryLine]) -> MemoryLine:
    return board[1]


def ask(line: MemoryLine, command: str) -> str:
    line.write(command.encode())
    return line.read_line()


def test_a_uart_echoes_by_receive_and_transmit_interrupts(line: MemoryLine) -> None:
    assert ask(line, "ehello\n") == "hello"


def test_bytes_that_arrive_at_once_are_received_at_the_speed_of_the_line(line: MemoryLine) -> None:
    text = "abcdefghijklmnopqrstuvwxyz" * 20  # more than the firmware's buffer of 256 bytes
    assert ask(line, f"e{text}\n") == text


def test_the_system_tick_wakes_a_sleeping_core_once_per_period(line: MemoryLine) -> None:
    before = int(ask(line, "t"))
    assert 10 <= int(ask(line, "w")) <= 12
    assert int(ask(line, "t")) >= before + 10


def test_a_timer_asks_for_its_update_interrupt(line: MemoryLine) -> None:
    assert ask(line, "m") == "3"


def test_a_timer_counts(line: MemoryLine) -> None:
    assert ask(line, "c") == "counts"


def test_a_more_urgent_interrupt_interrupts_a_handler(line: MemoryLine) -> None:
    assert ask(line, "n") == "lHL"


def test_basepri_holds_back_what_is_less_urgent(line: MemoryLine) -> None:
    assert ask(line, "b") == "H-lHL"


def test_primask_holds_back_every_interrupt_until_it_is_cleared(line: MemoryLine) -> None:
    assert ask(line, "p") == "-H"


def test_entering_leaving_and_going_from_handler_to_handler_take_their_cycles(
    board: tuple[Machine, MemoryLine], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine, line = board
    spent: list[int] = []
    monkeypatch.setattr(machine._exceptions, "_spend", spent.append)
    assert ask(line, "k") == "lLH"
    assert set(spent) == {RULES["exception-entry"].cycles, RULES["tail-chain"].cycles}


def test_a_supervisor_call_reads_and_writes_its_callers_registers(line: MemoryLine) -> None:
    assert ask(line, "s") == "42"


def test_two_threads_switched_by_pendsv_keep_their_floating_point_registers(line: MemoryLine) -> None:
    assert ask(line, "x") == "200 50"
    assert ask(line, "s") == "42"


def test_a_usage_fault_with_a_handler_of_its_own_can_be_mended(line: MemoryLine, faults: queue.Queue[Fault]) -> None:
    assert ask(line, "u") == "U"
    assert faults.get(timeout=ANSWER_S).exception == USAGE_FAULT
    assert faults.empty()


def fault_of(line: MemoryLine, faults: queue.Queue[Fault], command: str) -> Fault:
    """The fault that a command causes."""
    line.write(command.encode())
    return faults.get(timeout=ANSWER_S)


@pytest.mark.parametrize(
    ("command", "cfsr", "hfsr"),
    [
        ("1", PRECISE_DATA_ERROR, FORCED),
        ("2", UNDEFINED_INSTRUCTION, FORCED),
        ("3", INVALID_STATE, FORCED),
        ("4", INSTRUCTION_ACCESS, FORCED),
        ("5", PRECISE_DATA_ERROR, FORCED),
        ("6", 0, DEBUG_EVENT),
    ],
)
def test_a_fault_without_a_handler_becomes_a_hard_fault_that_names_its_cause(
    board: tuple[Machine, MemoryLine], faults: queue.Queue[Fault], command: str, cfsr: int, hfsr: int
) -> None:
    fault = fault_of(board[1], faults, command)
    assert (fault.exception, fault.cfsr, fault.hfsr) == (HARD_FAULT, cfsr, hfsr)


def test_a_stack_outside_memory_is_noted_when_the_handler_is_entered(
    board: tuple[Machine, MemoryLine], faults: queue.Queue[Fault]
) -> None:
    machine, line = board
    fault_of(line, faults, "5")
    status = machine.call(lambda: machine.peripherals.read(0xE000ED28))
    assert status & STACKING_ERROR


def test_a_fault_whose_handler_cannot_be_found_locks_the_core_up(
    board: tuple[Machine, MemoryLine], faults: queue.Queue[Fault]
) -> None:
    machine, line = board
    fault_of(line, faults, "7")
    assert machine.call(lambda: machine.locked_up)


def test_a_fault_report_names_the_cause_the_address_and_the_way_there(
    board: tuple[Machine, MemoryLine], faults: queue.Queue[Fault], image: Path
) -> None:
    machine, line = board
    fault = fault_of(line, faults, "1")
    names = read_firmware(image, 0x08000000)
    report = machine.call(lambda: fault_report(fault, names, machine.read_memory))
    assert report.startswith("HardFault: access to an address without memory, address 0xa0000000")
    places = [text.split()[-1].split("+")[0] for text in report.splitlines() if text.startswith(("  at", "  called"))]
    assert places[:3] == ["read_nowhere", "middle", "outer"]
    assert "main" in places


def test_a_report_on_firmware_without_symbols_gives_addresses(faults: queue.Queue[Fault]) -> None:
    registers = {"sp": 0x20000000, "lr": 0x08000105, "pc": 0x08000100}
    fault = Fault(3, PRECISE_DATA_ERROR, FORCED, 0, 0x50, registers)
    report = fault_report(fault, FirmwareFile(()), lambda address, length: b"\x00\xf0\x00\xf8"[:length])
    assert "  at 0x08000100" in report.splitlines()
    assert "  called from 0x08000104" in report.splitlines()


def test_an_idle_core_that_waits_for_interrupts_uses_no_processor(board: tuple[Machine, MemoryLine]) -> None:
    machine, line = board
    assert ask(line, "s") == "42"
    before = machine.counters().instructions
    assert ask(line, "s") == "42"
    assert machine.counters().instructions - before < 500_000
