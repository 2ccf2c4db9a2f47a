"""Sets of files in a layout that says what belongs where: folders by split and class, or lists of samples."""

from __future__ import annotations

from pathlib import Path

from evbench.errors import RecordingError
from evbench.events.datasets.labelled import Dataset, LabelledRecording, Split
from evbench.events.datasets.splits import VALIDATION_SHARE
from evbench.events.recording import open_recording
from evbench.events.stream import SensorGeometry
from evbench.profiles import DatasetSettings

_NMNIST_VALIDATION_EVERY = 10


def folder(root: Path, _: DatasetSettings) -> Dataset:
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


def nmnist_lists(root: Path, _: DatasetSettings) -> Dataset:
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
    for number, line in enumerate(lists[0].read_text(encoding="utf-8", errors="replace").splitlines(), 1):
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
