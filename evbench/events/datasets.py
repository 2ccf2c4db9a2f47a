"""Labelled sets of recordings, split into training, validation and test so that no session is on both sides.

Validation is cut from the training recordings, never from the test ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from evbench.errors import RecordingError
from evbench.events import bars, gesture_body, gestures
from evbench.events.gesture_motion import GESTURES
from evbench.events.recording import open_recording
from evbench.events.stream import EventStream, SensorGeometry
from evbench.events.windows import in_time_order
from evbench.profiles import DatasetSettings

Split = Literal["train", "validation", "test"]

VALIDATION_SHARE = 0.15
"""How much of each training recording, at its end, a folder set keeps for validation."""

_NMNIST_VALIDATION_EVERY = 10


@dataclass(frozen=True, slots=True)
class LabelledRecording:
    """A recording, or a part of one, and its class.

    `path` is None for simulated recordings. `label` is the class number, `session` what test and training must not
    share (a day, a person), `part` the stretch of the recording's duration that belongs to this split, 0 to 1.
    """

    path: Path | None
    label: int
    split: Split
    session: str
    name: str
    part: tuple[float, float] = (0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Dataset:
    """A labelled set: class names by number, the sensor, and all recordings of all splits."""

    name: str
    classes: tuple[str, ...]
    geometry: SensorGeometry
    recordings: tuple[LabelledRecording, ...]
    simulate: Callable[[str], EventStream] | None = None

    def of(self, split: Split) -> tuple[LabelledRecording, ...]:
        """The recordings of one split."""
        return tuple(recording for recording in self.recordings if recording.split == split)

    def read_whole(self, recording: LabelledRecording) -> EventStream:
        """All events of the recording in time order, whatever part belongs to the split: what filters work on."""
        if recording.path is not None:
            return in_time_order(open_recording(recording.path).read())
        if self.simulate is None:
            raise ValueError(f"{recording.name} has neither a file nor a simulation")
        return self.simulate(recording.name)

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


def load_dataset(settings: DatasetSettings, data: Path | None) -> Dataset:
    """The set a recipe names: "simulated-bars", "simulated-gestures", "folder" or "nmnist-lists".

    The files lie at `settings.path`, taken from `data` where both are given, or at `data`. Only file names are read
    here, not events; `prepare_dataset` makes the files of a set that can be made. Raises RecordingError where the set
    is unknown or its files are missing.
    """
    if settings.name == "simulated-bars":
        return _simulated_bars()
    loaders = {"simulated-gestures": _simulated_gestures, "folder": _folder, "nmnist-lists": _nmnist_lists}
    if settings.name not in loaders:
        raise RecordingError(
            f"There is no dataset {settings.name!r}",
            remedy=f"Name one of simulated-bars, {', '.join(loaders)}",
        )
    return loaders[settings.name](_root(settings, data), settings)


def prepare_dataset(
    settings: DatasetSettings, data: Path | None, cache: Path, on_progress: Callable[[float, str], None] | None = None
) -> Path | None:
    """Where `load_dataset` finds the set: `data`, unless the set is simulated-gestures and nobody says where it lies.

    Then its recordings are made below `cache`, those that are not there yet. `on_progress` is told the share that is
    made, and of what. Raises RecordingError when they cannot be written.
    """
    if settings.name != "simulated-gestures" or data is not None or settings.path is not None:
        return data
    subjects, seconds = settings.subjects or gestures.SUBJECTS, settings.seconds or gestures.SECONDS
    return make_dataset(settings.name, None, cache, subjects, seconds, on_progress)[0]


def make_dataset(
    name: str,
    folder: Path | None,
    cache: Path,
    subjects: int,
    seconds: float,
    on_progress: Callable[[float, str], None] | None = None,
) -> tuple[Path, list[Path]]:
    """Makes the recordings of a simulated set, of so many people and so many seconds each; only simulated-gestures has
    files. Returns their folder, `folder` or one below `cache` where recipes find them, and their paths.

    Raises RecordingError when there is no such set or it cannot be written.
    """
    if name != "simulated-gestures":
        raise RecordingError(f"No dataset {name!r} can be made", remedy="Make simulated-gestures")
    if folder is None:
        folder = cache / "datasets" / f"{name}-{gestures.version()}-{seconds:g}s"
    return folder, gestures.make_simulated_gestures(folder, subjects, seconds, on_progress)


def _root(settings: DatasetSettings, data: Path | None) -> Path:
    if data is None and settings.path is None:
        raise RecordingError(
            f"The dataset {settings.name!r} needs a folder", remedy="Name it with --data or as dataset.path"
        )
    root = (data or Path()) / (settings.path or "")
    if not root.is_dir():
        raise RecordingError("The dataset's folder does not exist", where=str(root), remedy="Correct --data")
    return root


def _simulated_bars() -> Dataset:
    splits: tuple[tuple[Split, range], ...] = (
        ("train", bars.TRAIN_SUBJECTS),
        ("validation", bars.VALIDATION_SUBJECTS),
        ("test", bars.TEST_SUBJECTS),
    )
    recordings = tuple(
        LabelledRecording(None, label, split, f"subject-{subject:02d}", bars.recording_name(subject, motion))
        for split, subjects in splits
        for subject in subjects
        for label, motion in enumerate(bars.MOTIONS)
    )
    return Dataset("simulated-bars", bars.MOTIONS, bars.GEOMETRY, recordings, bars.simulate_by_name)


def _simulated_gestures(root: Path, settings: DatasetSettings) -> Dataset:
    """The recordings that `make_simulated_gestures` has written to `root`, of all people or as many as are wanted."""
    there = gestures.made_subjects(root)
    wanted = gestures.chosen_subjects(settings.subjects) if settings.subjects else there
    missing = [subject for subject in wanted if subject not in there]
    splits: tuple[tuple[Split, range], ...] = (
        ("train", gestures.TRAIN_SUBJECTS),
        ("validation", gestures.VALIDATION_SUBJECTS),
        ("test", gestures.TEST_SUBJECTS),
    )
    absent = [split for split, subjects in splits if not set(subjects) & set(wanted)]
    if missing or absent:
        lack = f"subjects {', '.join(str(subject + 1) for subject in missing)}" if missing else f"{absent[0]} subjects"
        raise RecordingError(
            f"The simulated gestures lack the recordings of {lack}",
            where=str(root),
            remedy="Make them with `evbench datasets make simulated-gestures`",
        )
    recordings = tuple(
        LabelledRecording(root / name, label, split, f"subject-{subject + 1:02d}", name)
        for split, subjects in splits
        for subject in subjects
        if subject in wanted
        for label, gesture in enumerate(GESTURES)
        for name in [gestures.recording_name(subject, gesture)]
    )
    return Dataset("simulated-gestures", GESTURES, gesture_body.GEOMETRY, recordings)


def _folder(root: Path, _: DatasetSettings) -> Dataset:
    """train/ and test/, and validation/ where there is one, each with class.suffix files or class/ folders of files."""
    found = {split: _class_files(root / split) for split in ("train", "validation", "test")}
    for split in ("train", "test"):
        if not found[split]:
            raise RecordingError(
                f"The dataset has no {split} recordings",
                where=str(root / split),
                remedy=f"Put one recording per class, or one folder of recordings per class, into {split}/",
            )
    classes = tuple(sorted({name for files in found.values() for name, _ in files}))
    untrained = set(classes) - {name for name, _ in found["train"]}
    if untrained:
        raise RecordingError(f"No training recording shows {', '.join(sorted(untrained))}", where=str(root / "train"))
    recordings: list[LabelledRecording] = []

    def add(split: Split, source: str, part: tuple[float, float]) -> None:
        for name, path in found[source]:
            label = classes.index(name)
            recordings.append(LabelledRecording(path, label, split, source, path.relative_to(root).as_posix(), part))

    if found["validation"]:
        add("train", "train", (0.0, 1.0))
        add("validation", "validation", (0.0, 1.0))
    else:
        add("train", "train", (0.0, 1.0 - VALIDATION_SHARE))
        add("validation", "train", (1.0 - VALIDATION_SHARE, 1.0))
    add("test", "test", (0.0, 1.0))
    geometry = open_recording(recordings[0].path or root).geometry
    return Dataset("folder", classes, geometry, tuple(recordings))


def _class_files(folder: Path) -> list[tuple[str, Path]]:
    """Class name and path of every recording in one split's folder."""
    if not folder.is_dir():
        return []
    files: list[tuple[str, Path]] = []
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            files += [(entry.name, path) for path in sorted(entry.iterdir()) if not path.name.startswith(".")]
        else:
            files.append((entry.stem, entry))
    return files


