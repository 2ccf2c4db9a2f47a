"""One study of the workspace: its claim, a line per variant over seeds, and the verdict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from evbench.tui import inks

_TEACH = """No study has been finished in this workspace.

`evbench study list` shows which claims can be tested;
`evbench study NAME` trains the variants with several seeds
and says whether the claim held."""


class StudyView(VerticalScroll):
    """The table of `evbench study`; the title says which of how many it is."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id, classes="box")
        self.border_title = "studies"

    def compose(self) -> ComposeResult:
        yield Static(Text(_TEACH, inks.QUIET), id="study-text")

    def show(self, study: Mapping[str, Any] | None, number: int, total: int) -> None:
        """Show study `number` of `total`, counted from 0; None where there is none."""
        if study is None:
            return
        from evbench.jobs.studies.tables import study_table

        self.border_title = f"study {number + 1} of {total}"
        self.border_subtitle = "s next study" if total > 1 else ""
        self.query_one("#study-text", Static).update(study_table(dict(study)))
