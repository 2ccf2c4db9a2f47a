"""Draws the counts of one window as pictures: time bins and polarities side by side, or merged."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Size
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from evbench.tui.drawing import GROUND, Layout, View, colours, half_blocks, layout, resize

VIEWS: tuple[View, ...] = ("apart", "bins", "merged")
VIEW_NAMES: dict[View, str] = {"apart": "bins × polarities", "bins": "bins", "merged": "merged"}


class VoxelView(Widget):
    """The voxel grid of one window in half-blocks; `view` says what is drawn apart and what together."""

    view: reactive[View] = reactive[View]("bins")

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._grid: NDArray[np.uint8] | None = None
        self._duration = 0
        self._drawn: tuple[Size, View, str] | None = None
        self._lines: list[Strip] = []

    def show(self, grid: NDArray[np.uint8] | None, duration: int) -> None:
        """Show counts [2, B, H, W] of a window of `duration` microseconds, or nothing."""
        self._grid, self._duration, self._drawn = grid, duration, None
        self.refresh()

    def next_view(self) -> View:
        """Change to the next of the views and return it."""
        self.view = VIEWS[(VIEWS.index(self.view) + 1) % len(VIEWS)]
        return self.view

    def render_line(self, y: int) -> Strip:
        ground = Style(bgcolor=self.visual_style.rich_style.bgcolor)
        key = (self.size, self.view, str(ground.bgcolor))
        if self._drawn != key:
            self._drawn, self._lines = key, self._draw(ground)
        return self._lines[y] if y < len(self._lines) else Strip.blank(self.size.width, ground)

    def _draw(self, ground: Style) -> list[Strip]:
        if self._grid is None:
            return []
        images, labels = self._images(self._grid)
        apart = 2 if self.view == "apart" else 1 if self.view == "merged" else None
        place = layout(len(labels), apart, (self.size.width, self.size.height), self._grid.shape[2:])
        if place is None:
            return [Strip([Segment("too small to draw", ground)])]
        pictures = _paint(images, place)
        lines: list[Strip] = []
        label_style = ground + Style(color="#8a93a6")
        for row in range(place.rows):
            tiles = range(row * place.columns, min((row + 1) * place.columns, len(labels)))
            titles = " ".join(labels[tile][: place.width].ljust(place.width) for tile in tiles)
            lines.append(Strip([Segment(titles, label_style)]))
            blocks = [half_blocks(pictures[tile]) for tile in tiles]
            for line in range(place.height // 2):
                segments: list[Segment] = []
                for block in blocks:
                    segments += [*block[line], Segment(" ", ground)]
                lines.append(Strip(segments[:-1]))
        indent = (self.size.width - (place.columns * (place.width + 1) - 1)) // 2
        pad = [Segment(" " * indent, ground)] if self.view == "merged" and indent > 0 else []
        return [Strip([*pad, *strip]).adjust_cell_length(self.size.width, ground) for strip in lines]

    def _images(self, grid: NDArray[np.uint8]) -> tuple[NDArray[np.float32], list[str]]:
        """Counts [images, 2, H, W] (the other polarity's are zero where polarities stand apart) and their labels."""
        counts = grid.astype(np.float32)
        bins = grid.shape[1]
        if self.view == "merged":
            return counts.sum(axis=1)[None], [f"{bins} bins, OFF and ON"]
        edges = [f"{self._duration * edge / bins / 1000:.4g}" for edge in range(bins + 1)]
        spans = [f"{begin}–{end} ms" for begin, end in pairwise(edges)]
        if self.view == "bins":
            return counts.swapaxes(0, 1), spans
        images = np.zeros((2 * bins, 2, *grid.shape[2:]), np.float32)
        images[:bins, 1], images[bins:, 0] = counts[1], counts[0]
        return images, [f"ON {span}" for span in spans] + [f"OFF {span}" for span in spans]


def _paint(images: NDArray[np.float32], place: Layout) -> NDArray[np.uint8]:
    """RGB [images, height, width, 3] of counts [images, 2, H, W], one brightness scale for all."""
    small = resize(images, place.width, place.height)
    occupied = small[small > 0]
    full = float(np.quantile(occupied, 0.99)) if occupied.size else 1.0
    rgb = colours(small[:, 0], small[:, 1], max(full, 3.0))
    rgb[small.sum(axis=1) == 0] = GROUND.astype(np.uint8)
    return rgb
