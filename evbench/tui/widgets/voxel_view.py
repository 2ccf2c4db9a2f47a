"""Draws one window in any representation as pictures: time bins and polarities side by side, or merged."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Size
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from evbench.events.kinds import Kind, image_labels
from evbench.events.pictures import brightest, colours, resize
from evbench.events.representations import Images, joined
from evbench.tui.drawing import Layout, View, half_blocks, layout

VIEWS: tuple[View, ...] = ("apart", "bins", "merged")
VIEW_NAMES: dict[View, str] = {"apart": "bins × polarities", "bins": "bins", "merged": "merged"}


class VoxelView(Widget):
    """One window in half-blocks; `view` says what is drawn apart and what together."""

    view: reactive[View] = reactive[View]("bins")

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._kind: Kind = "voxel"
        self._shown: Images | None = None
        self._duration = 0
        self._drawn: tuple[Size, View, str] | None = None
        self._lines: list[Strip] = []

    def show(self, kind: Kind, images: Images, duration: int) -> None:
        """Show images [2, N, H, W] of a representation of a window of `duration` microseconds."""
        self._kind, self._shown, self._duration, self._drawn = kind, images, duration, None
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
        if self._shown is None:
            return []
        images, labels = self._images(self._shown)
        apart = 2 if self.view == "apart" else 1 if self.view == "merged" else None
        place = layout(len(labels), apart, (self.size.width, self.size.height), self._shown.shape[2:])
        if place is None:
            return [Strip([Segment("too small to draw", ground)])]
        pictures = _paint(self._kind, images, place)
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

    def _images(self, shown: Images) -> tuple[NDArray[np.float32], list[str]]:
        """Values [images, 2, H, W] (the other polarity's are zero where polarities stand apart) and their labels."""
        count = shown.shape[1]
        labels = image_labels(self._kind, self._duration, count)
        if self.view == "merged":
            return joined(self._kind, shown)[None], [f"{count} bins, OFF and ON" if count > 1 else labels[0]]
        values = shown.astype(np.float32)
        if self.view == "bins":
            return values.swapaxes(0, 1), labels
        images = np.zeros((2 * count, 2, *shown.shape[2:]), np.float32)
        images[:count, 1], images[count:, 0] = values[1], values[0]
        return images, [f"ON {label}" for label in labels] + [f"OFF {label}" for label in labels]


def _paint(kind: Kind, images: NDArray[np.float32], place: Layout) -> NDArray[np.uint8]:
    """RGB [images, height, width, 3] of values [images, 2, H, W], one brightness scale for all."""
    small = resize(kind, images, place.width, place.height)
    return colours(small[:, 0], small[:, 1], brightest(kind, small))
