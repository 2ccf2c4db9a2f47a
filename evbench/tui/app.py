"""The workbench: the frame around the panes, what is read for all of them, and the keys that work everywhere."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual import on, work
from textual.app import App, ComposeResult, SystemCommand
from textual.reactive import reactive
from textual.screen import Screen
from textual.widgets import ContentSwitcher, Footer
from textual.worker import Worker

from evbench.tui.actions import PANES, Action, bindings, pane_entry
from evbench.tui.messages import JobsRead, PictureSaved, Refused, Visit
from evbench.tui.panes.base import TROUBLE, Pane
from evbench.tui.preferences import preferences_file
from evbench.tui.saving import save_screen, screen_lines, text_within
from evbench.tui.state.queue import LOCKED, JobsState, read_jobs
from evbench.tui.themed import ThemedApp
from evbench.tui.widgets.pane_bar import PaneBar

if TYPE_CHECKING:
    from textual.command import Provider
    from textual.strip import Strip
    from textual.widget import Widget

    from evbench.jobs.store import Store
    from evbench.tui.state.recordings import RecordingState
    from evbench.tui.tour import Tour
    from evbench.workspace import Workspace


def _action_commands() -> type[Provider]:
    from evbench.tui.palette import ActionCommands

    return ActionCommands


_EVERY = 0.5
_PATIENCE_S = 2
"""For a database that another program holds; what a key has asked for waits longer, and the user is told."""
_READING_TIME = 10


class Workbench(ThemedApp):
    """The application. Panes share `store`, `jobs`, the newest list of jobs, and `recording`, the one that is open.

    Without a file of `preferences` nothing is remembered and no tour is offered.
    """

    CSS_PATH = "app.tcss"
    TITLE = "evbench"
    BINDINGS = bindings("app")
    COMMANDS = App.COMMANDS | {_action_commands}
    COMMAND_PALETTE_DISPLAY = "^p"

    pixels: type[Widget] | None = None
    """What shows pixels on this terminal, if anything does."""

    jobs: reactive[JobsState] = reactive(JobsState(), init=False)
    recording: reactive[RecordingState | None] = reactive["RecordingState | None"](None, init=False)

    def __init__(self, workspace: Workspace, data: Path | None = None, preferences: Path | None = None) -> None:
        super().__init__(preferences)
        self.HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide")]
        self.VERTICAL_BREAKPOINTS = [(0, "-short"), (34, "-tall")]
        self.workspace = workspace
        self.data = data
        self.pane_loaded: Callable[[], None] | None = None
        self._store: Store | None = None
        self._at_work: set[Worker[Any]] = set()

    @property
    def store(self) -> Store:
        """The workspace's database; opened by the first worker that asks."""
        if self._store is None:
            from evbench.jobs.store import Store

            self._store = Store(self.workspace, patience_s=_PATIENCE_S)
        return self._store

    def compose(self) -> ComposeResult:
        yield PaneBar()
        # The panes' libraries are imported when the frame has been painted.
        yield ContentSwitcher()
        yield Footer(compact=True)

    def on_mount(self) -> None:
        super().on_mount()
        self.call_after_refresh(self._begin)
        self.call_after_refresh(self.read_jobs)
        self.set_interval(_EVERY, self._poll)

    # --- panes --------------------------------------------------------------------------------------------------------

    @property
    def pane(self) -> Pane:
        """The pane that is shown."""
        return self.query_one(f"#{self.query_one(ContentSwitcher).current}", Pane)

    async def action_show_pane(self, name: str) -> None:
        switcher = self.query_one(ContentSwitcher)
        if not switcher.query(f"#{name}"):
            entry = pane_entry(name)
            self.stylesheet.add_source(entry.styles.read_text(), (str(entry.styles), ""))
            pane = entry.create()
            pane.display = False
            await switcher.mount(pane)
            pane.jobs_changed(self.jobs)
            if self.pane_loaded is not None:
                self.call_after_refresh(self.pane_loaded)
        switcher.current = name
        self.query_one(PaneBar).current = name
        self.pane.shown()

    @on(Visit)
    async def _visit(self, message: Visit) -> None:
        if any(pane.id == message.pane for pane in PANES):
            await self.action_show_pane(message.pane)
            self.pane.visit(message.subject)

    @on(PaneBar.Chosen)
    async def _pane_clicked(self, event: PaneBar.Chosen) -> None:
        await self.action_show_pane(event.pane)

    async def perform(self, action: Action) -> None:
        """Do what an action of the registry says, on its own pane."""
        if action.home == "app":
            await self.run_action(action.call)
            return
        await self.action_show_pane(action.home)
        await self.run_action(action.call, default_namespace=self.pane)

    async def action_profile(self) -> None:
        await self.action_show_pane("device")
        await self.run_action("profile", default_namespace=self.pane)

    def action_help(self) -> None:
        from evbench.tui.dialogs import HelpDialog

        self.push_screen(HelpDialog(pane_entry(self.pane.id or "").id))

    def action_tour(self, asking: bool = False) -> None:
        from evbench.tui.tour import Tour

        self.push_screen(Tour(asking=asking))

    async def on_tour_arrived(self, message: Tour.Arrived) -> None:
        await self.action_show_pane(message.step.pane)
        for call in message.step.calls:
            await self.run_action(call, default_namespace=self.pane)

    async def _begin(self) -> None:
        await self.action_show_pane("data")
        if not self.preferences.tour_offered:
            self.remember(replace(self.preferences, tour_offered=True))
            self.action_tour(asking=True)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """None: the registry's actions are all there is."""
        return ()

    # --- what is taken away -------------------------------------------------------------------------------------------

    def action_save(self) -> None:
        self.save(screen_lines(self.screen), f"evbench-{self.pane.id}")

    @work(thread=True, group="save", description="save")
    def save(self, lines: list[Strip], name: str) -> None:
        try:
            png, svg = save_screen(lines, name, Path.cwd())
        except TROUBLE as error:
            self.post_message(Refused(str(error)))
        else:
            self.post_message(PictureSaved(png, (svg,)))

    @on(PictureSaved)
    def _say_where(self, message: PictureSaved) -> None:
        others = "".join(f" and {path.name}" for path in message.others)
        self.notify(f"{message.path}{others}", title="picture saved", timeout=_READING_TIME)

    def action_copy(self) -> None:
        text = text_within(screen_lines(self.screen), self.pane.region)
        self.copy_to_clipboard(text)
        self.notify(f"{len(text.splitlines())} lines of this pane are in the clipboard.")

    # --- what all panes look at ---------------------------------------------------------------------------------------

    def _poll(self) -> None:
        before, self._at_work = self._at_work, {worker for worker in self.workers if not worker.is_finished}
        if not any(worker.group == "jobs" for worker in self._at_work):
            self.read_jobs(bool(before & self._at_work))

    @work(thread=True, exclusive=True, group="jobs")
    def read_jobs(self, waiting: bool = False) -> None:
        """Read the list of jobs; `waiting` says that something takes long, for which a locked database may be why."""
        try:
            jobs = read_jobs(self.store)
            if waiting and self.store.locked():
                jobs = replace(jobs, problem=LOCKED)
        except TROUBLE as error:
            jobs = JobsState(self.jobs.jobs, str(error), read=True)
        if jobs != self.jobs:
            self.post_message(JobsRead(jobs))

    @on(JobsRead)
    def _take_jobs(self, message: JobsRead) -> None:
        self.jobs = message.jobs

    def watch_jobs(self, before: JobsState, jobs: JobsState) -> None:
        self.query_one(PaneBar).status = jobs.headlines(self.workspace.root)
        for pane in self.query(Pane):
            pane.jobs_changed(jobs)
        for job in jobs.ended_since(before):
            if not self.pane.shows(job):
                good = job.state == "done"
                self.notify(job.ending, title=f"job {job.id}", severity="information" if good else "error")
        if jobs.problem and jobs.problem != before.problem:
            self.notify(jobs.problem, severity="error", timeout=_READING_TIME)

    @on(Refused)
    def _say(self, message: Refused) -> None:
        if all(message.why != shown.message for shown in self._notifications):
            self.notify(message.why, severity="error", timeout=_READING_TIME)


def run(workspace: Workspace, data: Path | None = None) -> None:
    """Open the workbench on a workspace; `data` is a recording or a folder of recordings to list. Returns on quit."""
    from evbench.tui.pixels import image_widget

    app = Workbench(workspace, Path(os.path.abspath(data)) if data else None, preferences_file())
    app.pixels = image_widget()
    # Looking for garbage among all that panes have loaded takes a tenth of a second, every few seconds of playing.
    app.pane_loaded = gc.freeze
    app.run()
