"""The Device pane: one key builds, flashes and profiles a model; then the cycles of each layer and the budget."""

from __future__ import annotations

from pathlib import Path

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Static
from textual.worker import get_current_worker

from evbench.tui import numbers
from evbench.tui.actions import bindings
from evbench.tui.dialogs import Choice, ChoiceDialog
from evbench.tui.drawing import bar
from evbench.tui.messages import ChoicesFound, DeviceRead, Submitted
from evbench.tui.panes.base import TROUBLE, Pane
from evbench.tui.state.profiles import BUNDLED, BudgetLine, DeviceState, Measurement, model_choices, read_device
from evbench.tui.state.queue import JobEntry, JobsState, board_choices
from evbench.tui.widgets.layer_bars import LayerBars
from evbench.tui.widgets.stage_list import StageList

_EVERY = 0.25
_ROOM_FOR_BOTH = 110
_DIM = "#8a93a6"
_TEACH = """Nothing has been measured in this workspace yet.

F5  builds the firmware of the chosen model, flashes it
    and measures the cycles of every layer
m   chooses the model: bundled, or a finished job's
b   chooses the board; a virtual one needs no cable"""


class DevicePane(Pane):
    """Measures models on boards; owns which model and board are chosen and which measurement is shown."""

    BINDINGS = bindings("device")

    def __init__(self) -> None:
        super().__init__(id="device")
        self._model = Choice(BUNDLED, "bundled model")
        self._board = "virtual-h743"
        self._job: int | None = None
        self._jobs = JobsState()
        self._device = DeviceState()
        self._read = False
        self._shown_run = 0

    def compose(self) -> ComposeResult:
        with Horizontal(id="device-columns"):
            with Vertical(id="device-left"):
                yield Static(id="target", classes="box")
                yield StageList(id="device-stages")
                yield Static(id="budget", classes="box")
            yield Static(Text(_TEACH), id="no-runs", classes="box")
            yield LayerBars(id="layers")

    def on_mount(self) -> None:
        self.query_one("#target").border_title = "target"
        self.query_one("#budget").border_title = "budget"
        self._show()
        self.set_interval(_EVERY, self._poll)

    def shown(self) -> None:
        self.query_one(LayerBars).focus()
        self._poll()

    def jobs_changed(self, jobs: JobsState) -> None:
        self._jobs = jobs
        newest = next((job.id for job in jobs.jobs if job.kind == "profile"), None)
        if self._job is None or (newest is not None and newest > self._job):
            self._job = newest
        if self.is_mounted:
            self._show()
            self._poll()

    def shows(self, job: JobEntry) -> bool:
        return job.id == self._job

    # --- what the store says ------------------------------------------------------------------------------------------

    def _poll(self) -> None:
        if self.display and not self.busy("device"):
            self.read(self._job)

    @work(thread=True, exclusive=True, group="device")
    def read(self, job_id: int | None) -> None:
        try:
            device = read_device(self.workbench.store, job_id)
        except TROUBLE as error:
            self.refuse(error)
            return
        if (device != self._device or not self._read) and not get_current_worker().is_cancelled:
            self.post_message(DeviceRead(device))

    @on(DeviceRead)
    def _take(self, message: DeviceRead) -> None:
        if len(message.device.runs) > len(self._device.runs):
            self._shown_run = 0
        self._device, self._read = message.device, True
        self._show()

    def _show(self) -> None:
        runs = self._device.runs
        run = runs[self._shown_run] if self._shown_run < len(runs) else None
        entry = self._jobs.entry(self._device.job_id)
        # Where there is no room for both, the job's stages are worth more than the budget until it has succeeded.
        both = self.app.size.width >= _ROOM_FOR_BOTH
        stages_first = entry is not None and entry.state != "done"
        self.query_one("#no-runs").display = run is None and self._read
        self.query_one("#layers").display = run is not None
        self.query_one("#budget").display = run is not None and (both or not stages_first)
        self.query_one("#device-stages").display = bool(self._device.stages) and (both or stages_first)
        self.query_one("#target", Static).update(self._target())
        stages = self.query_one(StageList)
        stages.border_title = f"job {self._device.job_id}" + (f" {entry.state}" if entry else "")
        stages.show(self._device.stages, entry)
        budget = self.query_one("#budget", Static)
        budget.update(_budget(run, 5 if both else 11) if run else "")
        budget.border_subtitle = "modelled ±10 %" if run and run.modelled else ""
        layers = self.query_one(LayerBars)
        layers.show(run)
        if run is not None:
            layers.border_title = f"cycles per layer · {run.model} · {run.board}"
            layers.border_subtitle = f"run {len(runs) - self._shown_run} of {len(runs)} · build {run.build_id[:8]}"

    def _target(self) -> Text:
        text = Text("model ", _DIM)
        text.append(f"{self._model.title}\n", "bold")
        text.append("board ", _DIM)
        text.append(self._board, "bold")
        text.append("\nF5", "bold #ffb000")
        text.append(" build, flash, profile", _DIM)
        return text

    def on_resize(self) -> None:
        self._show()

    def action_run(self, later: int) -> None:
        self._shown_run = max(0, min(self._shown_run - later, len(self._device.runs) - 1))
        self._show()

    # --- choosing and measuring ---------------------------------------------------------------------------------------

    def action_model(self) -> None:
        self.find("model")

    def action_board(self) -> None:
        self.find("board")

    @work(thread=True, exclusive=True, group="choices")
    def find(self, what: str) -> None:
        try:
            choices = model_choices(self.workbench.store) if what == "model" else board_choices()
        except TROUBLE as error:
            self.refuse(error)
        else:
            self.post_message(ChoicesFound(what, tuple(choices)))

    @on(ChoicesFound)
    def _ask(self, message: ChoicesFound) -> None:
        def chosen(value: str | None) -> None:
            if value is None:
                return
            if message.what == "model":
                choice = next(choice for choice in message.choices if choice.value == value)
                self._model = choice
            else:
                self._board = value
            self._show()

        before = self._model.value if message.what == "model" else self._board
        self.app.push_screen(ChoiceDialog(f"Choose a {message.what}", message.choices, before), chosen)

    def action_profile(self) -> None:
        self.measure(None if self._model.value == BUNDLED else Path(self._model.value), self._board)

    @work(thread=True, group="measure")
    def measure(self, model: Path | None, board: str) -> None:
        from evbench.jobs import engine

        try:
            job_id = engine.submit_profile(self.workbench.workspace, model, board)
            engine.start(self.workbench.workspace, job_id)
        except TROUBLE as error:
            self.refuse(error)
        else:
            self.post_message(Submitted(job_id))

    @on(Submitted)
    def _follow(self, message: Submitted) -> None:
        self._job = message.job_id
        self.workbench.read_jobs()
        self._poll()


def _budget(run: Measurement, width: int) -> Text:
    return Text("\n", no_wrap=True).join(_budget_line(line, width) for line in run.budget)


def _budget_line(line: BudgetLine, width: int) -> Text:
    write = numbers.duration if line.name == "latency" else lambda value: numbers.size(int(value))
    style = "#4fc08d" if line.fraction <= 0.8 else "#ffb000" if line.fraction <= 1 else "#ff5c8a"
    text = Text(f"{line.name:<8}", _DIM)
    text.append(f"{write(line.used):>8} ", "bold")
    text.append(bar(line.fraction, width), f"{style} on #2a3144")
    text.append(f" of {write(line.limit)}", _DIM)
    return text
