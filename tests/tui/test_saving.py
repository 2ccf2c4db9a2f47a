from __future__ import annotations

import errno
import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from tui_helpers import opened, press, until

from evbench.tui.app import Workbench
from evbench.tui.picture import draw_screen
from evbench.workspace import Workspace

AMBER, BLUE, GREY = (255, 176, 0), (100, 143, 255), (9, 9, 9)


def drawn(text: str, style: str) -> NDArray[np.uint8]:
    """Pixels [24, 12 a cell, 3] of one line."""
    line = Strip([Segment(text, Style.parse(style))])
    return np.asarray(Image.open(io.BytesIO(draw_screen([line], (255, 255, 255), GREY))).convert("RGB"))


def amber(pixels: NDArray[np.uint8]) -> int:
    return int((pixels == AMBER).all(-1).sum())


async def test_a_key_saves_the_screen_and_says_where(
    workspace: Workspace, data: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    app = Workbench(workspace, data)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await press(pilot, "ctrl+s", "ctrl+s")
        await until(pilot, lambda: (tmp_path / "evbench-data-2.svg").exists())
        assert any(str(tmp_path / "evbench-data.png") in note.message for note in app._notifications)
    for stem in ("evbench-data", "evbench-data-2"):
        with Image.open(tmp_path / f"{stem}.png") as picture:
            assert picture.size == (80 * 12, 24 * 24)
        svg = (tmp_path / f"{stem}.svg").read_text()
        assert "circle.dat" in svg
        assert "recordings" in svg


async def test_a_full_disk_is_said_when_a_picture_is_saved(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device", str(self))

    app = Workbench(workspace)
    async with app.run_test() as pilot:
        await opened(pilot)
        monkeypatch.setattr(Path, "write_bytes", full)
        await press(pilot, "ctrl+s")
        await until(pilot, lambda: any("disk is full" in note.message for note in app._notifications))


async def test_a_key_copies_the_text_of_the_pane_without_its_frames(workspace: Workspace, data: Path) -> None:
    app = Workbench(workspace, data)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        await press(pilot, "ctrl+y")
        assert "circle.dat" in app.clipboard
        assert "events per second" in app.clipboard
        assert not set("│─╭╮╰╯") & set(app.clipboard)
        assert "1 Data" not in app.clipboard


def test_half_blocks_are_drawn_as_two_exact_pixels() -> None:
    picture = drawn("▀▄", "#ffb000 on #648fff")
    expected = np.empty_like(picture)
    expected[:12, :12] = expected[12:, 12:] = AMBER
    expected[12:, :12] = expected[:12, 12:] = BLUE
    assert (picture == expected).all()


@pytest.mark.parametrize(
    ("bar", "share"), [("▁", 1 / 8), ("▄", 1 / 2), ("█", 1), ("▌", 1 / 2), ("▚", 1 / 2), ("▐", 1 / 2)]
)
def test_blocks_fill_their_share_of_a_cell(bar: str, share: float) -> None:
    assert amber(drawn(bar, "#ffb000")) == 12 * 24 * share


def test_each_dot_of_a_braille_pattern_is_drawn() -> None:
    assert [amber(drawn(chr(0x2800 + bits), "#ffb000")) for bits in (1, 3, 255)] == [9, 18, 72]


def test_letters_take_the_colours_of_their_cell_and_reversed_ones_swap_them() -> None:
    plain, swapped = drawn("M", "#ffb000"), drawn("M", "#ffb000 reverse")
    assert tuple(plain[0, 0]) == GREY
    assert tuple(swapped[0, 0]) == AMBER
    assert 0 < amber(plain) < amber(swapped)


@pytest.mark.parametrize("character", list("·▶✗×⚠↓→↑━±✓□■␣↺←…‖µ│─╭╮╰╯▸"))
def test_what_the_workbench_writes_is_in_the_typeface(character: str) -> None:
    assert (drawn(character, "#ffb000") != drawn(chr(0xFFFFF), "#ffb000")).any()
