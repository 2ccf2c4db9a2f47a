"""Draws one tensor: its zero mass apart from a log histogram of the rest, and observers' ranges with their cost."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.style import Style
from rich.text import Text

from evbench.jobs.quantisation import axis_limits, log_columns, place_labels, position
from evbench.tui import numbers
from evbench.tui.drawing import columns
from evbench.tui.inks import ACTIVE, BAD, CAUTION, FAINT, GOOD, KEY, QUIET, TEXT

_MARGIN = 10
"""Columns left of the histogram: the zero mass, what share it is, and a gap."""

_LEAST_CHART = 3
_LONGEST_LABEL = 40
_BLOCKS = " ▁▂▃▄▅▆▇█"
_IN_USE = "in use"
_COSTS = ("range", "scale", "active", "clip", "SQNR")
_NAME, _COST = 20, 9
_MUCH = 0.01
"""A share of clipped values that is marked."""


def picture(content: dict[str, Any], width: int, height: int) -> Text:
    """A `detail` on `height` lines of `width` columns.

    Bars are blue where the grid holds values, dim where it rounds them to zero, red where it cuts them off. What has
    no room is left out: first the table of costs, then the lower ones of the ranges' names.
    """
    cells = max(width - _MARGIN, 8)
    marks = {_IN_USE: content["range"]} | {cost["observer"]: cost["range"] for cost in content["observers"]}
    lowest, highest = axis_limits(content["histogram"], list(marks.values()))
    places = {
        name: int(np.clip(position(value, cells, lowest, highest), 0, cells - 1)) for name, value in marks.items()
    }
    names = place_labels(_labels(content, places), cells)
    costs = _costs(content, width) if content["observers"] else []
    room = height - 2 - _LEAST_CHART
    if len(names) > room:
        names.sort(key=lambda line: all(not label.startswith(_IN_USE) for _, _, label in line))
    shown_names = names[: max(room, 0)]
    shown_costs = costs if room - len(names) >= len(costs) + 1 else []
    chart = height - 2 - len(shown_names) - (len(shown_costs) + 1 if shown_costs else 0)
    lines = [_in_use(content, width)]
    lines += _chart(content, cells, max(chart, 1), lowest, highest, places)
    lines += [_axis(places, cells, lowest), *(_named(line) for line in shown_names)]
    if shown_costs:
        lines += [Text(), *shown_costs]
    return page(lines, width, height)


def _labels(content: dict[str, Any], places: dict[str, int]) -> dict[str, int]:
    """What is written at every line: who would draw it there, and the SQNR of the active mode then."""
    sqnr = {_IN_USE: content["sqnr_active_db"]}
    sqnr |= {cost["observer"]: cost["sqnr_active"] for cost in content["observers"]}
    groups: dict[int, list[str]] = {}
    for name, place in places.items():
        written = f"{name} {numbers.decibels(sqnr[name]).removesuffix(' dB')}"
        labels = groups.setdefault(place, [])
        if labels and len(labels[-1]) + len(written) < _LONGEST_LABEL:
            labels[-1] += f" · {written}"
        else:
            labels.append(written)
    return {f"{label} dB": place for place, labels in groups.items() for label in labels}


def _in_use(content: dict[str, Any], width: int) -> Text:
    """The figures of the grid in use, as many as there is room for."""
    text = Text()
    for name, value in (
        ("range", numbers.significant(content["range"])),
        ("scale", numbers.significant(content["scale"])),
        ("active", numbers.decibels(content["sqnr_active_db"])),
        ("clipped", numbers.share(content["clip_share"])),
        ("to zero", numbers.share(content["lost_share"])),
        ("SQNR", numbers.decibels(content["sqnr_db"])),
        ("observer", content["observer"]),
    ):
        if text.cell_len + len(name) + len(value) + 3 <= width:
            text.append(f"{name} ", QUIET).append(f"{value}  ", f"bold {TEXT}")
    return text


def _chart(
    content: dict[str, Any], cells: int, height: int, lowest: float, highest: float, places: dict[str, int]
) -> list[Text]:
    shares = log_columns(content["histogram"], cells, lowest, highest)
    bars = columns(shares, cells, height)
    lost = int(position(max(content["scale"] / 2, lowest), cells, lowest, highest))
    ends = int(position(content["range"] + content["scale"] / 2, cells, lowest, highest))
    ink = [FAINT if cell < lost else BAD if cell > ends else ACTIVE for cell in range(cells)]
    zero = columns(np.array([content["zero_share"], 1.0]), 2, height)
    lines = []
    for row, bar in enumerate(bars):
        label = numbers.share(content["zero_share"]) if row == 0 else ""
        line = Text(f"{label:>7}", QUIET).append("│", FAINT).append(zero[row][0], f"bold {TEXT}").append(" ")
        for cell, block in enumerate(bar):
            line.append(*_cell(block, ink[cell], cell, places))
        lines.append(line)
    return lines


def _cell(block: str, ink: str, cell: int, places: dict[str, int]) -> tuple[str, Style | str]:
    """A cell of the histogram, or of a range's line across it."""
    here = [name for name, place in places.items() if place == cell]
    if not here:
        return block, ink
    colour = KEY if _IN_USE in here else TEXT
    return "┃" if _IN_USE in here else "│", Style(color=colour, bgcolor=ink if block == _BLOCKS[-1] else None)


