"""Every window of a split as one sparse array: what training, evaluation and parity read.

A 50 ms window of a 128x128 sensor fills about one cell in a hundred, so counts are kept like the rows of a CSR matrix.
"""

from __future__ import annotations

import os
import zipfile
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from evbench.errors import RecordingError
from evbench.events.cleaning import filter_stream
from evbench.events.datasets.labelled import Dataset, LabelledRecording, Split, span
from evbench.events.stream import EventStream, SensorGeometry
from evbench.events.voxel import MAX_COUNT
from evbench.events.windows import first_window_start
from evbench.profiles import Representation


@dataclass(frozen=True, slots=True, eq=False)
class WindowSet:
    """N windows without the empty ones, recording by recording and in time order within each.

    The occupied cells of window i are `index[offsets[i]:offsets[i + 1]]`, ascending flat positions in `shape`.
    offsets: [N + 1] int64; index: [M] uint32; count: [M] uint8; labels: [N] int64; recording: [N] int32, positions
    in `dataset.of(split)`; t0: [N] int64, microseconds; shape: (channels, height, width); n_empty: how many windows
    had no event in the grid and were left out.
    """

    offsets: NDArray[np.int64]
    index: NDArray[np.uint32]
    count: NDArray[np.uint8]
    labels: NDArray[np.int64]
    recording: NDArray[np.int32]
    t0: NDArray[np.int64]
    shape: tuple[int, int, int]
    n_empty: int = 0

    def __len__(self) -> int:
        return len(self.labels)

    def dense(self, rows: NDArray[np.integer] | list[int] | slice) -> NDArray[np.uint8]:
        """The windows numbered `rows` as uint8 [n, C, H, W]."""
        chosen = np.arange(len(self))[rows]
        cells = int(np.prod(self.shape))
        begin = self.offsets[chosen]
        length = self.offsets[chosen + 1] - begin
        row = np.repeat(np.arange(len(chosen)), length)
        source = np.arange(len(row)) - np.repeat(np.cumsum(length) - length, length) + np.repeat(begin, length)
        grid = np.zeros(len(chosen) * cells, np.uint8)
        grid[row * cells + self.index[source]] = self.count[source]
        return grid.reshape(len(chosen), *self.shape)

    def spread(self, count: int) -> WindowSet:
        """At most `count` windows, spread evenly over recordings and time."""
        chosen = np.unique(np.linspace(0, len(self) - 1, min(count, len(self))).round().astype(np.int64))
        lengths = self.offsets[chosen + 1] - self.offsets[chosen]
        cells = np.concatenate([np.arange(self.offsets[row], self.offsets[row + 1]) for row in chosen])
        return WindowSet(
            offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            index=self.index[cells],
            count=self.count[cells],
            labels=self.labels[chosen],
            recording=self.recording[chosen],
            t0=self.t0[chosen],
            shape=self.shape,
            n_empty=self.n_empty,
        )

    def save(self, path: Path) -> None:
        """Writes an .npz file, complete or not at all.

        Neighbouring cells are near each other, so what is packed is the step from one to the next, byte by byte of
        all steps: a real 50 ms window takes a quarter of what its indices would.
        """
        steps = np.diff(self.index, prepend=np.uint32(0)).astype("<u4")
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            with temporary.open("wb") as file:
                np.savez_compressed(
                    file,
                    offsets=self.offsets,
                    index=np.ascontiguousarray(steps.view(np.uint8).reshape(-1, 4).T),
                    count=self.count,
                    labels=self.labels,
                    recording=self.recording,
                    t0=self.t0,
                    shape=np.array(self.shape),
                    n_empty=np.array(self.n_empty),
                )
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: Path) -> WindowSet:
        """Reads what `save` wrote. Raises RecordingError when the file is no such thing."""
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = {field.name: file[field.name] for field in fields(cls)}
                channels, height, width = (int(side) for side in arrays.pop("shape"))
                steps = np.ascontiguousarray(arrays["index"].T).view("<u4").ravel()
                arrays["index"] = np.cumsum(steps, dtype=np.uint32)
                return cls(**arrays | {"shape": (channels, height, width), "n_empty": int(arrays["n_empty"])})
        except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile) as error:
            raise RecordingError(f"The window set cannot be read: {error}", where=str(path)) from None


