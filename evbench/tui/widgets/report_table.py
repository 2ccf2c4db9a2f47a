"""The approaches of a report side by side: what was measured, below it what is claimed, and what both stand on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from evbench.jobs.reporting.content import data_sentence
from evbench.jobs.reporting.table import HEADINGS, NOTHING, Column, ReportLine, notes, report_lines
from evbench.tui import inks
from evbench.tui.approach_inks import approach_ink

_NAME = 12
_ROOMY = 108
_SHORT: dict[Column, str] = {"window": "per window", "recording": "per recording"}
_SCARCE: tuple[Column, ...] = ("size", "window", "recording", "latency", "ram")
"""The columns where there is no room for all."""


class ReportTable(VerticalScroll):
    """A table with a line per approach, and one in italics for what is claimed of it."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id, classes="box")
        self._content: dict[str, Any] | None = None

    def compose(self) -> ComposeResult:
        yield Static(id="report-lines")
        yield Static(id="report-notes")

    def show(self, content: Mapping[str, Any]) -> None:
        """Show this report in place of the one before."""
        self._content = dict(content)
        self.border_title = f"{content['name']}, job {content['job']}"
        self._draw()

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        content = self._content
        if content is None:
            return
        width = self.scrollable_content_region.width - 1
        roomy = width >= _ROOMY
        columns = tuple(HEADINGS) if roomy else _SCARCE
        lines = [_trimmed(line, roomy) for line in report_lines(content)]
        headings = {c: HEADINGS[c] if roomy else _SHORT.get(c, HEADINGS[c]) for c in columns}
        modelled = any(row["modelled"] for row in content["rows"])
        if modelled and roomy:
            headings["latency"] = "latency, modelled"
        lines = [_aligned(line, lines) for line in lines]
        widths = {c: max(len(headings[c]), *(len(line.cells[c]) for line in lines)) for c in columns}
        gap = max(1, min(3, (width - _NAME - sum(widths.values())) // len(columns)))
        text = Text(no_wrap=True, overflow="crop").append(" " * _NAME, inks.QUIET)
        text.append("".join(f"{headings[c]:>{gap + widths[c]}}" for c in columns), inks.QUIET)
        for line in lines:
            text.append("\n").append_text(_drawn(line, {c: gap + widths[c] for c in columns}))
        self.query_one("#report-lines", Static).update(text)
        self.query_one("#report-notes", Static).update(_notes(content))


def _trimmed(line: ReportLine, roomy: bool) -> ReportLine:
    """Intervals lose their brackets where room is scarce: "99.4 % 98.2 to 99.8"."""
    if roomy:
        return line
    cells = {c: text.replace("(", "").replace(")", "").replace(" to ", "–") for c, text in line.cells.items()}
    return ReportLine(line.approach, line.name, line.claimed, cells)


def _aligned(line: ReportLine, lines: Sequence[ReportLine]) -> ReportLine:
    """A claimed accuracy has no interval; it stands below the measured ones nevertheless."""
    if not line.claimed:
        return line
    intervals = [len(other.cells["window"].partition("%")[2]) for other in lines if not other.claimed]
    return replace(line, cells={**line.cells, "window": line.cells["window"] + " " * max(intervals)})


def _drawn(line: ReportLine, widths: Mapping[Column, int]) -> Text:
    if line.claimed:
        text = Text().append(f"{'  claimed':<{_NAME}}", f"italic {inks.QUIET}")
    else:
        text = Text().append(f"{line.name[: _NAME - 1]:<{_NAME}}", f"bold {approach_ink(line.approach)}")
    for column, width in widths.items():
        cell = f"{line.cells[column]:>{width}}"
        quiet = line.claimed or line.cells[column] == NOTHING
        text.append(cell, f"italic {inks.QUIET}" if quiet else inks.TEXT)
    return text


def _notes(content: dict[str, Any]) -> Text:
    text = Text("\n").append(data_sentence(content), inks.TEXT if content["data"]["claimed"] else inks.CAUTION)
    for note in notes(content):
        text.append(f"\n{note}", inks.QUIET)
    return text
