"""The Device pane: one key builds, flashes and profiles a model, another plays a recording to the board live."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Static
from textual.worker import get_current_worker

from evbench.resources import resource
from evbench.tui import numbers
from evbench.tui.actions import bindings
from evbench.tui.dialogs import Choice, ChoiceDialog
from evbench.tui.drawing import bar
from evbench.tui.inks import KEY, QUIET
from evbench.tui.messages import ChoicesFound, DeviceRead, LivePlayed, OtherBoard, Refused, Submitted
from evbench.tui.panes.base import TROUBLE, Pane
from evbench.tui.state.profiles import (
    BUNDLED,
    BudgetLine,
    DeviceState,
    Measurement,
    live_measurement,
    model_choices,
    read_device,
)
from evbench.tui.state.queue import JobEntry, JobsState, board_choices, other_board
from evbench.tui.widgets.latency_plot import LatencyPlot
from evbench.tui.widgets.layer_bars import LayerBars
from evbench.tui.widgets.live_status import LiveStatus
from evbench.tui.widgets.prediction import Prediction
from evbench.tui.widgets.stage_list import StageList

if TYPE_CHECKING:
    from evbench.jobs.live import Live, LivePlayer

_EVERY = 0.25
_ROOM_FOR_BOTH = 110
_TEACH = """Nothing has been measured in this workspace yet.

F5  builds the firmware of the chosen model, flashes it
    and measures the cycles of every layer
