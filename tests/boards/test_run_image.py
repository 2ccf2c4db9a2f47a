"""Firmware of any making on virtual boards: what starts, where its serial port leads, what is said about it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from board_tools import build_image, hex_record, running

from evbench.boards.firmware_file import read_firmware
from evbench.boards.run_image import ImageRun, run_image
from evbench.boards.virtual.stm32h7 import serial_port
from evbench.errors import BoardError
from evbench.profiles import load_board

ROOT = Path(__file__).resolve().parents[2]
FIRMWARE = Path(__file__).parent / "firmware"
FLASH = 0x08000000
DEVICES = {"virtual-h743": 0x450, "virtual-h753": 0x450, "virtual-h747": 0x450, "virtual-h7a3": 0x480}


@pytest.fixture(scope="session")
def interrupts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_image(FIRMWARE / "interrupts.c", tmp_path_factory.mktemp("run") / "interrupts.elf")


@pytest.mark.parametrize("board", ["virtual-h743", "virtual-h753", "virtual-h7a3", "virtual-h747"])
def test_start_up_code_finds_every_flag_it_waits_for(board: str, library: Path, tmp_path: Path) -> None:
    port = serial_port(load_board(board).link.uart)
    identity, size = (0x08FFF800, 0x08FFF80C) if board == "virtual-h7a3" else (0x1FF1E800, 0x1FF1E880)
    flags = (f"-DUART={port.base}", f"-DIDENTITY={identity}", f"-DFLASH_SIZE={size}")
    elf = build_image(FIRMWARE / "startup.c", tmp_path / "startup.elf", *flags)
    unknown: list[str] = []
    faults: list[object] = []
    with running(elf, library, board, log=unknown.append, on_fault=faults.append) as (_, line):
        assert line.read_line() == "clocks are up"
        assert line.read_line() == f"2048 KiB, device {DEVICES[board]:x}"
    assert faults == []
    assert unknown == [
        "SPI1+0x8 is not modelled: it keeps what is written to it",
        "0x48022800 is not modelled: it keeps what is written to it",
    ]


def run_command(*arguments: object, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "evbench.cli", "boards", "run-image", *map(str, arguments)]
    return subprocess.run(command, input=given, capture_output=True, cwd=ROOT, timeout=60, check=False)


def test_the_command_joins_the_serial_port_to_its_own_input_and_output(interrupts: Path) -> None:
    done = run_command(interrupts, "--uart", "stdio", "--seconds", 1.5, given=b"ehello\ns")
    assert done.stdout == b"ready\nhello\n42\n"
    assert b"modelled cycles" in done.stderr
    assert done.returncode == 0


def test_the_command_prints_the_fault_and_says_so_by_its_exit_code(interrupts: Path) -> None:
    done = run_command(interrupts, "--uart", "stdio", "--seconds", 1.5, given=b"1")
    assert done.returncode == 1
    assert b"HardFault: access to an address without memory, address 0xa0000000" in done.stderr
    assert b"called from 0x" in done.stderr
    assert b" middle+0x" in done.stderr


def test_the_command_ends_when_the_core_locks_up(interrupts: Path) -> None:
    done = run_command(interrupts, "--uart", "stdio", "--seconds", 30, given=b"7")
    assert done.returncode == BoardError.exit_code
    assert b"locked up" in done.stderr


def test_a_program_can_open_the_port_that_is_announced(interrupts: Path, native_cache: Path) -> None:
    heard: list[bytes] = []

    def talk(port: str) -> None:
        handle = os.open(port, os.O_RDWR | os.O_NOCTTY)
        os.write(handle, b"s")
        text = b""
        while b"42\n" not in text:
            text += os.read(handle, 100)
        os.close(handle)
        heard.append(text)

    run = run_image(interrupts, load_board("virtual-h743"), 0.1, on_port=talk, cache=native_cache)
    assert heard == [b"ready\n42\n"]
    assert isinstance(run, ImageRun)
    assert run.to_json()["modelled"]
    assert run.seconds == pytest.approx(run.cycles / 480e6)
    assert (run.faults, run.locked_up) == (0, False)


def test_a_hex_file_and_a_binary_run_as_the_elf_file_does(interrupts: Path, tmp_path: Path, library: Path) -> None:
    segments = read_firmware(interrupts, FLASH).segments
    flat = bytearray(max(address + len(data) for address, data in segments) - FLASH)
    for address, data in segments:
        flat[address - FLASH : address - FLASH + len(data)] = data
    (tmp_path / "image.bin").write_bytes(flat)
    records = [hex_record(4, 0, (FLASH >> 16).to_bytes(2))]
    records += [hex_record(0, offset, flat[offset : offset + 16]) for offset in range(0, len(flat), 16)]
    (tmp_path / "image.hex").write_text("\n".join([*records, hex_record(1, 0, b"")]))
    for name in ("image.bin", "image.hex"):
        with running(tmp_path / name, library) as (_, line):
            assert line.read_line() == "ready"


def test_a_real_board_is_refused(interrupts: Path) -> None:
    with pytest.raises(BoardError, match="real board"):
        run_image(interrupts, load_board("nucleo-h743zi2"), 0.1)


def test_firmware_that_is_not_for_the_board_is_refused(tmp_path: Path, native_cache: Path) -> None:
    image = tmp_path / "image.hex"
    image.write_text(":020000046000 9A\n:0400000000000000FC\n".replace(" ", ""))
    with pytest.raises(BoardError, match="not for this board"):
        run_image(image, load_board("virtual-h743"), 0.1, cache=native_cache)


def test_a_file_without_a_vector_table_is_refused(native_cache: Path) -> None:
    with pytest.raises(BoardError, match=r"cannot start.*vector table at 0x08000000"):
        run_image(ROOT / "README.md", load_board("virtual-h743"), 0.1, cache=native_cache)


def test_a_serial_port_that_no_chip_has_is_refused(interrupts: Path, native_cache: Path) -> None:
    profile = load_board("virtual-h743")
    wrong = profile.model_copy(update={"link": profile.link.model_copy(update={"uart": "USART99"})})
    with pytest.raises(BoardError, match=r"USART99.*USART1, USART2"):
        run_image(interrupts, wrong, 0.1, cache=native_cache)
