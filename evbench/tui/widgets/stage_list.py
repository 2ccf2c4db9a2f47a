"""Shows the steps of a job: which are done, reused, running or failed, and how far each is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from evbench.tui import numbers
from evbench.tui.drawing import bar

if TYPE_CHECKING:
    from evbench.jobs.store import StageRow

_DIM = "#8a93a6"
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

    def compose(self) -> ComposeResult:
        yield Static(id="stage-lines")

    def show(self, stages: Sequence[StageRow], error: str = "") -> None:
        """Show these stages, and why the job ended if it went wrong."""
        text = Text()
        if error:
            text.append(f"{error}\n\n", "#ff5c8a")
        width = max((len(_title(stage)) for stage in stages), default=0)
        for stage in stages:
            text.append_text(_line(stage, width))
        self.query_one(Static).update(text)


def _title(stage: StageRow) -> str:
    return f"{stage.name} {stage.approach}".rstrip()


def _line(stage: StageRow, width: int) -> Text:
    sign, style = _SIGNS[stage.state]
    line = Text(f"{sign} ", style)
    line.append(_title(stage).ljust(width), "" if stage.state != "waiting" else _DIM)
    if stage.state == "running":
        line.append(f" {bar(stage.progress, 8)} {stage.progress * 100:3.0f} %", "#ffb000")
    elif stage.state == "done" and stage.started and stage.finished:
        line.append(f" {numbers.elapsed(stage.finished - stage.started):>8}", _DIM)
    elif stage.state == "reused":
        line.append("   reused", _DIM)
    if stage.message and stage.state in ("running", "failed"):
        line.append(f"\n    {stage.message}", _DIM)
    return line.append("\n")
