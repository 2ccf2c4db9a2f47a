"""The Data pane: recordings as a tree, what is in one, its filters, and one of its windows in any representation."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static, Tree
from textual.worker import get_current_worker

from evbench.errors import EvbenchError
from evbench.events.kinds import KINDS, Kind
from evbench.resources import resource
from evbench.tui import numbers
from evbench.tui.actions import bindings
from evbench.tui.messages import (
    FiltersRefused,
    FoldersListed,
    RecordingBroken,
    RecordingFiltered,
    RecordingRead,
    Refused,
    WindowDrawn,
)
from evbench.tui.panes.base import TROUBLE, Pane
from evbench.tui.state.playing import Playing
from evbench.tui.state.recordings import (
    BINS,
    LENGTHS,
    FolderState,
    RecordingState,
    WindowState,
    filter_recording,
    read_folder,
    read_recording,
    read_window,
)
from evbench.tui.widgets.filter_report import FilterReport
from evbench.tui.widgets.rate_strip import RateStrip
from evbench.tui.widgets.recording_summary import summary
from evbench.tui.widgets.recording_tree import RecordingTree
from evbench.tui.widgets.voxel_view import VIEW_NAMES, VoxelView

if TYPE_CHECKING:
    from evbench.profiles import FilterSettings
    from evbench.tui.filter_dialog import FilterChoice

_DIM = "#8a93a6"
_ROOM_FOR_BINS = 110
_FRAMES_PER_SECOND = 25
_TEACH = """Choose a recording on the left with ↑ ↓.

, and .  step through its windows
space    plays them in real time
[ and ]  make windows shorter and longer
b        changes the number of time bins
m        shows the next representation
f        switches filters on and off
v        shows bins and polarities apart or merged
o        opens any file or folder"""
_NOTHING = """There are no recordings here yet.

o   opens a file or a folder of recordings:
    AEDAT, Prophesee RAW and DAT, HDF5,
    Event Stream, NPZ, CSV, N-MNIST, ROS bags

