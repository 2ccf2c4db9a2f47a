"""What every labelled set is: recordings with a class and a split, so that no session is on both sides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from evbench.events.recording import open_recording
from evbench.events.stream import EventStream, SensorGeometry
from evbench.events.windows import in_time_order

Split = Literal["train", "validation", "test"]

BOX = np.dtype([("t", "f8"), ("x_min", "f4"), ("y_min", "f4"), ("x_max", "f4"), ("y_max", "f4")])
"""A place in the picture at a time, pixels from the left and from the top; in the unit of time of its set."""


@dataclass(frozen=True, slots=True)
class LabelledRecording:
    """A recording, or a part of one, and its class.

    `path` is None where the set makes or finds the events itself. `label` is the class number, `session` what test and
    training must not share (a day, a person), `part` the stretch of the recording's duration that belongs to this
    split, 0 to 1.
    """

    path: Path | None
    label: int
    split: Split
    session: str
    name: str
    part: tuple[float, float] = (0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Dataset:
    """A labelled set: class names by number, the sensor, and all recordings of all splits.

    `reader` gives the events of a recording in time order where that takes more than opening its file; `boxes` those
    places, [N] BOX, that a set made for detection says of a recording in place of a class.
    """

    name: str
    classes: tuple[str, ...]
    geometry: SensorGeometry
    recordings: tuple[LabelledRecording, ...]
    reader: Callable[[LabelledRecording], EventStream] | None = None
    boxes: Callable[[LabelledRecording], NDArray[Any]] | None = None

    def of(self, split: Split) -> tuple[LabelledRecording, ...]:
        """The recordings of one split."""
        return tuple(recording for recording in self.recordings if recording.split == split)

    def read_whole(self, recording: LabelledRecording) -> EventStream:
        """All events of the recording in time order, whatever part belongs to the split: what filters work on."""
        if self.reader is not None:
            return self.reader(recording)
        if recording.path is None:
            raise ValueError(f"{recording.name} has neither a file nor a reader")
        return in_time_order(open_recording(recording.path).read())

    def read(self, recording: LabelledRecording) -> EventStream:
        """The events of the recording that belong to its split, in time order."""
        stream = self.read_whole(recording)
        start, stop = span(recording, stream)
        begin, end = np.searchsorted(stream.t, [start, stop])
        return stream[int(begin) : int(end)]


def span(recording: LabelledRecording, stream: EventStream) -> tuple[int, int]:
    """The times [start, stop) in microseconds that `recording.part` means within its whole `stream`."""
    first, last = int(stream.t[0]), int(stream.t[-1])
    start, stop = (first + round(share * (last + 1 - first)) for share in recording.part)
    return start, stop
