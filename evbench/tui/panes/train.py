"""The Train pane: the runs of the workspace, and of the chosen one how its networks learn."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.containers import Container, Horizontal
from textual.widgets import DataTable, Static
from textual.worker import get_current_worker

from evbench.tui import inks
from evbench.tui.actions import bindings
from evbench.tui.dialogs import Choice, ChoiceDialog
from evbench.tui.messages import Submitted, TrainingRead
from evbench.tui.panes.base import TROUBLE
from evbench.tui.panes.steering import SteeringPane
from evbench.tui.state.queue import JobEntry, JobsState
from evbench.tui.state.training import TrainState, read_training
from evbench.tui.widgets.confusion_view import ConfusionView
from evbench.tui.widgets.difference_view import DifferenceView
from evbench.tui.widgets.scale_list import ScaleList
from evbench.tui.widgets.stage_list import STATE_STYLES
from evbench.tui.widgets.training_plot import TrainingPlot
from evbench.tui.widgets.training_table import TrainingTable

if TYPE_CHECKING:
    from evbench.tui.recipes.sweep_dialog import SweepWish

_EVERY = 0.25
_WIDE = 110
_WIDER = 160
_LONG_NAMES = 41
_ALL = "all"
_VIEWS = ("loss", "accuracy", "scales", "confusion")
_COLUMNS = (("job", 3), ("recipe", 17), ("state", 8), ("", 4))
_TEACH = """No recipe has been run in this workspace yet.

n   starts one: its networks are trained, quantised, built and measured,
    and you see here how they learn
p   shows recipes: change one, compare two, sweep a setting

