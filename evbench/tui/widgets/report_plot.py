"""One figure of a report drawn for every approach: measured as a point with its interval or as a bar, claimed as ◇."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from rich.text import Text
from textual.widgets import Static

from evbench.jobs.display import approach_name, model_size, percent
from evbench.jobs.reporting.content import claim_of
from evbench.jobs.reporting.table import latency_text, round_size
from evbench.tui import inks
from evbench.tui.approach_inks import approach_ink
from evbench.tui.drawing import bar

Figure = Literal["accuracy", "latency", "size"]

_NAME, _VALUE = 12, 9
_KEYS: Mapping[Figure, tuple[str, str]] = {
    "accuracy": ("accuracy_window", "accuracy"),
    "latency": ("latency_ms", "latency_ms"),
    "size": ("model_bytes", "model_bytes"),
}
"""The key of a figure in a row and in a claim."""


class ReportPlot(Static):
    """Accuracies on a linear axis up to 100 %, latencies and sizes on logarithmic ones."""

    def __init__(self, figure: Figure, *, id: str) -> None:
        super().__init__(id=id, classes="box")
        self._figure = figure
        self._content: dict[str, Any] | None = None
        self.border_title = "accuracy per window" if figure == "accuracy" else figure

    def show(self, content: Mapping[str, Any]) -> None:
        """Draw this report's figures in place of the ones before."""
        self._content = dict(content)
        modelled = self._figure == "latency" and any(row["modelled"] for row in content["rows"])
        self.border_subtitle = "modelled · ◇ claimed" if modelled else "◇ claimed"
        if self._figure == "accuracy":
            self.border_subtitle = "━ 95 % interval · ◇ claimed"
        self._draw()

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        content = self._content
        width = self.content_size.width - _NAME - _VALUE
        if content is None or width < 4:
            return
        mine, theirs = _KEYS[self._figure]
        everything = [row[mine] for row in content["rows"]] + [claim[theirs] for claim in content["claims"]]
        if self._figure == "accuracy":
            everything += [row["accuracy_window_ci95"][0] for row in content["rows"]]
        axis = _Axis(everything, logarithmic=self._figure != "accuracy")
        text = Text(no_wrap=True, overflow="crop")
        for row in content["rows"]:
            claim = claim_of(content, row["approach"])
            text.append(f"{approach_name(row['approach'])[: _NAME - 1]:<{_NAME}}", approach_ink(row["approach"]))
            text.append_text(self._line(row, axis, width, claim[theirs] if claim else None))
            text.append(f"{self._write(row[mine]):>{_VALUE}}\n", "bold")
        low, high = self._edges(axis)
        text.append(f"{'':{_NAME}}{low}{high:>{width - len(low)}}", inks.QUIET)
        self.update(text)

    def _line(self, row: Mapping[str, Any], axis: _Axis, width: int, claimed: float | None) -> Text:
        ink = approach_ink(row["approach"])
        value = axis.share(row[_KEYS[self._figure][0]])
        if self._figure == "accuracy":
            cells = ["·"] * width
            first, last = (_cell(axis.share(bound), width) for bound in row["accuracy_window_ci95"])
            cells[first : last + 1] = "━" * (last + 1 - first)
            cells[_cell(value, width)] = "●"
        else:
            cells = list(bar(value, width))
        styles = [inks.FAINT if cell == "·" else ink for cell in cells]
        if claimed is not None:
            place = _cell(axis.share(claimed), width)
            filled = cells[place] == "█"
            cells[place], styles[place] = "◇", f"{inks.GROUND} on {ink}" if filled else inks.TEXT
        text = Text()
        for cell, style in zip(cells, styles, strict=True):
            text.append(cell, style)
        return text

    def _write(self, value: float) -> str:
        if self._figure == "accuracy":
            return percent(value)
        return latency_text(value) if self._figure == "latency" else model_size(round(value))

    def _edges(self, axis: _Axis) -> tuple[str, str]:
        low, high = axis.low, axis.high
        if self._figure == "accuracy":
            return f"{100 * low:.0f} %", f"{100 * high:.0f} %"
        if self._figure == "latency":
            return f"{10**low:g} ms", f"{10**high:g} ms"
        return round_size(10**low), round_size(10**high)


class _Axis:
    """From a round number below all values to one above them; `low` and `high` are logarithms on a logarithmic one."""

    def __init__(self, values: list[float], *, logarithmic: bool) -> None:
        self._logarithmic = logarithmic
        if logarithmic:
            self.low = float(math.floor(math.log10(min(values))))
            self.high = float(max(math.ceil(math.log10(max(values))), self.low + 1))
        else:
            self.low, self.high = min(math.floor(min(values) * 10) / 10, 0.9), 1.0

    def share(self, value: float) -> float:
        place = math.log10(value) if self._logarithmic else value
        return (place - self.low) / (self.high - self.low)


def _cell(share: float, width: int) -> int:
    return min(max(round(share * (width - 1)), 0), width - 1)
