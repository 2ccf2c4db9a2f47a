"""Turns representations into coloured pictures, for terminals and as PNG files: ON amber, OFF blue."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evbench.errors import EvbenchError
from evbench.events.kinds import Kind
from evbench.events.representations import Images, pooling

if TYPE_CHECKING:
    from PIL.Image import Image

ON = np.array([0xFF, 0xB0, 0x00], np.float32)
OFF = np.array([0x64, 0x8F, 0xFF], np.float32)
GROUND = np.array([0x03, 0x04, 0x06], np.float32)
LEVELS = 32
"""Steps of brightness between nothing and full."""

_FULL_AT = 0.75
_WHITEN = 0.55
_LEAST_FULL_COUNT = 3.0

_PAGE, _TITLE, _LABEL = "#0f1117", "#c6ccd8", "#8a93a6"
_TILES_PER_ROW = 5
_SHEET_WIDTH, _WIDEST_TILE = 1280, 512
_MARGIN, _GAP, _TEXT_PX = 12, 8, 14


def brightest(kind: Kind, images: Images) -> float:
    """The value that is drawn brightest: of counts that of the busiest hundredth, but three at least, so that single
    events do not dazzle; of a time surface one."""
    if kind == "time-surface":
        return 1.0
    occupied = images[images > 0]
    return max(float(np.quantile(occupied, 0.99)) if occupied.size else 0.0, _LEAST_FULL_COUNT)


def resize(kind: Kind, images: Images, width: int, height: int) -> NDArray[np.float32]:
    """Images [..., H, W] at another size, float32 [..., height, width].

    Pixels are repeated when growing and pooled when shrinking, so that no event is lost.
    """
    return _resized(kind, _resized(kind, images.astype(np.float32), -2, height), -1, width)


def _resized(kind: Kind, images: NDArray[np.float32], axis: int, size: int) -> NDArray[np.float32]:
    length = images.shape[axis]
    places = np.arange(size) * length // size
    if size < length:
        return np.asarray(pooling(kind).reduceat(images, places, axis=axis), np.float32)
    return images if size == length else np.asarray(np.take(images, places, axis=axis), np.float32)


def levels(values: NDArray[np.float32], full: float) -> NDArray[np.uint16]:
    """The brightness, 0 to `LEVELS`, of values [...]: their square root, `full` is brightest; only 0 is dark."""
    level = np.sqrt(np.minimum(values * np.float32(1 / full), 1), dtype=np.float32)
    return np.asarray(np.ceil(level * LEVELS), np.uint16)


def _palette() -> NDArray[np.uint8]:
    rgb = np.broadcast_to(GROUND, (LEVELS + 1, LEVELS + 1, 3)).copy()
    level = np.arange(LEVELS + 1, dtype=np.float32)[:, None] / LEVELS
    white = np.maximum(level - _FULL_AT, 0) / (1 - _FULL_AT) * _WHITEN
    rgb += (np.minimum(level / _FULL_AT, 1) * (OFF + (255 - OFF) * white))[:, None]
    rgb += (np.minimum(level / _FULL_AT, 1) * (ON + (255 - ON) * white))[None]
    return np.asarray(np.minimum(rgb, 255), np.uint8)


PALETTE = _palette()
"""RGB [OFF level, ON level, 3]. Hue says polarity; beyond three quarters of full brightness a colour is mixed towards
white, so that dense places stay apart from merely busy ones; where both polarities fired their lights add up."""


def colours(off: NDArray[np.float32], on: NDArray[np.float32], full: float) -> NDArray[np.uint8]:
    """RGB [..., 3] of OFF and ON values [...]; `full` is the value that is brightest."""
    return np.asarray(PALETTE[levels(off, full), levels(on, full)])


def sheet(kind: Kind, images: Images, labels: Sequence[str], title: str, enlarge: int | None = None) -> Image:
    """A page with the images [2, N, H, W] side by side, five in a row, each below its label.

    Every pixel becomes a square of `enlarge` pixels; by default as many as keep a page of 1280 pixels and an image of
    512, but one at least. All images share one scale of brightness.
    """
    from PIL import Image, ImageDraw, ImageFont

    count, height, width = images.shape[1:]
    columns = min(count, _TILES_PER_ROW)
    if enlarge is None:
        enlarge = max(1, min(_SHEET_WIDTH // columns, _WIDEST_TILE) // max(width, height))
    width, height = width * enlarge, height * enlarge
    font = ImageFont.load_default(_TEXT_PX)
    line = _TEXT_PX + 6
    rows = -(-count // columns)
    words = [(title, _TITLE), ("   ON", _hex(ON)), ("  OFF", _hex(OFF))]
    widest = max(columns * (width + _GAP) - _GAP, *(font.getlength(text) for text in labels))
    room = round(max(widest, sum(font.getlength(text) for text, _ in words)))
    top = _MARGIN + line
    page = Image.new("RGB", (room + 2 * _MARGIN, top + rows * (height + line + _GAP) - _GAP + _MARGIN), _PAGE)
    draw = ImageDraw.Draw(page)
    x = float(_MARGIN)
    for text, colour in words:
        draw.text((x, _MARGIN - 2), text, colour, font)
        x += font.getlength(text)
    full = brightest(kind, images)
    for number, label in enumerate(labels):
        left = _MARGIN + number % columns * (width + _GAP)
        upper = top + number // columns * (height + line + _GAP)
        off, on = resize(kind, images[:, number], width, height)
        # The font that Pillow brings has no dash of this width.
        draw.text((left, upper), label.replace("–", "-"), _LABEL, font)
        page.paste(Image.fromarray(colours(off, on, full)), (left, upper + line))
    return page


def save_png(page: Image, path: Path) -> None:
    """Writes a page as PNG, complete or not at all. Raises EvbenchError when the file cannot be written."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        try:
            page.save(temporary, "PNG", optimize=True)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise EvbenchError(
            f"The picture cannot be written: {error.strerror or error}",
            where=str(path),
            remedy="Name another file, or work in a folder that can be written to",
        ) from None


def _hex(colour: NDArray[np.float32]) -> str:
    return "#" + bytes(colour.astype(np.uint8)).hex()