def _nmnist_lists(root: Path, _: DatasetSettings) -> Dataset:
    """train*.txt and test*.txt, each line "sample class", and <sample>.bs2 or .bin beside them.

    Every tenth training sample of each class is kept for validation.
    """
    recordings: list[LabelledRecording] = []
    classes = tuple(str(digit) for digit in range(10))
    seen = dict.fromkeys(range(10), 0)
    for label, path in _listed(root, "train"):
        seen[label] += 1
        split: Split = "validation" if seen[label] % _NMNIST_VALIDATION_EVERY == 0 else "train"
        recordings.append(LabelledRecording(path, label, split, "train", path.name))
    recordings += [LabelledRecording(path, label, "test", "test", path.name) for label, path in _listed(root, "test")]
    return Dataset("nmnist-lists", classes, SensorGeometry(34, 34), tuple(recordings))


def _listed(root: Path, split: str) -> list[tuple[int, Path]]:
    """Class and path of every sample that the split's list names."""
    lists = sorted(root.glob(f"{split}*.txt"))
    if not lists:
        raise RecordingError(f"The dataset has no {split} list", where=f"{root}/{split}*.txt", remedy="Correct --data")
    samples: list[tuple[int, Path]] = []
    for number, line in enumerate(lists[0].read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        words = line.split()
        if len(words) < 2 or not words[1].isdigit() or int(words[1]) > 9:
            raise RecordingError(
                f"The list's line {line!r} is not a sample and a class from 0 to 9",
                where=f"{lists[0]}, line {number}",
            )
        candidates = [root / f"{words[0]}{suffix}" for suffix in (".bs2", ".bin")]
        path = next((candidate for candidate in candidates if candidate.is_file()), None)
        if path is None:
            raise RecordingError(
                f"The sample {words[0]} has no recording",
                where=f"{lists[0]}, line {number}",
                remedy=f"Put {candidates[0].name} beside the list, or take the line out",
            )
        samples.append((int(words[1]), path))
    if not samples:
        raise RecordingError(f"The {split} list names no sample", where=str(lists[0]))
    return samples
