from __future__ import annotations

import pytest

from evbench.boards.virtual.flash_memory import SECTOR_BYTES, FlashMemory
from evbench.errors import BoardError

ORIGIN, SIZE = 0x08000000, 4 * SECTOR_BYTES


def test_new_flash_is_blank():
    assert FlashMemory(ORIGIN, SIZE).read(ORIGIN, SIZE) == b"\xff" * SIZE


def test_what_is_programmed_can_be_read():
    flash = FlashMemory(ORIGIN, SIZE)
    flash.program(ORIGIN + 64, bytes(range(32)))
    assert flash.read(ORIGIN + 64, 32) == bytes(range(32))


def test_a_word_that_is_not_blank_cannot_be_programmed_again():
    flash = FlashMemory(ORIGIN, SIZE)
    flash.program(ORIGIN, bytes(32))
    with pytest.raises(ValueError, match="not blank"):
        flash.program(ORIGIN, bytes(32))


@pytest.mark.parametrize(("address", "length"), [(ORIGIN + 4, 32), (ORIGIN, 31)])
def test_flash_is_programmed_in_whole_aligned_words(address, length):
    with pytest.raises(ValueError, match="words of 32 bytes"):
        FlashMemory(ORIGIN, SIZE).program(address, bytes(length))


def test_erasing_takes_every_sector_that_is_touched_and_no_other():
    flash = FlashMemory(ORIGIN, SIZE)
    for sector in range(4):
        flash.program(ORIGIN + sector * SECTOR_BYTES, bytes(32))
    assert flash.erase(ORIGIN + SECTOR_BYTES + 7, SECTOR_BYTES) == 2
    blank = [flash.read(ORIGIN + sector * SECTOR_BYTES, 32) == b"\xff" * 32 for sector in range(4)]
    assert blank == [False, True, True, False]


def test_contents_outlive_the_board(tmp_path):
    with FlashMemory(ORIGIN, SIZE, tmp_path / "board" / "flash.bin") as flash:
        flash.program(ORIGIN, bytes(range(32)))
    with FlashMemory(ORIGIN, SIZE, tmp_path / "board" / "flash.bin") as flash:
        assert flash.read(ORIGIN, 32) == bytes(range(32))


def test_two_boards_cannot_share_one_flash(tmp_path):
    with (
        FlashMemory(ORIGIN, SIZE, tmp_path / "flash.bin"),
        pytest.raises(BoardError, match="running already"),
    ):
        FlashMemory(ORIGIN, SIZE, tmp_path / "flash.bin")


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(BoardError, match="cannot be kept"):
        FlashMemory(ORIGIN, SIZE, tmp_path / "file" / "flash.bin")
