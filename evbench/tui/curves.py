"""Draws curves in braille: two by four dots in every character cell, axes with round numbers, points as marks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.text import Text

from evbench.tui import inks

_DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
"""The bit of each dot of a cell in Unicode's braille block, [row, column]."""

_BRAILLE = 0x2800
LABEL = 6
"""Cells left of the axis; always as many, so that nothing jumps when numbers change."""


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """A curve to draw. x ascending, y: [N]; `marked` puts a mark at every point."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    colour: str
    marked: bool = False


@dataclass(frozen=True, slots=True)
class Span:
    """What an axis shows, from `low` to `high`."""

    low: float
    high: float

    def share(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Where values lie, 0 at `low` and 1 at `high`."""
        return (values - self.low) / (self.high - self.low)


def nice_ticks(low: float, high: float, wanted: int) -> list[float]:
    """About `wanted` round numbers, 1, 2 or 5 times a power of ten apart, within [low, high]; two at the least."""
    if not high > low:
        return [low]
    while True:
        rough = (high - low) / wanted
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last > first:
            return [round(number * step, 12) for number in range(first, last + 1)]
        wanted += 1


def rounded_span(low: float, high: float) -> Span:
    """The span of round numbers that holds both; it stays the same while values move a little."""
    if not high > low:
        return Span(low - 0.5 * abs(low or 1), high + 0.5 * abs(high or 1))
    step = 10.0 ** math.floor(math.log10(high - low)) / 2
    return Span(math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step)


def draw_curves(
    lines: Sequence[Line],
    x: Span,
    y: Span,
    width: int,
    height: int,
    *,
    percent: bool = False,
    powers: bool = False,
) -> Text:
    """Curves on axes in `width` x `height` cells; later ones lie on top. Room for one row of x labels is kept.

    The y axis says shares in percent, or, where y are logarithms to the base ten, what they are logarithms of.
    """
    columns, rows = width - LABEL - 1, height - 1
    if columns < 2 or rows < 2:
        return Text("")
    dots = np.zeros((rows * 4, columns * 2), np.int64)
    marks = np.zeros((rows, columns), np.int64)
    for number, line in enumerate(lines, 1):
        _trace(dots, line, x, y, number)
        if line.marked:
            marks[_places(line, x, y, (rows, columns))] = number
    labels = _y_labels(y, rows, percent, powers)
    text = Text(no_wrap=True, overflow="crop")
    for row in range(rows):
        label = labels.get(row, "")
        text.append(f"{label:>{LABEL}}", inks.QUIET).append("┤" if label else "│", inks.EDGE)
        _append_cells(text, dots[4 * row : 4 * row + 4], marks[row], lines)
        text.append("\n")
    return text.append_text(_x_labels(x, columns))


def _trace(dots: NDArray[np.int64], line: Line, x: Span, y: Span, number: int) -> None:
    """Set the dots of a curve, as many in each column of dots as it is steep there."""
    height, width = dots.shape
    across = x.share(line.x) * (width - 1)
    if len(across) < 2 or across[-1] <= across[0]:
        return
    column = np.arange(max(0, math.ceil(across[0])), min(width - 1, math.floor(across[-1])) + 1)
    level = (1 - y.share(np.interp(column, across, line.y))) * (height - 1)
    row = np.clip(np.rint(level), 0, height - 1).astype(np.int64)
    before = np.concatenate([row[:1], row[:-1]])
    for place, first, last in zip(column, np.minimum(before, row), np.maximum(before, row), strict=True):
        dots[first : last + 1, place] = number


def _places(line: Line, x: Span, y: Span, cells: tuple[int, int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    rows, columns = cells
    row = np.rint((1 - y.share(line.y)) * (rows * 4 - 1)) // 4
    column = np.rint(x.share(line.x) * (columns * 2 - 1)) // 2
    return np.clip(row, 0, rows - 1).astype(np.int64), np.clip(column, 0, columns - 1).astype(np.int64)


def _append_cells(text: Text, dots: NDArray[np.int64], marks: NDArray[np.int64], lines: Sequence[Line]) -> None:
    cells = dots.reshape(4, -1, 2).transpose(1, 0, 2)
    bits = np.where(cells > 0, _DOTS, 0).sum((1, 2))
    owner = np.where(marks > 0, marks, cells.max((1, 2)))
    shown = np.where(marks > 0, ord("•"), np.where(owner > 0, _BRAILLE + bits, ord(" ")))
    starts = np.flatnonzero(np.diff(owner, prepend=-1))
    for first, last in zip(starts, [*starts[1:], len(owner)], strict=True):
        number = int(owner[first])
        text.append("".join(map(chr, shown[first:last])), lines[number - 1].colour if number else "")


def _y_labels(y: Span, rows: int, percent: bool, powers: bool) -> dict[int, str]:
    wanted = max(rows // 3, 2)
    ticks = _power_ticks(y, wanted) if powers else nice_ticks(y.low, y.high, wanted)
    found: dict[int, str] = {}
    for tick in ticks:
        row = round(float((1 - y.share(np.array([tick]))[0]) * (rows * 4 - 1))) // 4
        found[row] = f"{100 * tick:g} % " if percent else f"{10**tick:.3g} " if powers else f"{tick:.4g} "
    return found


def _power_ticks(y: Span, wanted: int) -> list[float]:
    """Logarithms of 1, 2 and 5 times powers of ten, of the powers alone where there would be far more than wanted."""
    powers = range(math.floor(y.low), math.ceil(y.high) + 1)
    ticks = [power + math.log10(factor) for power in powers for factor in (1, 2, 5)]
    inside = [tick for tick in ticks if y.low <= tick <= y.high]
    return inside if len(inside) <= 2 * wanted else [tick for tick in inside if float(tick).is_integer()]


def _x_labels(x: Span, columns: int) -> Text:
    line = [" "] * (columns + LABEL + 1)
    for tick in nice_ticks(x.low, x.high, max(columns // 12, 2)):
        label = f"{tick:,g}"
        place = LABEL + 1 + round(float(x.share(np.array([tick]))[0]) * (columns - 1)) - len(label) // 2
        place = min(place, len(line) - len(label))
        if all(cell == " " for cell in line[max(place - 1, 0) : place + len(label) + 1]):
            line[place : place + len(label)] = label
    return Text("".join(line).rstrip(), inks.QUIET)
