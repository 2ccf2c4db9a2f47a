"""Windows of recordings as a board is given them: a sensor's events where it can filter and count them itself."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from evbench.errors import RecordingError
from evbench.jobs.models import Model, by_occupied_cells, dataset_for, enough, random_inputs, windows_of

if TYPE_CHECKING:
    from evbench.boards.sensor import SensorStream, SensorWindow
    from evbench.boards.session import Window
    from evbench.events.datasets.labelled import Dataset
    from evbench.events.stream import EventStream
    from evbench.events.windowset import WindowSet
    from evbench.graph.model import IntegerGraph


def profiled_windows(model: Model, data: Path | None) -> list[Window]:
    """What a profile run plays to the board: windows of recordings, or random bytes where a model reads no events."""
    count = enough(model.graph)
    if not model.reads_events and data is None:
        return list(random_inputs(model.graph, count))
    dataset = dataset_for(data)
    windows = windows_of(model, dataset)
    return as_recorded(model.graph, dataset, windows, by_occupied_cells(windows, count))


def as_recorded(graph: IntegerGraph, dataset: Dataset, windows: WindowSet, rows: Iterable[int]) -> list[Window]:
    """The windows numbered `rows`: with the sensor's events where a board with `graph` makes the same grid of them,
    else as grids, uint8 [C, H, W]. `windows` are those of the test split of `dataset`."""
    from evbench.boards.sensor import SensorStream

    recordings = dataset.of("test")
    streams: dict[int, SensorStream | None] = {}
    found: list[Window] = []
    for row in rows:
        number = int(windows.recording[row])
        if number not in streams:
            streams[number] = SensorStream.of(graph, dataset.read_whole(recordings[number]))
        stream, grid = streams[number], windows.dense([int(row)])[0]
        window = stream.window(int(windows.t0[row])) if stream is not None else None
        found.append(window if window is not None and np.array_equal(window.grid, grid) else grid)
    return found


def stream_of(model: Model, recording: Path) -> SensorStream:
    """A recording as the board reads it. Raises RecordingError where it is none, or the board cannot filter it."""
    from evbench.boards.sensor import SensorStream
    from evbench.events.recording import open_recording
    from evbench.events.windows import in_time_order

    opened = open_recording(recording)
    stream = SensorStream.of(model.graph, in_time_order(opened.read()))
    if stream is None:
        size = f"{opened.geometry.width} x {opened.geometry.height}"
        raise RecordingError(
            "The board cannot make windows of this recording's events itself",
            where=f"{recording}, {size}, for {model.name}",
            remedy="Choose a model that reads voxel grids of this sensor behind no filter but background activity",
        )
    return stream


def sliding_windows(stream: SensorStream, hop: int, count: int) -> list[SensorWindow]:
    """At most `count` windows with an event each, `hop` microseconds apart, from the first whole one on.

    Raises RecordingError when there is none.
    """
    from evbench.events.windows import first_window_start

    events, duration = stream.events, stream.settings.window
    if not len(events):
        raise RecordingError("The recording has no event on the model's grid", remedy="Choose another one")
    first = first_window_start(int(events.t[0]), duration)
    found: list[SensorWindow] = []
    while len(found) < count and first + duration <= int(events.t[-1]) + 1:
        if _any_between(events, first, first + duration):
            found.append(stream.window(first))
        first += hop
    if not found:
        raise RecordingError(
            "The recording is shorter than a window",
            where=f"windows of {duration / 1e3:g} ms",
            remedy="Choose a longer one",
        )
    return found


def _any_between(events: EventStream, start: int, stop: int) -> bool:
    begin, end = np.searchsorted(events.t, [start, stop])
    return bool(begin < end)