bars-voxel-qat needs no data and takes a few minutes."""


class TrainPane(SteeringPane):
    """Shows how a run's networks learn; owns which run is chosen, which one it is compared with, and the view."""

    BINDINGS = bindings("train")

    clock = staticmethod(time.time)

    def __init__(self) -> None:
        super().__init__(id="train")
        self._jobs = JobsState()
        self._chosen: int | None = None
        self._compared: int | None = None
        self._shown: TrainState | None = None
        self._other: TrainState | None = None
        self._comparison: Mapping[str, Any] | None = None
        self._view = _ALL
        self._approach = ""
        self._whole = False
        self._logarithmic = False

    def compose(self) -> ComposeResult:
        yield Static(Text(_TEACH), id="no-training", classes="box")
        with Horizontal(id="train-top"):
            runs: DataTable[Text] = DataTable(
                id="runs", classes="box", cursor_type="row", cursor_foreground_priority="renderable"
            )
            runs.border_title = "runs"
            yield runs
            yield TrainingTable(id="trainings")
        with Container(id="train-views"):
            yield TrainingPlot("loss", id="loss")
            yield TrainingPlot("accuracy", id="accuracy")
            yield DifferenceView(id="difference")
            yield ScaleList(id="scales")
            yield ConfusionView(id="confusion")

    def on_mount(self) -> None:
        self._fill()
        self._lay_out()
        self.set_interval(_EVERY, self._poll)

    def shown(self) -> None:
        self.query_one(DataTable).focus()
        self._poll()

    def on_resize(self) -> None:
        self._fill()
        self._lay_out()

    # --- the runs -----------------------------------------------------------------------------------------------------

    @property
    def chosen_job(self) -> int | None:
        return self._chosen

    def choose_job(self, job_id: int) -> None:
        self._chosen = job_id

    def visit(self, subject: object) -> None:
        if isinstance(subject, int):
            self._chosen = subject
            self._fill()

    def shows(self, job: JobEntry) -> bool:
        return job.kind == "run"

    def jobs_changed(self, jobs: JobsState) -> None:
        self._jobs = jobs
        if self.is_mounted:
            self._fill()

    @property
    def _runs(self) -> tuple[JobEntry, ...]:
        return tuple(job for job in self._jobs.jobs if job.kind == "run")

    def _fill(self) -> None:
        runs = self._runs
        for part in ("#train-top", "#train-views"):
            self.query_one(part).display = bool(runs)
        self.query_one("#no-training").display = not runs and self._jobs.read
        table = self.query_one(DataTable)
        width = self._set_columns(table)
        keys = [str(job.id) for job in runs]
        if keys != [key.value for key in table.rows]:
            table.clear()
            for job in runs:
                table.add_row(*_cells(job, width), key=str(job.id))
            if str(self._chosen) not in keys:
                self._chosen = runs[0].id if runs else None
        else:
            for job in runs:
                for (name, _), cell in zip(_COLUMNS, _cells(job, width), strict=True):
                    if table.get_cell(str(job.id), name) != cell:
                        table.update_cell(str(job.id), name, cell)
        if str(self._chosen) in keys and table.cursor_row != keys.index(str(self._chosen)):
            table.move_cursor(row=keys.index(str(self._chosen)))

    def _set_columns(self, table: DataTable[Text]) -> int:
        """Long names of recipes are worth more room where there is some; returns how much they have."""
        widths = dict(_COLUMNS)
        if not _WIDE <= self.app.size.width < _WIDER:
            widths["recipe"] = _LONG_NAMES
        if {str(key.value): column.width for key, column in table.columns.items()} != widths:
            table.clear(columns=True)
            for name, width in widths.items():
                table.add_column(name, key=name, width=width)
        return widths["recipe"]

    @on(DataTable.RowHighlighted)
    def _choose(self, event: DataTable.RowHighlighted) -> None:
        if event.row_key is not None and event.row_key.value is not None:
            self._chosen = int(event.row_key.value)
            if self._compared == self._chosen:
                self._compared = None
            self._poll()

    # --- the chosen run -----------------------------------------------------------------------------------------------

    def _poll(self) -> None:
        if self.display and self._chosen is not None and not self.busy("training"):
            self.read(self._chosen, self._compared)

    @work(thread=True, exclusive=True, group="training")
    def read(self, job_id: int, compared: int | None) -> None:
        from evbench.jobs.run_comparison import compare_runs

        store, now = self.workbench.store, self.clock()
        try:
            shown = read_training(store, job_id, now, self._shown)
            other = read_training(store, compared, now, self._other) if compared else None
            changed = shown.differs(self._shown) or (other is None) != (self._other is None)
            if changed or (other is not None and other.differs(self._other)):
                comparison = compare_runs(store, job_id, compared) if compared else None
                if not get_current_worker().is_cancelled:
                    self.post_message(TrainingRead(shown, other, comparison))
        except TROUBLE as error:
            self.refuse(error)

    @on(TrainingRead)
    def _take(self, message: TrainingRead) -> None:
        fresh = self._shown is None or message.shown.job_id != self._shown.job_id
        compared = (self._other is None) != (message.other is None)
        self._shown, self._other, self._comparison = message.shown, message.other, message.comparison
        if fresh:
            self._approach = ""
        if compared:
            self._lay_out()
        self._draw()

    def _draw(self) -> None:
        shown, other = self._shown, self._other
        if shown is None:
            return
        table = self.query_one(TrainingTable)
        table.border_title = f"training of job {shown.job_id}"
        table.show(shown.rows)
        planned = [row.epochs for state in (shown, other) if state for row in state.rows]
        epochs = float(max(planned, default=0)) if shown.in_epochs else 0.0
        axis = "over epochs" if shown.in_epochs else "over steps"
        faded = f" · faded: job {other.job_id}" if other else ""
        for plot in self.query(TrainingPlot):
            plot.show(
                shown.of(plot.quantity),
                other.of(plot.quantity) if other else (),
                epochs=epochs,
                logarithmic=self._logarithmic and plot.quantity == "loss",
                subtitle=f"{axis} · • validation{faded}" + " · l log" * (plot.quantity == "loss"),
            )
        self.query_one(ScaleList).show(shown.scales)
        self.query_one(ConfusionView).show(shown.confusion.get(self._confused), self._whole)
        if self._comparison is not None:
            self.query_one(DifferenceView).show(self._comparison)

    # --- views --------------------------------------------------------------------------------------------------------

    @property
    def _views(self) -> tuple[str, ...]:
        """The views that keys go through: all together only where there is room for it."""
        single = (*_VIEWS, "difference") if self._compared is not None else _VIEWS
        return (_ALL, *single) if self.app.size.width >= _WIDE else single

    def _lay_out(self) -> None:
        if self._view not in self._views:
            self._view = self._views[0]
        together = ("loss", "accuracy", "difference" if self._compared is not None else "scales", "confusion")
        visible = together if self._view == _ALL else (self._view,)
        for name in (*_VIEWS, "difference"):
            self.query_one(f"#{name}").display = name in visible
        self.query_one("#train-views").set_class(self._view != _ALL, "-one")
        table = self.query_one(DataTable)
        table.show_header = self.app.size.width >= _WIDE
        table.set_class(self.app.size.width >= _WIDER, "-long")

    def action_view(self) -> None:
        views = self._views
        self._view = views[(views.index(self._view) + 1) % len(views)]
        self._lay_out()

    @property
    def _confused(self) -> str:
        """Whose confusion matrix is shown: that of the approach trained last, until the user chooses another."""
        names = list(self._shown.confusion) if self._shown else []
        return self._approach if self._approach in names else names[-1] if names else ""

    def action_approach(self) -> None:
        if self._shown is not None and self._shown.confusion:
            names = list(self._shown.confusion)
            self._approach = names[(names.index(self._confused) + 1) % len(names)]
            self._draw()

    def action_whole(self) -> None:
        self._whole = not self._whole
        self._draw()

    def action_logarithmic(self) -> None:
        self._logarithmic = not self._logarithmic
        self._draw()

    # --- recipes ------------------------------------------------------------------------------------------------------

    def action_recipes(self) -> None:
        from evbench.tui.recipes.recipes_screen import RecipesScreen

        data = self.workbench.data
        folder = data if data is not None and data.is_dir() else None
        shown = self._jobs.entry(self._chosen)
        screen = RecipesScreen(self.workbench.workspace, folder, shown.recipe if shown else "")
        self.app.push_screen(screen, self._sweep_if_wished)

    def _sweep_if_wished(self, wish: SweepWish | None) -> None:
        if wish is not None:
            self.sweep(wish)

    @work(thread=True, group="steer")
    def sweep(self, wish: SweepWish) -> None:
        from evbench.jobs.sweep import start_sweep

        try:
            jobs = start_sweep(self.workbench.workspace, wish.recipe, wish.sweep, wish.data)
        except TROUBLE as error:
            self.refuse(error)
        else:
            self.post_message(Submitted(jobs[0]))

    # --- comparing ----------------------------------------------------------------------------------------------------

    def action_compare(self) -> None:
        if self._compared is not None:
            self._compare_with(None)
            return
        others = [job for job in self._runs if job.id != self._chosen]
        if not others:
            self.refuse(_nothing_to_compare())
            return
        choices = [Choice(str(job.id), f"job {job.id}", f"{job.recipe} · {job.state}") for job in others]
        self.app.push_screen(
            ChoiceDialog(f"Compare job {self._chosen} with", choices),
            lambda value: self._compare_with(int(value)) if value else None,
        )

    def _compare_with(self, job_id: int | None) -> None:
        self._compared = job_id
        self._lay_out()
        self._poll()


def _nothing_to_compare() -> Exception:
    from evbench.errors import JobError

    return JobError("There is no other run to compare with", remedy="Start one with n")


def _shortened(name: str, width: int) -> str:
    """A name in `width` cells: its middle is left out, for the runs of a sweep differ at their ends."""
    end = width * 2 // 3
    return name if len(name) <= width else f"{name[: width - end - 1]}…{name[-end:]}"


def _cells(job: JobEntry, width: int) -> list[Text]:
    style = STATE_STYLES[job.state]
    return [
        Text(str(job.id), f"bold {inks.TEXT}"),
        Text(_shortened(job.recipe, width), inks.TEXT, no_wrap=True),
        Text(job.state[:8], style),
        Text(f"{job.progress * 100:3.0f}%", inks.QUIET),
    ]