def _axis(places: dict[str, int], cells: int, lowest: float) -> Text:
    """The axis, with its lower end written into it; what the lines are worth says where the upper one is."""
    line = Text("      0└┴─", QUIET).append(numbers.significant(lowest), QUIET)
    line.append("─" * (_MARGIN + cells - line.cell_len), FAINT)
    for name, place in sorted(places.items(), key=lambda item: item[0] == _IN_USE):
        at = _MARGIN + place
        line = line[:at] + Text("┃", KEY if name == _IN_USE else TEXT) + line[at + 1 :]
    return line


def _named(placed: list[tuple[int, str, str]]) -> Text:
    line = Text(" " * _MARGIN)
    for start, text, label in placed:
        line.append(" " * (_MARGIN + start - line.cell_len))
        line.append(text, KEY if label.startswith(_IN_USE) else TEXT)
    return line


def _costs(content: dict[str, Any], width: int) -> list[Text]:
    """What every observer would choose and what it would cost; the one in use and the best SQNR are marked."""
    best = max((_quality(cost["sqnr_active"]) for cost in content["observers"]), default=0.0)
    rows = [
        [
            (numbers.significant(cost["range"]), TEXT),
            (numbers.significant(cost["scale"]), TEXT),
            (
                numbers.decibels(cost["sqnr_active"]),
                f"bold {GOOD}" if _quality(cost["sqnr_active"]) == best else TEXT,
            ),
            (numbers.share(cost["clip_share"]), CAUTION if cost["clip_share"] > _MUCH else TEXT),
            (numbers.decibels(cost["sqnr"]), TEXT),
        ]
        for cost in content["observers"]
    ]
    shown = min(len(_COSTS), max((width - _NAME) // _COST, 1))
    lines = [Text(f"{'observer':<{_NAME}}" + "".join(f"{heading:>{_COST}}" for heading in _COSTS[:shown]), QUIET)]
    for cost, cells in zip(content["observers"], rows, strict=True):
        in_use = cost["observer"] == content["observer"]
        line = Text("● " if in_use else "  ", KEY)
        line.append(f"{cost['observer']:<{_NAME - 2}}", f"bold {KEY}" if in_use else TEXT)
        for text, style in cells[:shown]:
            line.append(f"{text:>{_COST}}", style)
        lines.append(line)
    return lines


def _quality(sqnr: float | None) -> float:
    return float("inf") if sqnr is None else sqnr


def channels(content: dict[str, Any], width: int, height: int) -> Text:
    """A weight tensor's `detail`: the largest weight of every output channel, and below it the log histogram."""
    peaks = np.array(content["channel_peaks"])
    own = len(content["scales"]) > 1
    smallest, largest = float(peaks.min()), float(peaks.max())
    text = Text(f"{len(peaks)} output channels", f"bold {TEXT}")
    for part in (
        f"largest weights {numbers.significant(smallest)} to {numbers.significant(largest)}",
        "a scale for each" if own else "one scale for all",
        f"{numbers.significant(largest / smallest)} times apart" if smallest > 0 else "",
    ):
        if part and text.cell_len + 2 + len(part) <= width:
            text.append(f"  {part}", QUIET)
    chart = max((height - 4) // 2, 2) if height >= 14 else max(height - 3, 1)
    cells = _spread(peaks, max(width - _MARGIN, 8))
    lines = [text]
    for row, bar in enumerate(columns(cells, len(cells), chart)):
        line = Text(f"{numbers.significant(largest) if row == 0 else '':>8}│", QUIET)
        for cell, block in enumerate(bar):
            dead = cells[cell] == 0
            line.append("×" if dead and row == chart - 1 else block, BAD if dead else ACTIVE)
        lines.append(line)
    lines.append(Text(f"{'':>8}└channel 0{f'{len(peaks) - 1}':>{max(len(cells) - 9, 1)}}", QUIET))
    rest = height - len(lines)
    if rest >= 6:
        lines += [Text(), *picture(content, width, rest - 1).split("\n")]
    return page(lines, width, height)


def page(lines: list[Text], width: int, height: int) -> Text:
    """Lines as one text, none longer than `width` and no more than `height` of them."""
    for line in lines:
        line.truncate(width)
    return Text("\n").join(lines[:height])


def _spread(peaks: NDArray[np.float64], cells: int) -> NDArray[np.float64]:
    """Channels as columns, as wide as there is room for; the largest of neighbours where there are too many."""
    if len(peaks) > cells:
        return np.array([part.max() for part in np.array_split(peaks, cells)])
    wide = max(min(cells // len(peaks), 3), 1)
    return np.repeat(peaks, wide)
