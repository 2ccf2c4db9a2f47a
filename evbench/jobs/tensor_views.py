"""The table of `evbench tensors` and the picture of one tensor: its log histogram and what observers make of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from evbench.jobs.quantisation import axis_limits, log_columns, place_labels, position

_BLOCKS = np.array(list(" ▁▂▃▄▅▆▇█"))
_HEIGHT = 8
_MARGIN = 9
_WIDEST = 120
_OBSERVERS_LINE = "#648FFF"
_BARS = "#FFB000"


def tensors_table(content: dict[str, Any]) -> RenderableType:
    """Every tensor of an `overview`, then every alarm with its remedy."""
    title = f"{content['model']}: tensors, observer {content['observer']}"
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, header_style="dim")
    for heading in ("tensor", ""):
        table.add_column(heading, no_wrap=True)
    for heading in ("zero", "bimodality", "SQNR", "active", "clip", "scale"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("flags")
    for tensor in content["tensors"]:
        table.add_row(
            tensor["name"],
            tensor["dtype"],
            _share(tensor["zero_share"]),
            "" if tensor["bimodality"] is None else f"{tensor['bimodality']:.2f}",
            _decibels(tensor["sqnr_db"]),
            _decibels(tensor["sqnr_active_db"]),
            _share(tensor["clip_share"]),
            f"{tensor['scale']:.4g}",
            Text(", ".join(tensor["flags"]), "bold yellow"),
        )
    notes = (
        "Bimodality is Ashman's D of zero mass and active mode, apart above 2. SQNR over all values and over the "
        "active mode, without detached outliers; ∞ where nothing is lost. A weight's scale is its coarsest channel's."
    )
    return Group(table, Text(notes, "dim"), *_alarm_lines(content["alarms"], named=True))


def tensor_view(content: dict[str, Any], width: int) -> RenderableType:
    """One tensor of a `detail` on `width` columns: log histogram, ranges below it, their costs in a table."""
    cells = max(min(width, _WIDEST) - _MARGIN - 2, 20)
    bimodality = "" if content["bimodality"] is None else f"  bimodality {content['bimodality']:.2f}"
    title = f"{content['name']}  {content['dtype']}  zero {_share(content['zero_share'])}{bimodality}"
    ranges = {content["observer"]: content["range"]} if content["kind"] == "weight" else {}
    ranges |= {cost["observer"]: cost["range"] for cost in content["observers"]}
    lowest, highest = axis_limits(content["histogram"], [*ranges.values(), content["range"]])
    lines = _bars(content, log_columns(content["histogram"], cells, lowest, highest))
    parts: list[RenderableType] = [Text(title, "bold"), *lines, _axis(ranges, cells, lowest, highest)]
    parts += [*_names(ranges, cells, lowest, highest), _ends(cells, lowest, highest), Text()]
    parts.append(
        Text(
            f"in use: {content['observer']}, range {content['range']:.4g}, scale {content['scale']:.4g}, "
            f"SQNR {_decibels(content['sqnr_db'])}, active mode {_decibels(content['sqnr_active_db'])}, "
            f"clipped {_share(content['clip_share'])}, rounded to zero {_share(content['lost_share'])}"
        )
    )
    if content["observers"]:
        parts += [Text(), _costs(content)]
    if content["kind"] == "weight":
        parts.append(_channels(content["channel_peaks"]))
    steps, scales = (content["scales_over_training"][key] for key in ("steps", "scales"))
    if scales:
        parts.append(
            Text(
                f"scale in training: {_sparkline(np.array(scales), 40)} {scales[0]:.3g} to {scales[-1]:.3g} "
                f"in {steps[-1] + 1} steps"
            )
        )
    return Group(*parts, *_alarm_lines(content["alarms"], named=False))


def _bars(content: dict[str, Any], columns: NDArray[np.float64]) -> list[Text]:
    """Bars of the active mode on the right, the zero mass apart on the left, each on a scale of its own."""
    peak = float(columns.max()) or 1.0
    eighths = np.ceil(columns / peak * _HEIGHT * 8).astype(np.int64)
    zeros = int(np.ceil(content["zero_share"] * _HEIGHT * 8))
    lines = []
    for row in range(_HEIGHT):
        floor = 8 * (_HEIGHT - 1 - row)
        label = f"{_share(content['zero_share']):>7}" if row == 0 else " " * 7
        zero = str(_BLOCKS[min(max(zeros - floor, 0), 8)])
        bars = "".join(_BLOCKS[np.clip(eighths - floor, 0, 8)])
        lines.append(Text.assemble((label, "dim"), (zero, "bold"), "│", (bars, _BARS)))
    return lines


def _axis(ranges: dict[str, float], cells: int, lowest: float, highest: float) -> Text:
    marks = ["─"] * cells
    for value in ranges.values():
        marks[_column(value, cells, lowest, highest)] = "┃"
    line = Text("      0 └", "dim")
    return line.append("".join(marks), _OBSERVERS_LINE)


def _names(ranges: dict[str, float], cells: int, lowest: float, highest: float) -> list[Text]:
    """The names of ranges below their marks."""
    marks = {name: _column(value, cells, lowest, highest) for name, value in ranges.items()}
    lines = []
    for placed in place_labels(marks, cells):
        line = Text(" " * _MARGIN)
        for start, text, _ in placed:
            line.append(" " * (_MARGIN + start - line.cell_len)).append(text, _OBSERVERS_LINE)
        lines.append(line)
    return lines


def _ends(cells: int, lowest: float, highest: float) -> Text:
    left, right = f"{lowest:.2g}", f"{highest:.3g}, log scale"
    return Text(" " * _MARGIN + left + right.rjust(cells - len(left)), "dim")


def _column(value: float, cells: int, lowest: float, highest: float) -> int:
    return int(np.clip(position(value, cells, lowest, highest), 0, cells - 1))


def _costs(content: dict[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("observer would choose")
    for heading in ("range", "scale", "SQNR", "active", "clip"):
        table.add_column(heading, justify="right")
    for cost in content["observers"]:
        table.add_row(
            Text(cost["observer"], "bold" if cost["observer"] == content["observer"] else ""),
            f"{cost['range']:.4g}",
            f"{cost['scale']:.4g}",
            _decibels(cost["sqnr"]),
            _decibels(cost["sqnr_active"]),
            _share(cost["clip_share"]),
        )
    return table


def _channels(peaks: list[float]) -> Text:
    values = np.array(peaks)
    return Text(
        f"{len(peaks)} channels, largest weights {values.min():.3g} to {values.max():.3g}: {_sparkline(values, 64)}"
    )


def _sparkline(values: NDArray[np.float64], width: int) -> str:
    """Values as a line of blocks, the mean of neighbours where there are more than `width`."""
    parts = np.array([part.mean() for part in np.array_split(values, min(width, len(values)))])
    return "".join(_BLOCKS[np.clip(np.ceil(parts / (parts.max() or 1.0) * 8).astype(int), 0, 8)])


def _alarm_lines(alarms: list[dict[str, Any]], named: bool) -> list[Text]:
    return [
        Text.assemble(
            (f"{alarm['tensor']}: " if named else "", "bold"),
            (f"{alarm['sentence']}. ", "yellow"),
            (f"{alarm['remedy']}.", "dim"),
        )
        for alarm in alarms
    ]


def _share(share: float) -> str:
    return "0" if share == 0 else f"{100 * share:.1f} %" if share >= 0.0005 else "<0.1 %"


def _decibels(value: float | None) -> str:
    return "∞" if value is None else f"{value:.1f} dB"
