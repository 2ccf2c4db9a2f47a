"""What the Data pane shows: folders of recordings, and one recording read whole, as it is or filtered."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evbench.errors import EvbenchError, RecordingError
from evbench.events.stream import EventStream, SensorGeometry
from evbench.events.suffixes import SUFFIXES

if TYPE_CHECKING:
    from evbench.events.cleaning import FilterStep
    from evbench.profiles import FilterSettings

_SPANS = 400
_DEPTH = 4
_MOST_ENTRIES = 20_000


@dataclass(frozen=True, slots=True)
class FolderState:
    """A folder with recordings below it; `note` says why there are none."""

    name: str
    path: Path
    folders: tuple[FolderState, ...] = ()
    files: tuple[Path, ...] = ()
    note: str = ""

    @property
    def recordings(self) -> int:
        """How many recordings lie in it and below."""
        return len(self.files) + sum(folder.recordings for folder in self.folders)


@dataclass(frozen=True, slots=True, eq=False)
class RecordingState:
    """One recording, or what filters left of it; times in microseconds.

    geometry, stream, on (how many events are ON) and rates, [spans] events per second over equal parts of its length,
    are those behind the filters; `recorded` is how many events there were before them, `steps` what each did. `hot`
    are the pixels, (x, y), that fired far more often than their neighbours, as it was recorded.
    """

    path: Path
    format: str
    geometry: SensorGeometry
    stream: EventStream
    on: int
    t_first: int
    t_last: int
    monotonic: bool
    warnings: tuple[str, ...]
    rates: NDArray[np.float64]
    recorded: int
    hot: tuple[tuple[int, int], ...] = ()
    steps: tuple[FilterStep, ...] = ()

    @property
    def events(self) -> int:
        return len(self.stream)

    @property
    def duration(self) -> int:
        return self.t_last - self.t_first

    def windows(self, duration: int) -> int:
        """How many windows of `duration` microseconds it has, empty ones included."""
        if not self.recorded:
            return 0
        return self.t_last // duration - self.t_first // duration + 1

    def window_at(self, t: int, duration: int) -> int:
        """The number of the window that holds the time `t`."""
        return max(0, min(t // duration - self.t_first // duration, self.windows(duration) - 1))

    def window_start(self, number: int, duration: int) -> int:
        """Where window `number` begins, which is brought into range."""
        return (self.t_first // duration + max(0, min(number, self.windows(duration) - 1))) * duration

    @property
    def busiest(self) -> int:
        """A time at which more happens than at any other."""
        spans = len(self.rates)
        return self.t_first + (int(self.rates.argmax()) * self.duration // spans if spans else 0)


def read_folder(path: Path, name: str | None = None) -> FolderState:
    """The recordings at and below `path`, sorted as people count; a file makes a folder of one."""
    name = name or path.name or str(path)
    if path.is_file():
        return FolderState(name, path, (), (path,))
    if not path.is_dir():
        return FolderState(name, path, note="not found")
    try:
        found = _listed(path, name) if any(path.glob("train*.txt")) else _folder(path, name)
    except OSError as error:
        return FolderState(name, path, note=error.strerror or "cannot be read")
    return found if found.recordings else replace(found, note="no recordings")


def _listed(path: Path, name: str) -> FolderState:
    """A folder whose samples are sorted into splits and classes by lists, as N-MNIST is; as it lies if they are bad."""
    from evbench.events.datasets.catalogue import load_dataset
    from evbench.profiles import DatasetSettings

    try:
        dataset = load_dataset(DatasetSettings(name="nmnist-lists"), path)
    except EvbenchError:
        return _folder(path, name)
    sorted_in: dict[str, dict[str, list[Path]]] = {}
    for recording in dataset.recordings:
        if recording.path is not None:
            classes = sorted_in.setdefault(recording.split, {})
            classes.setdefault(dataset.classes[recording.label], []).append(recording.path)
    splits = [
        FolderState(
            split,
            path,
            tuple(FolderState(f"class {label}", path, (), tuple(files)) for label, files in sorted(classes.items())),
        )
        for split, classes in sorted_in.items()
    ]
    return FolderState(name, path, tuple(splits))


def _folder(path: Path, name: str) -> FolderState:
    """A folder as it lies on the disk, some levels deep; of a very large one not everything is looked at."""
    seen = 0

    def look(path: Path, name: str, depth: int) -> FolderState:
        nonlocal seen
        folders: list[FolderState] = []
        files: list[Path] = []
        for entry in sorted(path.iterdir(), key=_natural):
            seen += 1
            if seen > _MOST_ENTRIES:
                break
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                below = look(entry, entry.name, depth + 1) if depth < _DEPTH and os.access(entry, os.R_OK) else None
                if below is not None and below.recordings:
                    folders.append(below)
            elif entry.suffix.lower() in SUFFIXES:
                files.append(entry)
        return FolderState(name, path, tuple(folders), tuple(files))

    return look(path, name, 0)


def _natural(path: Path) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", path.name.lower())]


def read_recording(path: Path) -> RecordingState:
    """Read a recording whole. Raises RecordingError when nothing of it can be read."""
    from evbench.events.filters import hot_pixels, list_pixels
    from evbench.events.recording import open_recording
    from evbench.events.windows import in_time_order, is_monotonic

    try:
        recording = open_recording(path)
        stream = recording.read()
        warnings = tuple(recording.warnings)
    except EvbenchError:
        raise
    except OSError as error:
        raise RecordingError(error.strerror or "The file cannot be read", where=str(path)) from error
    monotonic = is_monotonic(stream.t)
    stream = in_time_order(stream)
    first, last = (int(stream.t[0]), int(stream.t[-1])) if len(stream) else (0, 0)
    return RecordingState(
        path,
        recording.format,
        recording.geometry,
        stream,
        int(np.count_nonzero(stream.on)),
        first,
        last,
        monotonic,
        warnings,
        _rates(stream.t, first, last),
        len(stream),
        tuple(list_pixels(hot_pixels(stream))),
    )


def filter_recording(recording: RecordingState, filters: Sequence[FilterSettings]) -> RecordingState:
    """What filters leave of a recording, which is to have none yet. Raises ProfileError where one does not suit it."""
    from evbench.events.cleaning import clean

    cleaned = clean(recording.stream, filters)
    return replace(
        recording,
        geometry=cleaned.stream.geometry,
        stream=cleaned.stream,
        on=int(np.count_nonzero(cleaned.stream.on)),
        rates=_rates(cleaned.stream.t, recording.t_first, recording.t_last),
        steps=cleaned.steps,
    )


def _rates(t: NDArray[np.int64], first: int, last: int) -> NDArray[np.float64]:
    """Events per second over equal parts of the time from `first` to `last`."""
    if last == first:
        return np.zeros(0)
    edges = np.linspace(first, last, _SPANS + 1)
    counts = np.diff(np.searchsorted(t, edges[:-1]), append=len(t))[:_SPANS]
    return counts * (1e6 * _SPANS / float(last - first))
