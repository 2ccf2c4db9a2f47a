"""The Jobs pane: the queue, and of the chosen job its stages, curves and log."""

from __future__ import annotations

import time

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import DataTable, Static
from textual.worker import get_current_worker

from evbench.tui import numbers
from evbench.tui.actions import bindings
from evbench.tui.drawing import bar
from evbench.tui.messages import JobRead
from evbench.tui.panes.base import TROUBLE
from evbench.tui.panes.steering import SteeringPane
from evbench.tui.state.job import JobDetail, read_job
from evbench.tui.state.queue import JobEntry, JobsState
from evbench.tui.widgets.log_view import LogView
from evbench.tui.widgets.loss_plot import LossPlot
from evbench.tui.widgets.stage_list import STATE_STYLES, StageList

_EVERY = 0.25
_WIDE = 110
_DIM = "#8a93a6"
_COLUMNS = (("job", 3), ("recipe", 21), ("state", 11), ("progress", 12), ("stage", 8), ("time", 9), ("board", 18))
_TEACH = """No job has run in this workspace yet.

n   starts a recipe: train, quantise, build, measure
F5  builds, flashes and profiles the bundled model

Jobs run in processes of their own:
they go on when the workbench is closed."""


class JobsPane(SteeringPane):
    """Shows and steers jobs; owns which one is chosen and which of its metrics is drawn."""

    BINDINGS = bindings("jobs")

    clock = staticmethod(time.time)

    def __init__(self) -> None:
        super().__init__(id="jobs")
        self._jobs = JobsState()
        self._chosen: int | None = None
        self._detail: JobDetail | None = None
        self._metric = ""
        self._drawn: dict[int, JobEntry] = {}

    def compose(self) -> ComposeResult:
        queue: DataTable[Text] = DataTable(
            id="queue", classes="box", cursor_type="row", cursor_foreground_priority="renderable"
        )
        queue.border_title = "jobs"
        yield queue
        yield Static(Text(_TEACH), id="no-jobs", classes="box")
        with Horizontal(id="middle"):
            yield StageList(id="stages")
            yield LossPlot(id="curve")
        yield LogView(id="log")

    def on_mount(self) -> None:
        self._fill()
        self.set_interval(_EVERY, self._poll)

    def shown(self) -> None:
        self.query_one(DataTable).focus()
        self._poll()

    @property
    def chosen_job(self) -> int | None:
        return self._chosen

    def choose_job(self, job_id: int) -> None:
        self._chosen = job_id

    # --- the queue ----------------------------------------------------------------------------------------------------

    def jobs_changed(self, jobs: JobsState) -> None:
        self._jobs = jobs
        if self.is_mounted:
            self._fill()
            self._show_stages()

    def shows(self, job: JobEntry) -> bool:
        # Where there is no room for stages, there is none for why one failed.
        return self.query_one(StageList).display or job.state == "done"

    def _fill(self) -> None:
        table = self.query_one(DataTable)
        jobs = self._jobs.jobs
        for part in ("#queue", "#middle", "#log"):
            self.query_one(part).display = bool(jobs)
        self.query_one("#no-jobs").display = not jobs and self._jobs.read
        held = " · ".join(self._jobs.held)
        if table.border_subtitle != held:
            table.border_subtitle = held
        keys = [str(job.id) for job in jobs]
        self._set_columns(table)
        if keys != [key.value for key in table.rows]:
            table.clear()
            for job in jobs:
                table.add_row(*self._cells(job), key=str(job.id))
            if self._chosen is None and jobs:
                self._chosen = jobs[0].id
            if str(self._chosen) in keys:
                table.move_cursor(row=keys.index(str(self._chosen)))
        else:
            changed = [job for job in jobs if job.state == "running" or job != self._drawn.get(job.id)]
            for job in changed:
                for (name, _), cell in zip(_COLUMNS, self._cells(job), strict=True):
                    if table.get_cell(str(job.id), name) != cell:
                        table.update_cell(str(job.id), name, cell)
        self._drawn = {job.id: job for job in jobs}

    def _set_columns(self, table: DataTable[Text]) -> None:
        """Long names of recipes are worth more room where there is some."""
        widths = dict(_COLUMNS)
        if self.app.size.width >= _WIDE:
            widths["recipe"] = 34
        if {str(key.value): column.width for key, column in table.columns.items()} != widths:
            table.clear(columns=True)
            for name, width in widths.items():
                table.add_column(name, key=name, width=width)

    def on_resize(self) -> None:
        self._fill()

    def _cells(self, job: JobEntry) -> list[Text]:
        seconds = job.seconds(self.clock())
        style = STATE_STYLES[job.state]
        progress = Text(bar(job.progress, 6), style)
        progress.append(f" {job.progress * 100:3.0f} %", _DIM)
        return [
            Text(str(job.id), "bold"),
            Text(job.recipe if job.kind == "run" else f"{job.kind} {job.recipe}", no_wrap=True, overflow="ellipsis"),
            Text(job.state, style),
            progress,
            Text(job.stage.partition(" ")[0]),
            Text("" if seconds is None else numbers.elapsed(seconds)),
            Text(job.board, _DIM),
        ]

    @on(DataTable.RowHighlighted)
    def _choose(self, event: DataTable.RowHighlighted) -> None:
        if event.row_key is not None and event.row_key.value is not None:
            self._chosen = int(event.row_key.value)
            self.read(self._chosen, self._detail)

    # --- the chosen job -----------------------------------------------------------------------------------------------

    def _poll(self) -> None:
        if not self.display or self._chosen is None:
            return
        if any(job.state == "running" for job in self._jobs.jobs):
            self._fill()
        if not self.busy("job"):
            self.read(self._chosen, self._detail)

    @work(thread=True, exclusive=True, group="job")
    def read(self, job_id: int, before: JobDetail | None) -> None:
        try:
            detail = read_job(self.workbench.store, job_id, before)
        except TROUBLE as error:
            self.refuse(error)
            return
        if detail.differs(before) and not get_current_worker().is_cancelled:
            self.post_message(JobRead(detail))

    @on(JobRead)
    def _show(self, message: JobRead) -> None:
        if message.detail.job_id != self._chosen:
            return
        self._detail = message.detail
        self._show_stages()
        self.query_one(LogView).show(message.detail.log)
        self.query_one(LogView).border_title = f"log of job {message.detail.job_id}"
        self._draw()

    def _show_stages(self) -> None:
        if self._detail is not None:
            self.query_one(StageList).show(self._detail.stages, self._jobs.entry(self._detail.job_id))

    def _draw(self) -> None:
        detail = self._detail
        if detail is None:
            return
        metrics = detail.metrics
        if self._metric not in metrics:
            self._metric = metrics[0] if metrics else ""
        plot = self.query_one(LossPlot)
        plot.show(self._metric, detail.drawn(self._metric))
        if len(metrics) > 1:
            plot.border_subtitle = f"{metrics.index(self._metric) + 1} of {len(metrics)} · m next"

    def action_metric(self) -> None:
        if self._detail is not None and (metrics := self._detail.metrics):
            self._metric = metrics[(metrics.index(self._metric) + 1) % len(metrics)]
            self._draw()

    def action_search(self) -> None:
        if self._jobs.jobs:
            self.query_one(LogView).search()
