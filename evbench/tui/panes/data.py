"""The Data pane: recordings as a tree, what is in one, and the voxel grid of one of its windows."""

from __future__ import annotations

import threading
from pathlib import Path

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static, Tree
from textual.widgets.tree import TreeNode
from textual.worker import get_current_worker

from evbench.errors import EvbenchError
from evbench.resources import resource
from evbench.tui import numbers
from evbench.tui.actions import bindings
from evbench.tui.drawing import bar
from evbench.tui.messages import FoldersListed, RecordingBroken, RecordingRead, WindowDrawn
from evbench.tui.panes.base import TROUBLE, Pane
from evbench.tui.state.recordings import (
    BINS,
    LENGTHS,
    FolderState,
    RecordingState,
    WindowState,
    read_folder,
    read_recording,
    read_window,
)
from evbench.tui.widgets.rate_strip import RateStrip
from evbench.tui.widgets.voxel_view import VIEW_NAMES, VoxelView

_DIM = "#8a93a6"
_ROOM_FOR_BINS = 110
_TEACH = """Choose a recording on the left with ↑ ↓.

, and .  step through its windows
[ and ]  make windows shorter and longer
b        changes the number of time bins
v        shows bins and polarities apart or merged
o        opens any file or folder"""
_NOTHING = """There are no recordings here yet.

o   opens a file or a folder of recordings:
    AEDAT 2.0, AEDAT4, Prophesee DAT,
    N-MNIST .bin and .bs2

evbench --data FOLDER  lists a folder here"""


