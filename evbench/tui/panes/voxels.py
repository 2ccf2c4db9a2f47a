"""The Voxels pane: one window of a recording as a network sees it, and the recording played in real time."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static
from textual.worker import get_current_worker

from evbench.errors import EvbenchError
from evbench.tui.actions import bindings
from evbench.tui.messages import FiltersRefused, PictureSaved, RecordingFiltered, Refused, WindowDrawn
from evbench.tui.panes.base import TROUBLE, Pane
from evbench.tui.state.playing import FRAMES_PER_SECOND, Playing
from evbench.tui.state.recordings import RecordingState, filter_recording
from evbench.tui.state.windows import WindowLook, WindowState, Zoom, read_window, save_window
from evbench.tui.tiles import VIEW_NAMES
from evbench.tui.widgets.filter_report import FilterReport
from evbench.tui.widgets.scrubber import Scrubber
from evbench.tui.widgets.voxel_view import VoxelView
from evbench.tui.widgets.window_figures import figures

if TYPE_CHECKING:
    from evbench.profiles import FilterSettings
    from evbench.tui.filter_dialog import FilterChoice
    from evbench.tui.panes.data import DataPane

_TEACH = """No recording is open yet.

1   lists recordings: choose one there, enter brings it here
o   opens any file or folder of recordings

