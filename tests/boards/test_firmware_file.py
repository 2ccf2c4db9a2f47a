"""Firmware files by their content: ELF, Intel HEX, plain binaries."""

from __future__ import annotations

from pathlib import Path

import pytest
from board_tools import hex_record

from evbench.boards.firmware_file import FirmwareFile, read_firmware
from evbench.errors import BoardError
from evbench.profiles import load_board

MEMORY = load_board("virtual-h743").memory
FLASH = 0x08000000


def test_a_hex_file_is_joined_where_its_records_touch(tmp_path: Path) -> None:
    path = tmp_path / "image.hex"
    records = [
        hex_record(4, 0, b"\x08\x00"),
        hex_record(0, 0x10, bytes(range(16))),
        hex_record(0, 0x00, bytes(range(16, 32))),
        hex_record(4, 0, b"\x24\x00"),
        hex_record(0, 0x8000, b"\xaa\xbb"),
        hex_record(2, 0, b"\x10\x00"),
        hex_record(0, 4, b"\xcc"),
        hex_record(5, 0, b"\x08\x00\x01\x01"),
        hex_record(1, 0, b""),
    ]
    path.write_text("\r\n".join(records) + "\r\n")
    both = bytes(range(16, 32)) + bytes(range(16))
    assert read_firmware(path, FLASH).segments == ((0x10004, b"\xcc"), (FLASH, both), (0x24008000, b"\xaa\xbb"))


@pytest.mark.parametrize(
    "record", [":0200000008F6", ":02000000080", "hello", ":zz", hex_record(0, 0, b"ab")[:-2] + "00"]
)
def test_a_damaged_hex_record_is_refused_with_its_line(tmp_path: Path, record: str) -> None:
    path = tmp_path / "image.hex"
    path.write_text(f"{hex_record(0, 0, b'abcd')}\n{record}\n")
    with pytest.raises(BoardError, match=r"image\.hex, line 2"):
        read_firmware(path, FLASH)


def test_a_binary_lies_at_the_start_of_flash(tmp_path: Path) -> None:
    path = tmp_path / "image.bin"
    path.write_bytes(b":\x00\x02\x20abcd")
    assert read_firmware(path, FLASH).segments == ((FLASH, b":\x00\x02\x20abcd"),)


def test_an_elf_file_brings_its_functions(exercise: Path) -> None:
    firmware = read_firmware(exercise, FLASH)
    address = next(start for start, _, name in firmware.functions if name == "work")
    assert firmware.name(address) == "work+0x0"
    assert firmware.name(address + 4) == "work+0x4"
    assert firmware.name(0x24000000) == ""
    assert firmware.vectors(MEMORY) == FLASH


@pytest.mark.parametrize("content", [b"", b"\x7fELF nonsense", b":00000001FF\n"])
def test_a_file_without_firmware_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "image"
    path.write_bytes(content)
    with pytest.raises(BoardError, match="image"):
        read_firmware(path, FLASH)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BoardError, match="cannot be read"):
        read_firmware(tmp_path / "none.elf", FLASH)


def test_firmware_for_memory_that_the_board_lacks_is_refused() -> None:
    with pytest.raises(BoardError, match="0x60000000 lie outside"):
        FirmwareFile(((FLASH, bytes(8)), (0x60000000, bytes(8)))).vectors(MEMORY)


def test_the_vector_table_is_where_flash_begins_to_be_used_or_else_in_ram() -> None:
    application = FirmwareFile(((0x08020000, bytes(8)), (0x24000000, bytes(8))))
    assert application.vectors(MEMORY) == 0x08020000
    assert FirmwareFile(((0x24000000, bytes(8)),)).vectors(MEMORY) == 0x24000000