␣   plays a recording to the board live; o chooses which
m   chooses the model: bundled, or a finished job's
b   chooses the board; a virtual one needs no cable"""
_LEAVING_S = 2.0
_FIRST = "bar-left.dat"


class DevicePane(Pane):
    """Measures models on boards and plays recordings to them; owns which model, board and recording are chosen, and
    which measurement is shown."""

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
        self._recording: Path | None = None
        self._dense = False
        self._player: LivePlayer | None = None
        self._live: Live | None = None
        self._one_player = threading.Lock()
        self._plots = False

    def compose(self) -> ComposeResult:
        with Horizontal(id="device-columns"):
            with Vertical(id="device-left"):
                yield Static(id="target", classes="box")
                yield LiveStatus(id="live", classes="box")
                yield StageList(id="device-stages")
                yield Static(id="budget", classes="box")
            yield Static(Text(_TEACH), id="no-runs", classes="box")
            with Vertical(id="device-right"):
                yield LayerBars(id="layers")
                yield LatencyPlot(id="latency-plot")
                yield Prediction(id="prediction")

    def on_mount(self) -> None:
        self.query_one("#target").border_title = "target"
        self.query_one("#budget").border_title = "budget"
        self._show()
        self.set_interval(_EVERY, self._poll)

    def on_unmount(self) -> None:
        self._stop()
        # Whoever plays has a board to close.
        if self._one_player.acquire(timeout=_LEAVING_S):
            self._one_player.release()

    def shown(self) -> None:
        self._focus()
        self._poll()

    def _focus(self) -> None:
        self.query_one(LatencyPlot if self._plots and self._live is not None else LayerBars).focus()

    def visit(self, subject: Path | int | str) -> None:
        if isinstance(subject, Path):
            self._recording = subject
            self._play()

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
        runs, live = self._device.runs, self._live
        run = runs[self._shown_run] if self._shown_run < len(runs) else None
        if live is not None and live.layers:
            run = live_measurement(live)
        entry = self._jobs.entry(self._device.job_id)
        # Where there is no room for both, the job's stages are worth more than the budget until it has succeeded.
        both = self.app.size.width >= _ROOM_FOR_BOTH
        stages_first = entry is not None and entry.state != "done"
        self.query_one("#no-runs").display = run is None and live is None and self._read
        self.query_one("#device-right").display = run is not None or live is not None
        self.query_one("#layers").display = not (self._plots and live is not None)
        self.query_one("#budget").display = run is not None and (both or not (stages_first or live))
        self.query_one("#device-stages").display = live is None and bool(self._device.stages) and (both or stages_first)
        self._show_live(live)
        self.query_one("#target", Static).update(self._target())
        stages = self.query_one(StageList)
        stages.border_title = f"job {self._device.job_id}" + (f" {entry.state}" if entry else "")
        stages.show(self._device.stages, entry)
        budget = self.query_one("#budget", Static)
        budget.update(_budget(run, 5 if both else 11) if run else "")
        budget.border_subtitle = "modelled ±10 %" if run and run.modelled else ""
        layers = self.query_one(LayerBars)
        layers.show(run)
        if live is not None:
            window = f"window {live.window} of {live.windows}, {numbers.count(live.events)} events"
            layers.border_title = f"cycles per layer ({window})" if live.layers else "cycles per layer"
            layers.border_subtitle = f"{live.model} · {live.board}" + (f" · build {live.build_id[:8]}" * live.active)
        elif run is not None:
            layers.border_title = f"cycles per layer · {run.model} · {run.board}"
            layers.border_subtitle = f"run {len(runs) - self._shown_run} of {len(runs)} · build {run.build_id[:8]}"

    def _show_live(self, live: Live | None) -> None:
        for part in ("#live", "#prediction"):
            self.query_one(part).display = live is not None
        self.query_one("#latency-plot").display = self._plots and live is not None
        if live is not None:
            self.query_one(LiveStatus).show(live)
            self.query_one(Prediction).show(live.classes, live.logits)
            if self._plots:
                self.query_one(LatencyPlot).show(live)

    def _target(self) -> Text:
        text = Text("model ", QUIET, no_wrap=True, overflow="ellipsis")
        text.append(f"{self._model.title}\n", "bold")
        text.append("board ", QUIET)
        text.append(self._board, "bold")
        name = self._recording.name if self._recording else "a recording"
        text.append("\n␣", f"bold {KEY}")
        text.append(f" plays {name}", QUIET)
        live = self._live
        if live is not None and live.port:
            text.append(f"\nlink  {live.port} · {live.build_id[:8]}", QUIET)
        else:
            text.append("\nF5", f"bold {KEY}")
            text.append(" builds, flashes, profiles", QUIET)
        return text

    def on_resize(self) -> None:
        self._show()

    def action_run(self, later: int) -> None:
        if self._live is not None and not self._live.active:
            self._live = None
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
            self._play_on()
            self._show()

        before = self._model.value if message.what == "model" else self._board
        self.app.push_screen(ChoiceDialog(f"Choose a {message.what}", message.choices, before), chosen)

    def action_profile(self) -> None:
        self._stop()
        self._live = None
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

    # --- playing ------------------------------------------------------------------------------------------------------

    def action_play(self) -> None:
        if self._player is not None and self._live is not None and self._live.active:
            self._player.toggle()
        else:
            self._play()

    def action_recording(self) -> None:
        from evbench.tui.dialogs import PathDialog

        def chosen(path: Path | None) -> None:
            if path is not None:
                self._recording = path
                self._play()

        self.app.push_screen(PathDialog("Play a recording to the board"), chosen)

    def action_latency(self) -> None:
        self._plots = not self._plots
        self._show()
        self._focus()

    def action_parity(self) -> None:
        if self._player is not None and self._live is not None and self._live.active:
            self._player.check_parity()
        else:
            self.notify("Parity is checked on the window being played: space plays")

    def action_dense(self) -> None:
        self._dense = not self._dense
        self.notify("Every site is computed" if self._dense else "Sites that saw no event are skipped")
        self._play_on()

    def action_virtual(self) -> None:
        self.find_other(self._board)

    @work(thread=True, exclusive=True, group="choices")
    def find_other(self, board: str) -> None:
        try:
            found = other_board(board)
        except TROUBLE as error:
            self.refuse(error)
        else:
            self.post_message(OtherBoard(found))

    @on(OtherBoard)
    def _take_board(self, message: OtherBoard) -> None:
        self._board = message.board
        self._play_on()
        self._show()

    def _play_on(self) -> None:
        """Play what is chosen now, where something else is being played."""
        if self._live is not None and self._live.active:
            self._play()

    def _play(self) -> None:
        from evbench.jobs.live import Live, LivePlayer, LiveWish

        self._stop()
        if self._recording is None:
            looked_at = self.workbench.recording
            self._recording = looked_at.path if looked_at else resource("assets", "recordings") / _FIRST
        model = None if self._model.value == BUNDLED else Path(self._model.value)
        wish = LiveWish(model, self._board, self._recording, self._dense)

        def tell(live: Live) -> None:
            self.post_message(LivePlayed(player, live))

        player = LivePlayer(self.workbench.store, wish, tell)
        self._player = player
        self._live = Live(phase="preparing", board=self._board, recording=self._recording.name, dense=self._dense)
        # A thread and no worker: it plays until it is told to stop, and nothing waits for it.
        threading.Thread(target=self._run, args=(player,), daemon=True).start()
        self._show()

    def _run(self, player: LivePlayer) -> None:
        with self._one_player:
            player.run()

    def _stop(self) -> None:
        if self._player is not None:
            self._player.stop()

    @on(LivePlayed)
    def _take_live(self, message: LivePlayed) -> None:
        if message.player is self._player:
            self._live = message.live
            if message.live.phase == "failed":
                self.post_message(Refused(message.live.note))
            self._show()


def _budget(run: Measurement, width: int) -> Text:
    return Text("\n", no_wrap=True).join(_budget_line(line, width) for line in run.budget)


def _budget_line(line: BudgetLine, width: int) -> Text:
    write = numbers.duration if line.name == "latency" else lambda value: numbers.size(int(value))
    style = "#4fc08d" if line.fraction <= 0.8 else "#ffb000" if line.fraction <= 1 else "#ff5c8a"
    text = Text(f"{line.name:<8}", QUIET)
    text.append(f"{write(line.used):>8} ", "bold")
    text.append(bar(line.fraction, width), f"{style} on #2a3144")
    text.append(f" of {write(line.limit)}", QUIET)
    return text
