"""The Data pane: recordings as a tree, what is in one, what is wrong with it, and its busiest window."""

from __future__ import annotations

import threading
from pathlib import Path

from rich.text import Text
from textual import events, on, work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static, Tree
from textual.worker import get_current_worker

from evbench.errors import EvbenchError
from evbench.resources import resource
from evbench.tui.actions import bindings
from evbench.tui.messages import FoldersListed, RecordingBroken, RecordingRead, Refused, Visit, WindowDrawn
from evbench.tui.panes.base import TROUBLE, Pane
from evbench.tui.state.recordings import FolderState, RecordingState, read_folder, read_recording
from evbench.tui.state.windows import WindowLook, read_window
from evbench.tui.widgets.rate_strip import RateStrip
from evbench.tui.widgets.recording_summary import summary
from evbench.tui.widgets.recording_tree import RecordingTree
from evbench.tui.widgets.voxel_view import VoxelView

_TEACH = """Choose a recording on the left with ↑ ↓.

enter    opens it in Voxels, where it plays
o        opens any file or folder"""
_NOTHING = """There are no recordings here yet.

o   opens a file or a folder of recordings:
    AEDAT, Prophesee RAW and DAT, HDF5,
    Event Stream, NPZ, CSV, N-MNIST, ROS bags

evbench --data FOLDER  lists a folder here"""
_PREVIEW = WindowLook()


class DataPane(Pane):
    """Browses recordings; what it reads is the workbench's recording, which other panes look at too."""

    BINDINGS = bindings("data")

    def __init__(self) -> None:
        super().__init__(id="data")
        self._opened: list[Path] = []
        self._wanted: Path | None = None
        self._reading = threading.Lock()

    def compose(self) -> ComposeResult:
        yield RecordingTree(id="recordings")
        with Vertical(id="recording"):
            yield Static(Text(_TEACH), id="summary")
            yield RateStrip(id="rates")
            yield VoxelView("merged", id="preview")

    def on_mount(self) -> None:
        self._show_parts(False)
        self.list_folders()

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

    def open(self, path: Path) -> None:
        """List a recording or a folder and read it, or the first recording in it."""
        tree = self.query_one(RecordingTree)
        if path in tree.recordings:
            tree.choose(path)
            return
        if path in self._opened:
            self._opened.remove(path)
        self._opened.append(path)
        self.list_folders()

    def action_open(self) -> None:
        from evbench.tui.dialogs import PathDialog

        def opened(path: Path | None) -> None:
            if path is not None:
                self.open(path)

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
        self.workbench.recording = recording
        self.query_one(RecordingTree).mark(recording.path, broken=False)
        self.query_one("#recording").border_title = recording.path.name
        self.query_one("#summary", Static).update(summary(recording))
        self.query_one(RateStrip).show(recording.rates)
        self._show_parts(recording.recorded > 0)
        if recording.recorded:
            self.preview(recording)

    @work(thread=True, exclusive=True, group="window", description="represent")
    def preview(self, recording: RecordingState) -> None:
        number = recording.window_at(recording.busiest, _PREVIEW.length)
        window = read_window(recording, recording.window_start(number, _PREVIEW.length), _PREVIEW)
        if not get_current_worker().is_cancelled:
            self.post_message(WindowDrawn(window))

    @on(WindowDrawn)
    def _show_preview(self, message: WindowDrawn) -> None:
        recording, window = self.workbench.recording, message.window
        if recording is None or window.path != recording.path:
            return
        self.query_one(VoxelView).show(window)
        span = max(recording.duration, 1)
        begin = window.t0 - recording.t_first
        self.query_one(RateStrip).mark(max(begin, 0) / span, min(begin + window.look.length, span) / span)

    def action_look(self) -> None:
        node = self.query_one(RecordingTree).cursor_node
        if node is not None and node.allow_expand:
            node.toggle()
        elif node is not None and node.data is not None and not self.query_one(RecordingTree).is_broken(node.data):
            self.post_message(Visit("voxels", node.data))

    def on_click(self, event: events.Click) -> None:
        """A click chooses, as the arrow keys do; a second one is as good as enter."""
        tree = self.query_one(RecordingTree)
        if event.chain == 2 and event.widget is tree and tree.cursor_node and not tree.cursor_node.allow_expand:
            self.action_look()

    @on(RecordingBroken)
    def _show_broken(self, message: RecordingBroken) -> None:
        self.query_one(RecordingTree).mark(message.path, broken=True)
        if message.path != self._wanted:
            return
        self.workbench.recording = None
        if self.workbench.pane is not self:
            self.post_message(Refused(message.why))
        self.query_one("#recording").border_title = message.path.name
        text = Text("✗ cannot be read\n\n", "bold #ff5c8a")
        text.append(message.why, "not bold default")
        self.query_one("#summary", Static).update(text)
        self._show_parts(False)

    def _show_parts(self, visible: bool) -> None:
        for part in ("#rates", "#preview"):
            self.query_one(part).display = visible
        self.query_one("#recording").border_subtitle = "busiest 50 ms · enter opens it in Voxels" if visible else ""
