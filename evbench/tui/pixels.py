"""Real pixels in terminals that can show them (kitty's graphics protocol, sixel), with the extra `pixels`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

from evbench.events.pictures import brightest, colours, resize
from evbench.tui.inks import GROUND, OFF, ON, QUIET
from evbench.tui.tiles import Scene, Tile

if TYPE_CHECKING:
    from PIL.Image import Image
    from textual.widget import Widget

    from evbench.events.kinds import Kind

_MULTIPLEXERS = ("tmux", "screen")
_LABEL = {"": QUIET, "ON": ON, "OFF": OFF}
_FONT_SHARE = 0.7
"""Of a cell's height, what a label's letters take."""


def image_widget(environment: Mapping[str, str] = os.environ) -> type[Widget] | None:
    """The widget that shows pixels on this terminal; None where it has none or the extra is not installed.

    Asks the terminal, so it has to be called before the workbench reads its keys. Terminal multiplexers are not asked:
    they answer for themselves, and pixels do not stay in their panes.
    """
    if "TMUX" in environment or environment.get("TERM", "").startswith(_MULTIPLEXERS):
        return None
    if find_spec("textual_image") is None:
        return None
    from textual_image import renderable, widget

    if renderable.Image is renderable.SixelImage:
        return widget.SixelImage
    return widget.TGPImage if renderable.Image is renderable.TGPImage else None


def cell_pixels() -> tuple[int, int]:
    """Width and height of a cell in pixels, as the terminal said."""
    from textual_image._terminal import get_cell_size

    size = get_cell_size()
    return size.width, size.height


def page(kind: Kind, pictures: Scene, tiles: Sequence[Tile], cells: tuple[int, int], cell: tuple[int, int]) -> Image:
    """Pictures and labels as `cells`, columns and lines, of `cell` pixels hold them, in the places of the tiles.

    Pictures of polarities share a scale of brightness, and so do those of both.
    """
    from PIL import Image, ImageDraw, ImageFont

    across, down = cell
    sheet = Image.new("RGB", (cells[0] * across, cells[1] * down), GROUND)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(down * _FONT_SHARE)
    of_both = [polarity == "" for polarity in pictures.polarities]
    full = {both: brightest(kind, pictures.values[[both == other for other in of_both]]) for both in set(of_both)}
    for tile in tiles:
        left, top = tile.column * across, tile.line * down
        off, on = resize(kind, pictures.values[tile.number], tile.width * across, tile.height // 2 * down)
        # The font that Pillow brings has no dash of this width.
        label = pictures.labels[tile.number].replace("–", "-")
        draw.text((left, top), label, _LABEL[pictures.polarities[tile.number]], font)
        sheet.paste(Image.fromarray(colours(off, on, full[of_both[tile.number]])), (left, top + down))
    return sheet
