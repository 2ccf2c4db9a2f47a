"""Draws one window in any representation as pictures: time bins and polarities side by side, or merged.

They are half-blocks, and pixels at rest where the terminal has them: a playback would send it too much of those.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from rich.segment import Segment
from rich.style import Style
from textual import events, on, work
from textual.app import ComposeResult
from textual.filter import ANSIToTruecolor
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget
from textual.worker import get_current_worker

from evbench.events.kinds import Kind
from evbench.events.pictures import brightest, colours, resize
from evbench.tui.drawing import half_blocks
from evbench.tui.inks import OFF, ON, QUIET
from evbench.tui.state.windows import WindowState
from evbench.tui.tiles import VIEWS, Scene, Tile, View, arrange, scene

if TYPE_CHECKING:
    from PIL.Image import Image

_LABELS = {"": QUIET, "ON": ON, "OFF": OFF}
_EASE = 0.25


class VoxelView(Widget):
    """One window; `view` says what is drawn apart and what together. `pixels`: the widget that shows pixels, if any."""

    view: reactive[View] = reactive[View]("apart")

    class Pointed(Message):
        """The mouse points at a place of what is seen, (x, y) as shares of it, and asks to see it `nearer`: 1 or -1."""

        def __init__(self, x: float, y: float, nearer: int) -> None:
            super().__init__()
            self.x, self.y, self.nearer = x, y, nearer

    class PageDrawn(Message):
        """Pixels of a window have been drawn."""

        def __init__(self, page: Image, window: WindowState) -> None:
            super().__init__()
            self.page, self.window = page, window

    def __init__(self, view: View = "apart", *, pixels: type[Widget] | None = None, id: str | None = None) -> None:
        super().__init__(id=id)
        self._pixels = pixels
        self.set_reactive(VoxelView.view, view)
        self._window: WindowState | None = None
        self._following = False
        self._full: dict[str, float] = {}
        self._drawn: tuple[Size, View, str] | None = None
        self._lines: list[Strip] = []
        self._tiles: Sequence[Tile] = ()

    def compose(self) -> ComposeResult:
        if self._pixels is not None:
            image = self._pixels(id="pixels")
            image.display = False
            yield image

    def show(self, window: WindowState | None, *, following: bool = False) -> None:
        """Show a window; while one follows the other the brightness eases, so that none flickers."""
        self._window, self._drawn, self._following = window, None, following
        self.refresh()
        self._refine()

    def next_view(self) -> View:
        """Change to the next of the views and return it."""
        self.view = VIEWS[(VIEWS.index(self.view) + 1) % len(VIEWS)]
        return self.view

    def render_lines(self, crop: Region) -> list[Strip]:
        """The lines as they are drawn: what Textual does to the lines of every widget, to frame, fade and pad them and
        to give colours to those without, would cost more here than the drawing."""
        ground = Style(bgcolor=self.visual_style.rich_style.bgcolor)
        key = (self.size, self.view, str(ground.bgcolor))
        if self._drawn != key:
            self._drawn, self._lines = key, self._draw(ground)
        blank = Strip.blank(self.size.width, ground)
        strips = [self._lines[y] if y < len(self._lines) else blank for y in crop.line_range]
        for change in self.get_line_filters():
            if not isinstance(change, ANSIToTruecolor):
                strips = [strip.apply_filter(change, self.background_colors[1]) for strip in strips]
        return strips if crop.width == self.size.width else [strip.crop(crop.x, crop.right) for strip in strips]

    def _draw(self, ground: Style) -> list[Strip]:
        self._tiles = ()
        if self._window is None:
            return []
        look = self._window.look
        pictures = scene(self.view, look.kind, self._window.images, look.length)
        image_h, image_w = self._window.images.shape[2:]
        tiles = arrange(self.view, len(pictures.labels), (self.size.width, self.size.height), (image_h, image_w))
        if not tiles:
            return [Strip([Segment("too small to draw", ground)])]
        self._tiles = tiles
        cells: dict[int, list[tuple[int, int, list[Segment]]]] = {}
        for tile, picture in zip(tiles, self._paint(look.kind, pictures, tiles), strict=True):
            label = _shortened(pictures.labels[tile.number], tile.width)
            style = ground + Style(color=_LABELS[pictures.polarities[tile.number]])
            cells.setdefault(tile.line, []).append((tile.column, tile.width, [Segment(label, style)]))
            for line, segments in enumerate(half_blocks(picture), tile.line + 1):
                cells.setdefault(line, []).append((tile.column, tile.width, segments))
        return [self._line(cells.get(line, []), ground) for line in range(max(cells) + 1)]

    def _paint(self, kind: Kind, pictures: Scene, tiles: Sequence[Tile]) -> list[NDArray[np.uint8]]:
        """RGB [height, width, 3] of every tile. Those of one polarity share a scale of brightness, and so do others."""
        small = [resize(kind, pictures.values[tile.number], tile.width, tile.height) for tile in tiles]
        for group in ({"ON", "OFF"}, {""}):
            mine = [
                image for tile, image in zip(tiles, small, strict=True) if pictures.polarities[tile.number] in group
            ]
            if mine:
                full = brightest(kind, np.stack(mine))
                for polarity in group:
                    before = self._full.get(polarity, full) if self._following else full
                    self._full[polarity] = before + _EASE * (full - before) if self._following else full
        return [
            colours(image[0], image[1], self._full[pictures.polarities[tile.number]])
            for tile, image in zip(tiles, small, strict=True)
        ]

    def _line(self, parts: list[tuple[int, int, list[Segment]]], ground: Style) -> Strip:
        segments: list[Segment] = []
        at = 0
        for column, width, drawn in sorted(parts, key=lambda part: part[0]):
            segments += [Segment(" " * (column - at), ground), *drawn]
            at = column + width
        return Strip([*segments, Segment(" " * (self.size.width - at), ground)], self.size.width)

    # --- pixels -------------------------------------------------------------------------------------------------------

    def watch_view(self) -> None:
        self._refine()

    def on_resize(self) -> None:
        self._refine()

    def _refine(self) -> None:
        """Have pixels drawn of a window at rest; until then, and while playing, half-blocks are to be seen."""
        if self._pixels is None or not self.is_mounted:
            return
        self.query_one("#pixels").display = False
        if self._window is not None and not self._following and self.size.area:
            self.draw_page(self._window, self.view, (self.size.width, self.size.height))

    @work(thread=True, exclusive=True, group="page", description="draw pixels")
    def draw_page(self, window: WindowState, view: View, cells: tuple[int, int]) -> None:
        from evbench.tui.pixels import cell_pixels, page

        pictures = scene(view, window.look.kind, window.images, window.look.length)
        image_h, image_w = window.images.shape[2:]
        tiles = arrange(view, len(pictures.labels), cells, (image_h, image_w))
        drawn = page(window.look.kind, pictures, tiles, cells, cell_pixels())
        if not get_current_worker().is_cancelled:
            self.post_message(self.PageDrawn(drawn, window))

    @on(PageDrawn)
    def _show_page(self, message: PageDrawn) -> None:
        if message.window is self._window and not self._following:
            image: Any = self.query_one("#pixels")
            image.image = message.page
            image.display = True

    # --- the mouse ----------------------------------------------------------------------------------------------------

    def on_click(self, event: events.Click) -> None:
        self._point(event, 1)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self._point(event, 1)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self._point(event, -1)

    def _point(self, event: events.MouseEvent, nearer: int) -> None:
        for tile in self._tiles:
            if tile.holds(event.x, event.y):
                x = (event.x - tile.column + 0.5) / tile.width
                y = 2 * (event.y - tile.line - 0.5) / tile.height
                self.post_message(self.Pointed(x, y, nearer))
                event.stop()


def _shortened(label: str, width: int) -> str:
    """A label of `width` cells, without its unit where that has no room."""
    if len(label) > width:
        label = label.removesuffix(" ms")
    return label[:width].ljust(width)