def build_windows(
    dataset: Dataset, representation: Representation, split: Split, kind: Literal["voxel", "frame"] = "voxel"
) -> WindowSet:
    """The windows of all recordings of `split`, as voxel grids or, with "frame", as grids of a single bin.

    Filters see each recording whole. A window belongs to a split when all of it lies in the stretch that the split
    owns, so no event is in two splits. Events outside the grid are cropped; a grid larger or smaller than the sensor
    lies centred on it. Raises RecordingError when a recording cannot be read or the split has no window.
    """
    bins = 1 if kind == "frame" else representation.bins
    height, width = representation.size
    parts = [
        _windows_of(dataset, recording, representation, bins, number)
        for number, recording in enumerate(dataset.of(split))
    ]
    lengths = np.concatenate([part.lengths for part in parts]) if parts else np.empty(0, np.int64)
    if not len(lengths):
        raise RecordingError(
            f"The {split} split of {dataset.name} has no window with events",
            remedy="Use longer recordings or a shorter window",
        )
    return WindowSet(
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        index=np.concatenate([part.index for part in parts]),
        count=np.concatenate([part.count for part in parts]),
        labels=np.concatenate([part.labels for part in parts]),
        recording=np.concatenate([part.recording for part in parts]),
        t0=np.concatenate([part.t0 for part in parts]),
        shape=(2 * bins, height, width),
        n_empty=sum(part.n_empty for part in parts),
    )


def place_on_grid(stream: EventStream, size: tuple[int, int]) -> EventStream:
    """The stream in the coordinates of a grid (height, width) centred on the sensor; what lies outside is cropped."""
    height, width = size
    geometry = stream.geometry
    if (geometry.height, geometry.width) == (height, width):
        return stream
    x = stream.x.astype(np.int64) + (width - geometry.width) // 2
    y = stream.y.astype(np.int64) + (height - geometry.height) // 2
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    return EventStream(
        stream.t[inside],
        x[inside].astype(np.uint16),
        y[inside].astype(np.uint16),
        stream.on[inside],
        SensorGeometry(width, height),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    lengths: NDArray[np.int64]
    index: NDArray[np.uint32]
    count: NDArray[np.uint8]
    labels: NDArray[np.int64]
    recording: NDArray[np.int32]
    t0: NDArray[np.int64]
    n_empty: int


def _windows_of(
    dataset: Dataset, recording: LabelledRecording, representation: Representation, bins: int, number: int
) -> _Part:
    """All windows of one recording at once: each event's window and cell make one key, and equal keys are counted."""
    duration = representation.window
    stream = dataset.read_whole(recording)
    start, stop = span(recording, stream)
    origin = first_window_start(int(stream.t[0]), duration)
    # A whole recording keeps the windows at its ends that it fills only partly; a cut between splits keeps none.
    lowest = 0 if recording.part[0] == 0.0 else -((origin - start) // duration)
    end = (stop - 1 - origin) // duration + 1 if recording.part[1] == 1.0 else (stop - origin) // duration
    stream = place_on_grid(filter_stream(stream, representation.filters), representation.size)
    height, width = representation.size
    cells = 2 * bins * height * width
    window = (stream.t - origin) // duration
    chosen = (window >= lowest) & (window < end)
    stream, window = stream[chosen], window[chosen]
    bin_number = (stream.t - origin - window * duration) * bins // duration
    cell = ((stream.on * bins + bin_number) * height + stream.y) * width + stream.x
    key, counts = np.unique(window * cells + cell, return_counts=True)
    occupied, lengths = np.unique(key // cells, return_counts=True)
    return _Part(
        lengths=lengths.astype(np.int64),
        index=(key % cells).astype(np.uint32),
        count=np.minimum(counts, MAX_COUNT).astype(np.uint8),
        labels=np.full(len(occupied), recording.label, np.int64),
        recording=np.full(len(occupied), number, np.int32),
        t0=origin + occupied * duration,
        n_empty=max(end - lowest, 0) - len(occupied),
    )