Then space plays it, , and . step through its windows,
and ? lists every other key."""
_PAN = 0.25
_FRAME = 4
"""Columns that the box around the pane takes."""


class VoxelsPane(Pane):
    """Looks at windows of the workbench's recording; owns how they are looked at, filtered and played."""

    BINDINGS = bindings("voxels")
    clock = staticmethod(time.monotonic)
    can_focus = True

    def __init__(self) -> None:
        super().__init__(id="voxels")
        self._read: RecordingState | None = None
        self._recording: RecordingState | None = None
        self._filters: tuple[FilterChoice, ...] = ()
        self._look = WindowLook()
        self._t0 = 0
        self._window: WindowState | None = None
        self._playing: Playing | None = None

    def compose(self) -> ComposeResult:
        yield Static(Text(_TEACH), id="no-recording", classes="box")
        with Vertical(id="looking", classes="box"):
            yield VoxelView(pixels=self.workbench.pixels, id="pictures")
            yield Scrubber(id="scrubber")
            yield Static(id="window-line")
            yield FilterReport(id="filter-report")

    def on_mount(self) -> None:
        self._timer = self.set_interval(1 / (2 * FRAMES_PER_SECOND), self._play_on, pause=True)
        self.watch(self.workbench, "recording", self._take_recording)

    def shown(self) -> None:
        self.focus()

    def visit(self, subject: Path | int | str) -> None:
        recording = self.workbench.recording
        if isinstance(subject, Path) and (recording is None or recording.path != subject):
            self._data.open(subject)

    @property
    def _data(self) -> DataPane:
        """Opening lists what was opened, so it is that pane's business; what it reads is shown here."""
        from evbench.tui.panes.data import DataPane

        return self.workbench.query_one(DataPane)

    def action_open(self) -> None:
        self._data.action_open()

    # --- the recording and its filters --------------------------------------------------------------------------------

    def _take_recording(self, recording: RecordingState | None) -> None:
        self._stop()
        same = recording is not None and self._read is not None and recording.path == self._read.path
        self._read = recording
        there = recording is not None and recording.recorded > 0
        self.query_one("#no-recording").display = not there
        self.query_one("#looking").display = there
        if recording is None or not there:
            self._recording = self._window = None
            return
        if not same:
            self._look = replace(self._look, zoom=Zoom())
            self._t0 = recording.window_start(
                recording.window_at(recording.busiest, self._look.length), self._look.length
            )
        if self._wanted_filters:
            self._recording = None
            self.apply_filters(recording, self._wanted_filters)
        else:
            self._show_recording(recording)

    def _show_recording(self, recording: RecordingState) -> None:
        self._recording = recording
        geometry = recording.geometry
        self.query_one("#looking").border_title = f"{recording.path.name} · {geometry.width} × {geometry.height}"
        self.query_one(FilterReport).show(recording.recorded, recording.steps)
        self.query_one(Scrubber).show(recording.rates)
        self.draw()

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

    # A worker without a description is described by its arguments, whole recordings among them.
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

    def draw(self) -> None:
        """Show the window that begins at the present place, as it is to be looked at now."""
        if self._recording is not None:
            self.represent(self._recording, self._t0, self._look)

    @work(thread=True, exclusive=True, group="window", description="represent")
    def represent(self, recording: RecordingState, t0: int, look: WindowLook) -> None:
        window = read_window(recording, t0, look)
        if not get_current_worker().is_cancelled:
            self.post_message(WindowDrawn(window))

    @on(WindowDrawn)
    def _show_window(self, message: WindowDrawn) -> None:
        window, recording = message.window, self._recording
        if recording is None or window.path != recording.path:
            return
        self._window = window
        self.query_one(VoxelView).show(window, following=self._playing is not None)
        span = max(recording.duration, 1)
        begin = window.t0 - recording.t_first
        self.query_one(Scrubber).mark(max(begin, 0) / span, min(begin + window.look.length, span) / span)
        self._describe()

    def _describe(self) -> None:
        window, recording = self._window, self._recording
        if window is None or recording is None:
            return
        # A line stays a line: arranging the whole screen anew would cost more than all else a new window does.
        text = figures(recording, window, self.app.size.width - _FRAME)
        self.query_one("#window-line", Static).update(text, layout=False)
        about = [self._playing.remark] if self._playing else []
        about.append(window.look.kind)
        about.append(VIEW_NAMES[self.query_one(VoxelView).view])
        if window.look.zoom.times > 1:
            left, top, width, height = window.look.zoom.region(recording.geometry)
            about.append(f"×{window.look.zoom.times}: x {left}–{left + width - 1}, y {top}–{top + height - 1}")
        box, said = self.query_one("#looking"), " · ".join(about)
        # A frame that says the same is not drawn again.
        if box.border_subtitle != said:
            box.border_subtitle = said

    def on_resize(self) -> None:
        self._describe()

    def _change(self, look: WindowLook) -> None:
        self._look = look
        self.draw()

    def action_bins(self) -> None:
        self._change(self._look.more_bins())

    def action_kind(self) -> None:
        self._change(self._look.next_kind())

    def action_view(self) -> None:
        self.query_one(VoxelView).next_view()
        self._describe()

    def action_zoom(self) -> None:
        self._change(replace(self._look, zoom=self._look.zoom.nearer()))

    def action_pan(self, right: int, down: int) -> None:
        self._change(replace(self._look, zoom=self._look.zoom.moved(_PAN * right, _PAN * down)))

    @on(VoxelView.Pointed)
    def _zoom_there(self, event: VoxelView.Pointed) -> None:
        zoom = self._look.zoom
        self._change(replace(self._look, zoom=zoom.nearer(event.nearer, zoom.sensor_place(event.x, event.y))))

    # --- going through the recording ----------------------------------------------------------------------------------

    def _go_to(self, number: int) -> None:
        """Show a window that the user asked for, which ends playing."""
        self._stop()
        if self._recording is not None:
            self._t0 = self._recording.window_start(number, self._look.length)
            self.draw()

    @property
    def _number(self) -> int:
        """The window that begins at the present place, or holds most of what is seen while playing."""
        assert self._recording is not None
        return self._recording.window_at(self._t0 + (self._look.length - 1) // 2, self._look.length)

    def action_step(self, windows: int) -> None:
        if self._recording is not None:
            self._go_to(self._number + windows)

    def action_first_window(self) -> None:
        self._go_to(0)

    def action_last_window(self) -> None:
        if self._recording is not None:
            self._go_to(self._recording.windows(self._look.length) - 1)

    def action_length(self, steps: int) -> None:
        longer = self._look.longer(steps)
        if self._recording is not None and longer != self._look:
            middle = self._t0 + self._look.length // 2
            self._look = longer
            self._go_to(self._recording.window_at(middle, longer.length))

    @on(Scrubber.Sought)
    def _seek(self, event: Scrubber.Sought) -> None:
        recording = self._recording
        if recording is not None:
            at = recording.t_first + round(event.share * recording.duration)
            self._go_to(recording.window_at(at, self._look.length))

    # --- playing ------------------------------------------------------------------------------------------------------

    def action_play(self) -> None:
        recording = self._recording
        if recording is None or self._playing is not None:
            if recording is not None:
                self._go_to(self._number)
            return
        if self._t0 + self._look.length > recording.t_last:
            self._t0 = recording.window_start(0, self._look.length)
            self.draw()
        self._playing = Playing(self._t0 + self._look.length, self.clock())
        self._timer.resume()
        self._describe()

    def _stop(self) -> None:
        self._playing = None
        self._timer.pause()

    def _play_on(self) -> None:
        """Shows the frame whose time has come; while one is still being made, what comes due is left out."""
        playing, recording = self._playing, self._recording
        if playing is None or recording is None:
            return
        due = playing.due(self.clock())
        if due == playing.shown or self.busy("window"):
            return
        playing.show(due)
        end = playing.end(due)
        if end > recording.t_last:
            self.action_last_window()
        else:
            self._t0 = end - self._look.length
            self.draw()

    # --- a picture of it ----------------------------------------------------------------------------------------------

    def action_save(self) -> None:
        if self._recording is not None:
            self.save(self._recording, self._t0, self._look)

    @work(thread=True, group="save", description="save")
    def save(self, recording: RecordingState, t0: int, look: WindowLook) -> None:
        try:
            path = save_window(recording, t0, look, Path.cwd())
        except TROUBLE as error:
            self.refuse(error)
        else:
            self.post_message(PictureSaved(path))