evbench --data FOLDER  lists a folder here"""


class DataPane(Pane):
    """Browses recordings; owns which one is open, how it is filtered, which window is shown and as what."""

    BINDINGS = bindings("data")
    clock = staticmethod(time.monotonic)

    def __init__(self) -> None:
        super().__init__(id="data")
        self._opened: list[Path] = []
        self._read: RecordingState | None = None
        self._recording: RecordingState | None = None
        self._filters: tuple[FilterChoice, ...] = ()
        self._window: WindowState | None = None
        self._wanted: Path | None = None
        self._number = 0
        self._length = 50_000
        self._bins = 5
        self._kind: Kind = "voxel"
        self._playing: Playing | None = None
        self._reading = threading.Lock()

    def compose(self) -> ComposeResult:
        yield RecordingTree(id="recordings")
        with Vertical(id="recording"):
            yield Static(Text(_TEACH), id="summary")
            yield FilterReport(id="filter-report")
            yield RateStrip(id="rates")
            yield Static(id="window-line")
            yield VoxelView(id="voxels")

    def on_mount(self) -> None:
        self._show_parts(False)
        if self.app.size.width < _ROOM_FOR_BINS:
            self.query_one(VoxelView).view = "merged"
        self.list_folders()
        self.set_interval(1 / _FRAMES_PER_SECOND, self._play_on)

    def shown(self) -> None:
        self.query_one(RecordingTree).focus()

    # --- folders ------------------------------------------------------------------------------------------------------

    @work(thread=True, exclusive=True, group="folders")
    def list_folders(self) -> None:
        folders = []
        try:
            folders.append(read_folder(resource("assets", "recordings"), "bundled"))
        except EvbenchError:
            folders.append(FolderState("bundled", Path("assets/recordings"), note="missing"))
        named = self.workbench.data
        folders += [read_folder(path) for path in (*([named] if named else []), *self._opened)]
        self.post_message(FoldersListed(tuple(folders)))

    @on(FoldersListed)
    def _fill_tree(self, message: FoldersListed) -> None:
        tree = self.query_one(RecordingTree)
        tree.fill(message.folders, self._opened[-1] if self._opened else self.workbench.data)
        if not tree.recordings:
            self.query_one("#summary", Static).update(_NOTHING)

    def action_open(self) -> None:
        from evbench.tui.dialogs import PathDialog

        def opened(path: Path | None) -> None:
            if path is not None:
                if path in self._opened:
                    self._opened.remove(path)
                self._opened.append(path)
                self.list_folders()

        self.app.push_screen(PathDialog("Open a recording or a folder"), opened)

    # --- one recording ------------------------------------------------------------------------------------------------

    @on(Tree.NodeHighlighted)
    def _choose(self, event: Tree.NodeHighlighted[Path]) -> None:
        path = event.node.data
        if path is not None and not event.node.allow_expand and path != self._wanted:
            self._wanted = path
            self.read(path)

    # A worker without a description is described by its arguments, whole recordings among them.
    @work(thread=True, exclusive=True, group="recording", description="read")
    def read(self, path: Path) -> None:
        worker = get_current_worker()
        with self._reading:
            if worker.is_cancelled:
                return
            try:
                recording = read_recording(path)
            except TROUBLE as error:
                self.post_message(RecordingBroken(path, str(error)))
            except Exception as error:
                # Any file can be opened here: one that a decoder stumbles over must not end the workbench.
                fault = f"This is a fault of evbench, not of the file: {type(error).__name__}: {error}"
                self.post_message(RecordingBroken(path, fault))
            else:
                self.post_message(RecordingRead(recording))

    @on(RecordingRead)
    def _take_recording(self, message: RecordingRead) -> None:
        recording = message.recording
        if recording.path != self._wanted:
            return
        self._read, self._playing = recording, None
        self.query_one(RecordingTree).mark(recording.path, broken=False)
        self.query_one("#recording").border_title = recording.path.name
        if self._wanted_filters:
            self._recording = None
            self.apply_filters(recording, self._wanted_filters)
        else:
            self._show_recording(recording)

    def _show_recording(self, recording: RecordingState) -> None:
        same = self._recording is not None and self._recording.path == recording.path
        self._recording, self._window = recording, None
        self.query_one("#summary", Static).update(summary(recording))
        self.query_one(FilterReport).show(recording.recorded, recording.steps)
        self.query_one(RateStrip).show(recording.rates)
        self._show_parts(recording.recorded > 0)
        if same:
            self.draw(self._number)
        elif recording.recorded:
            busiest = recording.t_first + int(recording.rates.argmax() + 0.5) * recording.duration // 400
            self.draw(recording.window_at(busiest if recording.rates.size else 0, self._length))

    @on(RecordingBroken)
    def _show_broken(self, message: RecordingBroken) -> None:
        self.query_one(RecordingTree).mark(message.path, broken=True)
        if message.path != self._wanted:
            return
        self._read = self._recording = self._window = self._playing = None
        self.query_one("#recording").border_title = message.path.name
        text = Text("✗ cannot be read\n\n", "bold #ff5c8a")
        text.append(message.why, "not bold default")
        self.query_one("#summary", Static).update(text)
        self._show_parts(False)

    def _show_parts(self, visible: bool) -> None:
        for part in ("#filter-report", "#rates", "#window-line", "#voxels"):
            self.query_one(part).display = visible
        if not visible:
            self.query_one("#recording").border_subtitle = ""

    # --- filters ------------------------------------------------------------------------------------------------------

    @property
    def _wanted_filters(self) -> tuple[FilterSettings, ...]:
        return tuple(choice.settings for choice in self._filters if choice.on)

    def action_filters(self) -> None:
        from evbench.tui.filter_dialog import FilterDialog, choices_for

        if self._read is None:
            self.app.notify("Choose a recording first: filters depend on its sensor.")
            return

        def chosen(filters: tuple[FilterChoice, ...] | None) -> None:
            before, self._filters = self._wanted_filters, filters or ()
            if self._read is not None and self._wanted_filters != before:
                self.apply_filters(self._read, self._wanted_filters)

        self.app.push_screen(FilterDialog(choices_for(self._read.geometry, self._filters)), chosen)

    @work(thread=True, exclusive=True, group="filters", description="filter")
    def apply_filters(self, recording: RecordingState, filters: tuple[FilterSettings, ...]) -> None:
        try:
            filtered = filter_recording(recording, filters)
        except EvbenchError as error:
            self.post_message(FiltersRefused(str(error)))
            return
        if not get_current_worker().is_cancelled:
            self.post_message(RecordingFiltered(filtered))

    @on(RecordingFiltered)
    def _take_filtered(self, message: RecordingFiltered) -> None:
        if self._read is not None and message.recording.path == self._read.path:
            self._show_recording(message.recording)

    @on(FiltersRefused)
    def _switch_filters_off(self, message: FiltersRefused) -> None:
        """A recording is shown rather than not, if with no filter at all."""
        self._filters = ()
        self.post_message(Refused(f"{message.why} All filters are off now."))
        if self._read is not None:
            self._show_recording(self._read)

    # --- one window ---------------------------------------------------------------------------------------------------

    def draw(self, number: int) -> None:
        """Show window `number` of the open recording, brought into range."""
        if self._recording is not None and self._recording.recorded:
            self._number = max(0, min(number, self._recording.windows(self._length) - 1))
            self.represent(self._recording, self._number, self._length, self._bins, self._kind)

    @work(thread=True, exclusive=True, group="window", description="represent")
    def represent(self, recording: RecordingState, number: int, length: int, bins: int, kind: Kind) -> None:
        window = read_window(recording, number, length, bins, kind)
        if not get_current_worker().is_cancelled:
            self.post_message(WindowDrawn(window))

    @on(WindowDrawn)
    def _show_window(self, message: WindowDrawn) -> None:
        window, recording = message.window, self._recording
        if recording is None or window.path != recording.path:
            return
        self._window = window
        view = self.query_one(VoxelView)
        view.show(window.kind, window.images, window.duration)
        span = max(recording.duration, 1)
        begin = window.t0 - recording.t_first
        self.query_one(RateStrip).mark(max(begin, 0) / span, min(begin + window.duration, span) / span)
        self._show_window_line()

    def _show_window_line(self) -> None:
        window = self._window
        if window is None or self._recording is None:
            return
        begin = (window.t0 - self._recording.t_first) / 1e6
        text = Text(no_wrap=True, overflow="ellipsis")
        text.append(f"window {numbers.count(window.number + 1)}/{numbers.count(window.windows)}", "bold")
        text.append(f"  {begin:+.3f} s  {window.duration / 1000:g} ms  ")
        text.append(f"{numbers.count(window.events)} events", "bold" if window.events else "bold #ff5c8a")
        line = self.query_one("#window-line", Static)
        remarks = [f"{window.zero_share * 100:.2f} % of cells empty"]
        if window.block > 1:
            remarks.append(f"{window.block}×{window.block} pixels in one")
        for remark in remarks:
            if text.cell_len + 2 + len(remark) <= line.size.width:
                text.append(f"  {remark}", _DIM)
        # A line stays a line: arranging the whole screen anew would cost more than all else a new window does.
        line.update(text, layout=False)
        about = [self._playing.remark] if self._playing else []
        about.append(window.kind)
        if window.images.shape[1] > 1:
            about.append(VIEW_NAMES[self.query_one(VoxelView).view])
        self.query_one("#recording").border_subtitle = " · ".join(about)

    def _go_to(self, number: int) -> None:
        """Show a window that the user asked for, which ends playing."""
        self._playing = None
        self.draw(number)

    def action_step(self, windows: int) -> None:
        self._go_to(self._number + windows)

    def action_first_window(self) -> None:
        self._go_to(0)

    def action_last_window(self) -> None:
        if self._recording is not None:
            self._go_to(self._recording.windows(self._length) - 1)

    def action_length(self, steps: int) -> None:
        chosen = LENGTHS[max(0, min(LENGTHS.index(self._length) + steps, len(LENGTHS) - 1))]
        if self._recording is not None and chosen != self._length:
            middle = (self._recording.t_first // self._length + self._number) * self._length + self._length // 2
            self._length = chosen
            self._go_to(self._recording.window_at(middle, chosen))

    def action_bins(self) -> None:
        self._bins = BINS[(BINS.index(self._bins) + 1) % len(BINS)]
        self.draw(self._number)

    def action_kind(self) -> None:
        self._kind = KINDS[(KINDS.index(self._kind) + 1) % len(KINDS)]
        self.draw(self._number)

    def action_view(self) -> None:
        self.query_one(VoxelView).next_view()
        self._show_window_line()

    # --- playing ------------------------------------------------------------------------------------------------------

    def action_play(self) -> None:
        recording = self._recording
        if self._playing is not None or recording is None or not recording.recorded:
            self._playing = None
            self._show_window_line()
            return
        if self._number == recording.windows(self._length) - 1:
            self.draw(0)
        begin = (recording.t_first // self._length + self._number) * self._length
        self._playing = Playing(begin, self.clock())
        self._show_window_line()

    def _play_on(self) -> None:
        """Shows the window whose time has come; while one is still being made, what comes due is left out."""
        playing, recording = self._playing, self._recording
        if playing is None or recording is None:
            return
        last = recording.windows(self._length) - 1
        number = recording.window_at(playing.at(self.clock()), self._length)
        if number != self._number and not self.busy("window"):
            playing.left_out += number - self._number - 1
            self.draw(number)
        elif self._number == last and playing.at(self.clock()) > recording.t_last:
            self._playing = None
            self._show_window_line()