class DataPane(Pane):
    """Browses recordings; owns which one is open and which window is shown."""

    BINDINGS = bindings("data")

    def __init__(self, data: Path | None) -> None:
        super().__init__(id="data")
        self._data = data
        self._opened: list[Path] = []
        self._leaves: dict[Path, TreeNode[Path]] = {}
        self._broken: dict[Path, str] = {}
        self._recording: RecordingState | None = None
        self._window: WindowState | None = None
        self._wanted: Path | None = None
        self._number = 0
        self._length = 50_000
        self._bins = 5
        self._reading = threading.Lock()

    def compose(self) -> ComposeResult:
        tree: Tree[Path] = Tree("recordings", id="recordings")
        tree.show_root = False
        tree.guide_depth = 2
        tree.border_title = "recordings"
        yield tree
        with Vertical(id="recording"):
            yield Static(Text(_TEACH), id="summary")
            yield RateStrip(id="rates")
            yield Static(id="window-line")
            yield VoxelView(id="voxels")

    def on_mount(self) -> None:
        self._show_parts(False)
        if self.app.size.width < _ROOM_FOR_BINS:
            self.query_one(VoxelView).view = "merged"
        self.list_folders()

    def shown(self) -> None:
        self.query_one(Tree).focus()

    # --- folders ------------------------------------------------------------------------------------------------------

    @work(thread=True, exclusive=True, group="folders")
    def list_folders(self) -> None:
        folders = []
        try:
            folders.append(read_folder(resource("assets", "recordings"), "bundled"))
        except EvbenchError:
            folders.append(FolderState("bundled", Path("assets/recordings"), note="missing"))
        folders += [read_folder(path) for path in (*([self._data] if self._data else []), *self._opened)]
        self.post_message(FoldersListed(tuple(folders)))

    @on(FoldersListed)
    def _fill_tree(self, message: FoldersListed) -> None:
        tree = self.query_one(Tree)
        tree.clear()
        self._leaves.clear()
        for folder in message.folders:
            self._add_folder(tree.root, folder, expand=folder.recordings <= 30 or len(folder.folders) > 0)
        if not self._leaves:
            self.query_one("#summary", Static).update(_NOTHING)
            return
        target = self._opened[-1] if self._opened else self._data
        files = [path for path in self._leaves if target and path.is_relative_to(target)] or list(self._leaves)
        node = self._leaves[files[0]]
        above = node.parent
        while above is not None:
            above.expand()
            above = above.parent
        # A node can be moved to once the tree has numbered its lines, which it does when asked for the last of them.
        if tree.last_line >= 0:
            tree.move_cursor(node)

    def _add_folder(self, parent: TreeNode[Path], folder: FolderState, expand: bool) -> None:
        label = Text(folder.name, "bold")
        label.append(f"  {folder.note or numbers.count(folder.recordings)}", _DIM)
        node = parent.add(label, folder.path, expand=expand)
        for below in folder.folders:
            self._add_folder(node, below, expand=below.recordings <= 30)
        for path in folder.files:
            self._leaves[path] = node.add_leaf(self._leaf(path), path)

    def _leaf(self, path: Path) -> Text:
        return Text(f"✗ {path.name}", "#ff5c8a") if path in self._broken else Text(path.name)

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
        if path is not None and path in self._leaves and path != self._wanted:
            self._wanted = path
            self.read(path)

    @work(thread=True, exclusive=True, group="recording")
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
    def _show_recording(self, message: RecordingRead) -> None:
        recording = message.recording
        if recording.path != self._wanted:
            return
        self._recording, self._window = recording, None
        if self._broken.pop(recording.path, None):
            self._leaves[recording.path].set_label(self._leaf(recording.path))
        self.query_one("#recording").border_title = recording.path.name
        self.query_one("#summary", Static).update(_summary(recording))
        self.query_one(RateStrip).show(recording.rates)
        self._show_parts(recording.events > 0)
        if recording.events:
            busiest = recording.t_first + int(recording.rates.argmax() + 0.5) * recording.duration // 400
            self.draw(recording.window_at(busiest if recording.rates.size else 0, self._length))

    @on(RecordingBroken)
    def _show_broken(self, message: RecordingBroken) -> None:
        self._broken[message.path] = message.why
        if message.path in self._leaves:
            self._leaves[message.path].set_label(self._leaf(message.path))
        if message.path != self._wanted:
            return
        self._recording = self._window = None
        self.query_one("#recording").border_title = message.path.name
        text = Text("✗ cannot be read\n\n", "bold #ff5c8a")
        text.append(message.why, "not bold default")
        self.query_one("#summary", Static).update(text)
        self._show_parts(False)

    def _show_parts(self, visible: bool) -> None:
        for part in ("#rates", "#window-line", "#voxels"):
            self.query_one(part).display = visible

    # --- one window ---------------------------------------------------------------------------------------------------

    def draw(self, number: int) -> None:
        """Show window `number` of the open recording, brought into range."""
        if self._recording is not None and self._recording.events:
            self._number = max(0, min(number, self._recording.windows(self._length) - 1))
            self.count(self._recording, self._number, self._length, self._bins)

    @work(thread=True, exclusive=True, group="window")
    def count(self, recording: RecordingState, number: int, length: int, bins: int) -> None:
        window = read_window(recording, number, length, bins)
        if not get_current_worker().is_cancelled:
            self.post_message(WindowDrawn(window))

    @on(WindowDrawn)
    def _show_window(self, message: WindowDrawn) -> None:
        window, recording = message.window, self._recording
        if recording is None or window.path != recording.path:
            return
        self._window = window
        view = self.query_one(VoxelView)
        view.show("voxel", window.grid, window.duration)
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
        remarks = [f"{window.zero_share * 100:.2f} % of cells empty", VIEW_NAMES[self.query_one(VoxelView).view]]
        if window.block > 1:
            remarks.append(f"{window.block}×{window.block} pixels in one")
        for remark in remarks:
            if text.cell_len + 2 + len(remark) <= line.size.width:
                text.append(f"  {remark}", _DIM)
        line.update(text)

    def action_step(self, windows: int) -> None:
        self.draw(self._number + windows)

    def action_first_window(self) -> None:
        self.draw(0)

    def action_last_window(self) -> None:
        if self._recording is not None:
            self.draw(self._recording.windows(self._length) - 1)

    def action_length(self, steps: int) -> None:
        chosen = LENGTHS[max(0, min(LENGTHS.index(self._length) + steps, len(LENGTHS) - 1))]
        if self._recording is not None and chosen != self._length:
            middle = (self._recording.t_first // self._length + self._number) * self._length + self._length // 2
            self._length = chosen
            self.draw(self._recording.window_at(middle, chosen))

    def action_bins(self) -> None:
        self._bins = BINS[(BINS.index(self._bins) + 1) % len(BINS)]
        self.draw(self._number)

    def action_view(self) -> None:
        self.query_one(VoxelView).next_view()
        self._show_window_line()


def _summary(recording: RecordingState) -> Text:
    seconds = recording.duration / 1e6
    text = Text()
    text.append(f"{recording.format}", "bold")
    text.append(f"  {recording.geometry.width} × {recording.geometry.height}", "bold")
    text.append("  pixels\n", _DIM)
    text.append(f"{numbers.count(recording.events)}", "bold")
    text.append(" events in ", _DIM)
    text.append(numbers.duration(recording.duration), "bold")
    if seconds > 0:
        text.append(", mean ", _DIM)
        text.append(numbers.scaled(recording.events / seconds, "ev/s"), "bold")
    text.append("\n")
    if recording.events:
        on = recording.on / recording.events
        text.append(f"ON {numbers.percent(on)} ", "#ffb000")
        text.append(bar(on, 16), "#ffb000 on #648fff")
        text.append(f" OFF {numbers.percent(1 - on)}", "#648fff")
    else:
        text.append("The recording holds no events.", "#ff5c8a")
    if not recording.monotonic:
        text.append("\n⚠ timestamps run backwards; shown in time order", "#fe6100")
    for warning in recording.warnings[:3]:
        text.append(f"\n⚠ {warning}", "#fe6100")
    if len(recording.warnings) > 3:
        text.append(f"\n⚠ and {len(recording.warnings) - 3} more", "#fe6100")
    return text
