"""Turns event counts into true-colour half-blocks: two pixels, one above the other, in every character cell."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from rich.color import Color
from rich.segment import Segment, Segments
from rich.style import Style

ON = np.array([0xFF, 0xB0, 0x00], np.float32)
OFF = np.array([0x64, 0x8F, 0xFF], np.float32)
GROUND = np.array([0x03, 0x04, 0x06], np.float32)
_FULL_AT = 0.75
_WHITEN = 0.55

View = Literal["apart", "bins", "merged"]


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the images of a voxel grid stand: `columns` x `rows` tiles, each `width` x `height` pixels."""

    columns: int
    rows: int
    width: int
    height: int


def layout(images: int, rows_wanted: int | None, cells: tuple[int, int], image: tuple[int, int]) -> Layout | None:
    """The arrangement of `images` pictures that shows them largest, or None where not even two pixels fit.

    cells: (columns, lines) of the terminal; every row of tiles has one line of labels and tiles stand one cell apart.
    image: (H, W) pixels. `rows_wanted` fixes the number of rows of tiles.
    """
    best: Layout | None = None
    image_h, image_w = image
    for rows in [rows_wanted] if rows_wanted else range(1, images + 1):
        columns = -(-images // rows)
        free_w = (cells[0] - (columns - 1)) // columns
        free_h = 2 * ((cells[1] - rows) // rows)
        if free_w < 2 or free_h < 2:
            continue
        scale = min(free_w / image_w, free_h / image_h)
        if scale >= 1:
            scale = int(scale)
        width, height = max(2, int(image_w * scale)), max(2, int(image_h * scale) // 2 * 2)
        if best is None or width * height > best.width * best.height:
            best = Layout(columns, rows, width, height)
    return best


def _pool(counts: NDArray[np.float32], axis: int, size: int) -> NDArray[np.float32]:
    """Resizes one axis: sums neighbours when shrinking so that no event is lost, repeats them when growing."""
    length = counts.shape[axis]
    if size <= length:
        edges = np.arange(size) * length // size
        return np.asarray(np.add.reduceat(counts, edges, axis=axis), np.float32)
    return np.asarray(np.take(counts, np.arange(size) * length // size, axis=axis), np.float32)


def resize(counts: NDArray[np.uint8] | NDArray[np.float32], width: int, height: int) -> NDArray[np.float32]:
    """Counts [..., H, W] at another size, float32 [..., height, width]; sums when shrinking, repeats when growing."""
    return _pool(_pool(counts.astype(np.float32), -2, height), -1, width)


def colours(off: NDArray[np.float32], on: NDArray[np.float32], full: float) -> NDArray[np.uint8]:
    """RGB [..., 3] of OFF and ON counts [...]: hue says polarity, brightness the square root of the count.

    `full` is the count that is brightest. Beyond three quarters of full brightness a colour is mixed towards white, so
    that dense places stay apart from merely busy ones; where both polarities fired their lights add up.
    """
    rgb = np.zeros((*off.shape, 3), np.float32)
    for counts, hue in ((off, OFF), (on, ON)):
        level = np.sqrt(np.minimum(counts / max(full, 1.0), 1.0))[..., None]
        white = np.maximum(level - _FULL_AT, 0) / (1 - _FULL_AT) * _WHITEN
        rgb += np.minimum(level / _FULL_AT, 1.0) * (hue + (255 - hue) * white)
    return np.asarray(np.minimum(rgb + GROUND, 255), np.uint8)


def half_blocks(image: NDArray[np.uint8]) -> list[list[Segment]]:
    """Segments of each line of an RGB image [H, W, 3], H even; neighbours of one colour share a segment."""
    lines: list[list[Segment]] = []
    for top, bottom in zip(image[::2], image[1::2], strict=True):
        pair = np.concatenate([top, bottom], axis=1)
        changes = np.flatnonzero((pair[1:] != pair[:-1]).any(axis=1)) + 1
        starts = [0, *changes.tolist(), len(pair)]
        line = []
        for start, stop in pairwise(starts):
            r, g, b, r2, g2, b2 = pair[start].tolist()
            style = Style.from_color(Color.from_rgb(r, g, b), Color.from_rgb(r2, g2, b2))
            line.append(Segment("▀" * (stop - start), style))
        lines.append(line)
    return lines


def picture(grid: NDArray[np.uint8], width: int) -> Segments:
    """A voxel grid [2, B, H, W] as images of its bins side by side, for a terminal of `width` columns."""
    _, bins, image_h, image_w = grid.shape
    tile_w = min(max(2, (width - (bins - 1)) // bins), 2 * image_w)
    tile_h = max(2, image_h * tile_w // image_w // 2 * 2)
    off, on = resize(grid, tile_w, tile_h)
    full = float(np.quantile(grid[grid > 0], 0.99)) if grid.any() else 1.0
    tiles = [half_blocks(colours(off[number], on[number], full)) for number in range(bins)]
    lines: list[Segment] = []
    for row in zip(*tiles, strict=True):
        for number, line in enumerate(row):
            lines += [Segment(" ")] * (number > 0) + line
        lines.append(Segment.line())
    return Segments(lines)


def bar(fraction: float, width: int) -> str:
    """A horizontal bar of `width` cells, filled to `fraction` in eighths of a cell and padded with blanks."""
    eighths = round(min(max(fraction, 0.0), 1.0) * width * 8)
    if fraction > 0:
        eighths = max(eighths, 1)
    whole, rest = divmod(eighths, 8)
    return ("█" * whole + (" ▏▎▍▌▋▊▉"[rest] if rest else "")).ljust(width)


def columns(values: NDArray[np.float64], width: int, height: int) -> list[str]:
    """A bar chart of `values` in `height` lines of `width` cells, top line first; each cell shows its largest value."""
    if len(values) == 0 or width < 1:
        return [" " * max(width, 0)] * height
    cells = np.arange(width) * len(values) // width
    tallest = np.maximum.reduceat(values, cells) if width <= len(values) else values[cells]
    peak = float(tallest.max())
    eighths = np.zeros(width, np.int64) if peak <= 0 else np.ceil(tallest / peak * height * 8).astype(np.int64)
    return [
        "".join(" ▁▂▃▄▅▆▇█"[int(np.clip(e - 8 * (height - 1 - line), 0, 8))] for e in eighths) for line in range(height)
    ]
