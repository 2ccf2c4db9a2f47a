"""Turns event counts into true-colour half-blocks: two pixels, one above the other, in every character cell."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from rich.color import Color
from rich.segment import Segment, Segments
from rich.style import Style

from evbench.events.kinds import Kind
from evbench.events.pictures import brightest, colours, resize
from evbench.events.representations import Images

_WIDEST_PICTURE = 96
_COLUMN = np.array(list(" ▁▂▃▄▅▆▇█"))


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


def half_blocks(image: NDArray[np.uint8]) -> list[list[Segment]]:
    """Segments of each line of an RGB image [H, W, 3], H even; neighbours of one colour share a segment."""
    red, green, blue = (image[..., channel].astype(np.int64) for channel in range(3))
    pixel = red << 16 | green << 8 | blue
    pair = pixel[::2] << 24 | pixel[1::2]
    begins = np.ones(pair.shape, np.bool_)
    np.not_equal(pair[:, 1:], pair[:, :-1], out=begins[:, 1:])
    starts = np.flatnonzero(begins)
    lengths = np.diff(starts, append=pair.size)
    segments = list(map(_half_blocks, pair.ravel()[starts].tolist(), lengths.tolist()))
    ends = np.cumsum(begins.sum(axis=1)).tolist()
    return [segments[start:stop] for start, stop in zip([0, *ends[:-1]], ends, strict=True)]


@lru_cache(maxsize=1 << 14)
def _half_blocks(pair: int, length: int) -> Segment:
    """Cells whose foreground is the upper pixel and whose background is the lower, each 24 bits of `pair`."""
    return Segment("▀" * length, _half_block_style(pair))


@lru_cache(maxsize=1 << 14)
def _half_block_style(pair: int) -> Style:
    upper, lower = (Color.from_rgb(*pixel.to_bytes(3)) for pixel in divmod(pair, 1 << 24))
    return Style.from_color(upper, lower)


def picture(kind: Kind, images: Images, width: int) -> Segments:
    """A representation [2, N, H, W] as its images side by side, for a terminal of `width` columns."""
    _, count, image_h, image_w = images.shape
    tile_w = min(max(2, (width - (count - 1)) // count), 2 * image_w, _WIDEST_PICTURE)
    tile_h = max(2, image_h * tile_w // image_w // 2 * 2)
    off, on = resize(kind, images, tile_w, tile_h)
    full = brightest(kind, images)
    tiles = [half_blocks(colours(off[number], on[number], full)) for number in range(count)]
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
    return ["".join(_COLUMN[np.clip(eighths - 8 * (height - 1 - line), 0, 8)]) for line in range(height)]
