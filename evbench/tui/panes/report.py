"""The Report pane: the approaches of a finished run side by side, beside what has been published, and studies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.containers import Container
from textual.widgets import Static
from textual.worker import get_current_worker

from evbench.tui.actions import bindings
from evbench.tui.dialogs import Choice, ChoiceDialog
from evbench.tui.messages import ReportRead, ReportWritten
from evbench.tui.panes.base import TROUBLE, Pane
from evbench.tui.state.queue import JobEntry, JobsState
from evbench.tui.state.report import ReportState, read_report
from evbench.tui.widgets.report_plot import ReportPlot
from evbench.tui.widgets.report_table import ReportTable
from evbench.tui.widgets.study_view import StudyView

_WIDE, _TALL = 110, 34
_VIEWS = ("table", "plots", "studies")
_FORMATS = (
    Choice("html", "HTML", "one file with tables, plots and studies"),
    Choice("markdown", "Markdown", "tables and studies, to paste elsewhere"),
    Choice("json", "JSON", "everything, for programs"),
)
_TEACH = """No run has been finished in this workspace yet.

3 n  starts a recipe: when it is done, its approaches stand here
     side by side: size, accuracy, latency, flash and RAM,
     beside what has been published of them
e    then writes that as Markdown, HTML or JSON"""


class ReportPane(Pane):
    """Shows reports; owns which run's, and which view and study."""

    BINDINGS = bindings("report")

    def __init__(self) -> None:
        super().__init__(id="report")
        self.can_focus = True
        self._state = ReportState()
        self._read = False
        self._wanted: int | None = None
        self._done: frozenset[int] = frozenset()
        self._study = 0
        self._view = _VIEWS[0]

    def compose(self) -> ComposeResult:
        yield Static(Text(_TEACH), id="no-report", classes="box")
        yield ReportTable(id="report-table")
        with Container(id="report-plots"):
            yield ReportPlot("accuracy", id="report-accuracy")
            yield ReportPlot("latency", id="report-latency")
            yield ReportPlot("size", id="report-size")
        yield StudyView(id="report-studies")

    def on_mount(self) -> None:
        self._lay_out()

    def shown(self) -> None:
        self._focus_view()
        self.read(self._wanted)

    def on_resize(self) -> None:
        self._lay_out()

    def visit(self, subject: object) -> None:
        if isinstance(subject, int):
            self._wanted = subject
            self.read(subject)

    def shows(self, job: JobEntry) -> bool:
        return job.kind in ("run", "study") and job.state == "done"

    def jobs_changed(self, jobs: JobsState) -> None:
        done = frozenset(job.id for job in jobs.jobs if job.state == "done" and job.kind in ("run", "study"))
        if done != self._done:
            self._done = done
            if self.is_mounted and self.display:
                self.read(self._wanted)

    @work(thread=True, exclusive=True, group="report")
    def read(self, job_id: int | None) -> None:
        try:
            state = read_report(self.workbench.store, job_id)
        except TROUBLE as error:
            self.refuse(error)
            return
        if not get_current_worker().is_cancelled:
            self.post_message(ReportRead(state))

    @on(ReportRead)
    def _take(self, message: ReportRead) -> None:
        self._state, self._read = message.state, True
        self._lay_out()
        content = message.state.content
        if content is not None:
            table = self.query_one(ReportTable)
            table.show(content)
            numbers = list(message.state.jobs)
            table.border_subtitle = f"report {len(numbers) - numbers.index(content['job'])} of {len(numbers)}"
            for plot in self.query(ReportPlot):
                plot.show(content)
        self._show_study()

    def _show_study(self) -> None:
        studies = self._state.studies
        self._study = min(self._study, max(len(studies) - 1, 0))
        self.query_one(StudyView).show(studies[self._study] if studies else None, self._study, len(studies))

    # --- views --------------------------------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        content, studies = self._state.content, self._state.studies
        together = self.app.size.width >= _WIDE and self.app.size.height >= _TALL
        view = "studies" if content is None else self._view
        self.query_one("#no-report").display = self._read and content is None and not studies
        for name in _VIEWS:
            part = self.query_one(f"#report-{name}")
            there = content is not None or (name == "studies" and bool(studies))
            part.display = there and (together or name == view)
            part.set_class(together, "-together")

    def action_view(self) -> None:
        self._view = _VIEWS[(_VIEWS.index(self._view) + 1) % len(_VIEWS)]
        self._lay_out()
        self._focus_view()

    def _focus_view(self) -> None:
        """What scrolls has the focus; plots do not, but a hidden part would take the keys with it."""
        part = self.query_one(f"#report-{self._view}")
        (part if part.display and part.can_focus else self).focus()

    def action_study(self) -> None:
        if self._state.studies:
            self._study = (self._study + 1) % len(self._state.studies)
            self._show_study()

    # --- which report -------------------------------------------------------------------------------------------------

    def action_step(self, older: int) -> None:
        numbers = list(self._state.jobs)
        if self._state.content is not None:
            place = numbers.index(self._state.content["job"]) + older
            self._choose(numbers[min(max(place, 0), len(numbers) - 1)])

    def action_job(self) -> None:
        if self._state.content is None:
            return
        choices = [Choice(str(number), f"job {number}", recipe) for number, recipe in self._state.jobs.items()]
        self.app.push_screen(
            ChoiceDialog("Report of", choices, str(self._state.content["job"])),
            lambda value: self._choose(int(value)) if value else None,
        )

    def _choose(self, job_id: int) -> None:
        self._wanted = job_id
        self.read(job_id)

    # --- files --------------------------------------------------------------------------------------------------------

    def action_export(self) -> None:
        if self._state.content is not None:
            self.app.push_screen(ChoiceDialog("Write the report as", _FORMATS), self._write_as)

    def _write_as(self, form: str | None) -> None:
        if form is not None and self._state.content is not None:
            self.write(self._state.content, form)

    @work(thread=True, group="export")
    def write(self, content: Mapping[str, Any], form: str) -> None:
        from evbench.jobs.reporting.export import SUFFIXES, report_file, write_report

        chosen = next(known for known in SUFFIXES if known == form)
        try:
            path = write_report(dict(content), chosen, report_file(self.workbench.workspace, dict(content), chosen))
        except TROUBLE as error:
            self.refuse(error)
        else:
            self.post_message(ReportWritten(path))

    @on(ReportWritten)
    def _say_where(self, message: ReportWritten) -> None:
        self.notify(str(message.path), title="The report is written")
