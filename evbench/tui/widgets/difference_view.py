"""How two runs differ: the settings in which their recipes do, and what each came to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from evbench.jobs.display import approach_name
from evbench.jobs.run_comparison import figure
from evbench.tui import inks
from evbench.tui.approach_inks import approach_ink


class DifferenceView(VerticalScroll):
    """The JSON of `evbench jobs compare` as a table, the chosen run first."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id, classes="box")

    def compose(self) -> ComposeResult:
        yield Static(id="difference-text")

    def show(self, comparison: Mapping[str, Any]) -> None:
        """Show this comparison in place of the one before."""
        first, second = comparison["jobs"]
        self.border_title = f"job {first['job']} and job {second['job']}, faded"
        table = Table(box=None, pad_edge=False, show_header=True, header_style=inks.QUIET, expand=True)
        table.add_column("setting or best figure", ratio=2, no_wrap=True)
        for job in (first, second):
            table.add_column(f"job {job['job']}", ratio=1, no_wrap=True)
        for found in comparison["differences"]:
            table.add_row(Text(found["key"], inks.KEY), *(value or "–" for value in found["values"]))
        if not comparison["differences"]:
            table.add_row(Text("the recipes are the same", inks.QUIET))
        for best in comparison["best"]:
            name = f"{approach_name(best['approach'])} {best['metric'].replace('_', ' ')}"
            shown = (figure(best["metric"], value).replace("-", "–") for value in best["values"])
            table.add_row(Text(name, approach_ink(best["approach"])), *shown)
        self.query_one("#difference-text", Static).update(table)
