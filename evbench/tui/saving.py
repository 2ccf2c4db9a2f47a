"""What is on the screen, taken away: as text, as SVG and as PNG."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from textual.strip import Strip

from evbench.workspace import explained

if TYPE_CHECKING:
    from textual.geometry import Region
    from textual.screen import Screen


def screen_lines(screen: Screen[object]) -> list[Strip]:
    """What is drawn now, from the top line down."""
    return screen._compositor.render_strips()


def text_within(lines: Sequence[Strip], region: Region) -> str:
    """The text of a part of the screen without frames and trailing blanks."""
    texts = [line.crop(region.x, region.right).text for line in lines[region.y : region.bottom]]
    plain = "\n".join(text.translate(_FRAMES).rstrip() for text in texts)
    return plain.strip("\n")


_FRAMES = dict.fromkeys(map(ord, "│─╭╮╰╯┌┐└┘"), " ")


def to_svg(lines: Sequence[Strip], title: str) -> str:
    """Lines of a screen as an SVG."""
    from rich.console import Console
    from textual.strip import StripRenderable

    console = Console(
        width=max((line.cell_length for line in lines), default=1),
        height=len(lines),
        file=StringIO(),
        force_terminal=True,
        color_system="truecolor",
        record=True,
        legacy_windows=False,
    )
    console.print(StripRenderable(list(lines)))
    return console.export_svg(title=title, unique_id="evbench")


def save_screen(lines: Sequence[Strip], name: str, folder: Path) -> tuple[Path, Path]:
    """Write lines of a screen as `<name>.png` and `.svg`, numbered where there are such files; return their paths.

    Raises WorkspaceError where the folder cannot be written or the disk is full.
    """
    from evbench.tui import inks
    from evbench.tui.picture import draw_screen

    stem, number = name, 1
    while any((folder / f"{stem}{suffix}").exists() for suffix in (".png", ".svg")):
        number += 1
        stem = f"{name}-{number}"
    png, svg = folder / f"{stem}.png", folder / f"{stem}.svg"
    picture = draw_screen(lines, _rgb(inks.TEXT), _rgb(inks.GROUND))
    with explained(folder):
        png.write_bytes(picture)
        svg.write_text(to_svg(lines, name))
    return png, svg


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
