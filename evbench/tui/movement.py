"""Draws how one tensor moved while it was trained: its log histogram over the steps, the grid's ends across it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.style import Style
from rich.text import Text

from evbench.tui import numbers
from evbench.tui.histogram import page
from evbench.tui.inks import ACTIVE, CAUTION, GROUND, KEY, QUIET, TEXT

NOTHING = (
    "No training is known of this tensor: it is followed while a network is trained with quantisation.\n"
    "Models calibrated after training (PTQ), imported ones, weights and the input have none."
)
_MARGIN = 9
_ROOM_FOR_ALL = 14
_SEEN = 0.005
"""The share of the values, over all looks, that may lie below the picture."""

_FIGURES = (("zero_share", "zero"), ("scale", "scale"), ("lost_share", "to zero"), ("clip_share", "clipped"))
_COLUMN = np.array(list("▁▂▃▄▅▆▇█"))


def picture(content: dict[str, Any], width: int, height: int) -> Text:
    """An `over_training` on `height` lines of `width` columns: time to the right, magnitude upwards on a log scale."""
    if not content["steps"]:
        scales = content["scales_over_training"]["scales"]
        return Text(NOTHING, QUIET) if not scales else page([_figure(scales, "scale", width)], width, height)
    cells = max(width - _MARGIN, 8)
    figures = _FIGURES if height >= _ROOM_FOR_ALL else _FIGURES[:2]
    blank = height >= _ROOM_FOR_ALL
    chart = max(height - 2 - blank - len(figures), 2)
    lines = [_legend(content)]
    lines += _chart(content, cells, chart)
    lines.append(_axis(content, cells))
    lines += [Text()] if blank else []
    lines += [_figure(content[key], name, width) for key, name in figures]
    return page(lines, width, height)


def _legend(content: dict[str, Any]) -> Text:
    text = Text("step ", QUIET).append(f"{content['steps'][-1] + 1:,}", f"bold {TEXT}")
    text.append(f" of {content['total_steps']:,}  {content['windows']} windows  ", QUIET)
    text.append("━ grid's end  ", KEY).append("━ zero below", CAUTION)
    return text


def _chart(content: dict[str, Any], cells: int, lines: int) -> list[Text]:
    """Half-blocks: a column for every look, a row for every bin, brighter for more of the values."""
    edges = np.array(content["edges"])
    if not edges.size:
        return [Text("nothing but zeros at every look", QUIET)] + [Text()] * (lines - 1)
    rows, ranges, scales = 2 * lines, np.array(content["range"]), np.array(content["scale"])
    shares = np.array(content["shares"])
    below = np.cumsum(shares.mean(axis=0))
    first = edges[int(np.searchsorted(below, _SEEN * below[-1]))]
    lowest, highest = min(first, scales.min() / 2) / 1.1, max(edges[-1], ranges.max()) * 1.1
    grid = np.geomspace(highest, lowest, rows + 1)
    looks = _looks(content, cells)
    middles = np.sqrt(grid[:-1] * grid[1:])
    bins = np.searchsorted(edges, middles, side="right") - 1
    inside = (bins >= 0) & (bins < shares.shape[1])
    values = np.where(inside[:, None], shares[:, np.clip(bins, 0, shares.shape[1] - 1)].T, 0.0)
    level = np.sqrt(values / (values.max() or 1.0))
    rgb = _mix(level[:, looks])
    for ends, colour in ((ranges, KEY), (scales / 2, CAUTION)):
        row = np.clip(np.searchsorted(-grid, -ends[looks], side="right") - 1, 0, rows - 1)
        rgb[row, np.arange(cells)] = _parts(colour)
    labels = {0: numbers.significant(highest), lines - 1: numbers.significant(lowest)}
    drawn = []
    for line in range(lines):
        text = Text(f"{labels.get(line, ''):>{_MARGIN - 1}}│", QUIET)
        for cell in range(cells):
            upper, lower = rgb[2 * line, cell], rgb[2 * line + 1, cell]
            text.append("▀", Style(color=_code(upper), bgcolor=_code(lower)))
        drawn.append(text)
    return drawn


def _looks(content: dict[str, Any], cells: int) -> NDArray[np.int64]:
    """Which look every column shows: the newest taken until then, the whole training across the columns."""
    steps = np.array(content["steps"])
    at = np.arange(cells) * max(content["total_steps"] - 1, 1) / max(cells - 1, 1)
    return np.asarray(np.clip(np.searchsorted(steps, at, side="right") - 1, 0, len(steps) - 1))


def _axis(content: dict[str, Any], cells: int) -> Text:
    right = f"step {content['total_steps']:,}"
    return Text(" " * (_MARGIN - 1) + "└" + "0" + right.rjust(cells - 1), QUIET)


def _figure(values: list[float], name: str, width: int) -> Text:
    write = numbers.significant if name == "scale" else numbers.share
    first, last = write(values[0]), write(values[-1])
    text = (
        Text(f"{name:<8} ", QUIET).append(f"{first:>8}", TEXT).append(" → ", QUIET).append(f"{last:<8}", f"bold {TEXT}")
    )
    room = min(width - text.cell_len - 1, 60)
    if room >= 8:
        parts = np.array(values)[np.arange(room) * len(values) // room]
        span = parts.max() - parts.min()
        heights = np.full(len(parts), 3) if span == 0 else np.floor((parts - parts.min()) / span * 7.99).astype(int)
        text.append(" " + "".join(_COLUMN[heights]), ACTIVE)
    return text


def _mix(level: NDArray[np.float64]) -> NDArray[np.uint8]:
    """From the ground to blue to white, as counts of events are."""
    ground, full, white = (np.array(_parts(colour), float) for colour in (GROUND, ACTIVE, "#ffffff"))
    first = ground + (full - ground) * np.minimum(level / 0.75, 1)[..., None]
    return np.asarray(first + (white - full) * (np.maximum(level - 0.75, 0) / 0.25 * 0.55)[..., None], np.uint8)


def _parts(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _code(rgb: NDArray[np.uint8]) -> str:
    return "#" + bytes(rgb).hex()
