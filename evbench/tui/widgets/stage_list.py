"""Shows the steps of a job: which are done, reused, running or failed, and how far each is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from evbench.tui import numbers
from evbench.tui.drawing import bar

if TYPE_CHECKING:
    from evbench.jobs.store import StageRow
    from evbench.tui.state.queue import JobEntry

_DIM = "#8a93a6"
_ROOM_FOR_RESULTS = 60
STATE_STYLES = {
    "queued": _DIM,
    "running": "#ffb000",
    "done": "#4fc08d",
    "failed": "#ff5c8a",
    "cancelled": "#b58cff",
    "interrupted": "#fe6100",
}
_SIGNS = {
    "waiting": ("·", _DIM),
    "running": ("▶", "#ffb000"),
    "done": ("✓", "#4fc08d"),
    "reused": ("↺", "#4fc08d"),
    "failed": ("✗", "#ff5c8a"),
}


class StageList(VerticalScroll):
    """One line per stage: sign, name, approach, time or progress, and what it says."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, classes="box")
        self.border_title = "stages"
        self._active: int | None = None
        self._stages: Sequence[StageRow] = ()

    def compose(self) -> ComposeResult:
        yield Static(classes="stage-error")
        yield Static(classes="stage-lines")

    def show(self, stages: Sequence[StageRow], job: JobEntry | None) -> None:
        """Show these stages, and why their job ended if it went wrong; a stage it was in the midst of has failed."""
        error = job.error if job else ""
        if job is not None and job.state in ("failed", "cancelled", "interrupted"):
            stages = [replace(stage, state="failed") if stage.state == "running" else stage for stage in stages]
        said = self.query_one(".stage-error", Static)
        said.update(Text(error, "#ff5c8a"))
        said.display = bool(error)
        self._stages = stages
        self._draw()

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        stages = self._stages
        width = max((len(_title(stage)) for stage in stages), default=0)
        lines = [line for stage in stages for line in _lines(stage, width, self.size.width >= _ROOM_FOR_RESULTS)]
        self.query_one(".stage-lines", Static).update(Text("\n", no_wrap=True, overflow="ellipsis").join(lines))
        active = next((number for number, line in enumerate(lines) if line.plain.startswith("▶")), None)
        if active is not None and active != self._active:
            self.call_after_refresh(self.scroll_to, y=max(0, active - 3), animate=False)
        self._active = active


def _title(stage: StageRow) -> str:
    return f"{stage.name} {stage.approach}".rstrip()


def _lines(stage: StageRow, width: int, results: bool) -> list[Text]:
    sign, style = _SIGNS[stage.state]
    line = Text(f"{sign} ", style)
    line.append(_title(stage).ljust(width), "#c6ccd8" if stage.state != "waiting" else _DIM)
    if stage.state == "running":
        line.append(f" {bar(stage.progress, 8)} {stage.progress * 100:3.0f} %", "#ffb000")
        return [line, Text(f"    {stage.message}", _DIM)]
    if stage.state == "reused":
        line.append("  reused", _DIM)
    elif stage.state == "done" and stage.started and stage.finished:
        line.append(f" {numbers.elapsed(stage.finished - stage.started):>7}", _DIM)
    if results and stage.message:
        line.append(f"  {stage.message}", _DIM)
    return [line]
