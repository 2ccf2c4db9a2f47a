"""Where the pictures of a window stand on the screen: bins and polarities side by side, and all of them as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from evbench.events.kinds import Kind, image_labels
from evbench.events.representations import Images, joined
from evbench.tui.drawing import layout

View = Literal["apart", "bins", "merged"]

VIEWS: tuple[View, ...] = ("apart", "bins", "merged")
VIEW_NAMES: dict[View, str] = {"apart": "bins × polarities", "bins": "bins", "merged": "merged"}

_LEAST_TILE, _LEAST_SHARE, _MERGED = 16, 0.5, 2.5
"""The merged picture joins bins and polarities where it leaves them so many pixels and so much of the width that they
have alone, and is itself so many times wider than they are."""


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """Pictures of a window that are seen together: values float32 [pictures, 2, H, W], polarity OFF before ON, where
    the polarity that is not meant is zero; a label and a polarity for each, which is empty where both are meant."""

    values: NDArray[np.float32]
    labels: tuple[str, ...]
    polarities: tuple[str, ...]

    def without_last(self) -> Scene:
        return Scene(self.values[:-1], self.labels[:-1], self.polarities[:-1])


@dataclass(frozen=True, slots=True)
class Tile:
    """One picture's place: its number in the scene, column and line of its label in cells, and its size in pixels, two
    of which stand above each other in a cell; the picture begins on the line below the label."""

    number: int
    column: int
    line: int
    width: int
    height: int

    def holds(self, column: int, line: int) -> bool:
        """Whether a cell belongs to the picture."""
        return self.column <= column < self.column + self.width and self.line < line <= self.line + self.height // 2


def scene(view: View, kind: Kind, images: Images, duration: int) -> Scene:
    """What a view shows of a representation [2, N, H, W] of `duration` microseconds. The merged picture of "apart" is
    the last one."""
    count = images.shape[1]
    labels = image_labels(kind, duration, count)
    merged = joined(kind, images)[None]
    whole = f"{count} bins, OFF and ON" if count > 1 else f"{labels[0]}, OFF and ON"
    if view == "merged":
        return Scene(merged, (whole,), ("",))
    values = images.astype(np.float32)
    if view == "bins":
        return Scene(values.swapaxes(0, 1), tuple(labels), ("",) * count)
    apart = np.zeros((2 * count, 2, *images.shape[2:]), np.float32)
    apart[:count, 1], apart[count:, 0] = values[1], values[0]
    return Scene(
        np.concatenate([apart, merged]),
        (*(f"ON {label}" for label in labels), *(f"OFF {label}" for label in labels), whole),
        (*("ON",) * count, *("OFF",) * count, ""),
    )


@lru_cache
def arrange(view: View, pictures: int, cells: tuple[int, int], image: tuple[int, int]) -> tuple[Tile, ...]:
    """Places for the first `pictures` of a scene, all of one size; empty where not even two pixels fit.

    cells: columns and lines; image: (H, W) pixels. Polarities stand below each other. The merged picture of "apart"
    has a place of its own to the right where that leaves the others large enough.
    """
    if view != "apart":
        return tuple(_grid(pictures, 1 if view == "merged" else None, cells, image))
    count = (pictures - 1) // 2
    rows = 2 if count > 1 else None
    alone = _grid(2 * count, rows, cells, image)
    best: list[Tile] = []
    for columns in range(cells[0] - 1, cells[0] // 3, -1):
        grid = _grid(2 * count, rows, (columns, cells[1]), image, centred=False)
        if not grid or grid[0].width < max(_LEAST_TILE, _LEAST_SHARE * alone[0].width):
            break
        right = max(tile.column + tile.width for tile in grid) + 2
        merged = _grid(1, 1, (cells[0] - right, cells[1]), image, centred=False)
        if merged and merged[0].width > _MERGED * grid[0].width and (not best or merged[0].width > best[-1].width):
            place = merged[0]
            best = [*grid, Tile(2 * count, place.column + right, place.line, place.width, place.height)]
    return tuple(_centred(best, cells[0]) if best else alone)


def _grid(
    pictures: int, rows: int | None, cells: tuple[int, int], image: tuple[int, int], centred: bool = True
) -> list[Tile]:
    place = layout(pictures, rows, cells, image)
    if place is None:
        return []
    tiles = [
        Tile(
            number,
            number % place.columns * (place.width + 1),
            number // place.columns * (place.height // 2 + 1),
            place.width,
            place.height,
        )
        for number in range(pictures)
    ]
    return _centred(tiles, cells[0]) if centred else tiles


def _centred(tiles: Sequence[Tile], columns: int) -> list[Tile]:
    indent = (columns - max(tile.column + tile.width for tile in tiles)) // 2
    return [Tile(tile.number, tile.column + indent, tile.line, tile.width, tile.height) for tile in tiles]
