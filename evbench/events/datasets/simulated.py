"""The simulated sets: moving bars, which need no files, and gestures, which are made once and then read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from evbench.errors import RecordingError
from evbench.events import bars, gesture_body, gestures
from evbench.events.datasets.labelled import Dataset, LabelledRecording, Split
from evbench.events.gesture_motion import GESTURES
from evbench.profiles import DatasetSettings


def simulated_bars() -> Dataset:
    """Bars that move in six ways, simulated when they are read."""
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
    return Dataset("simulated-bars", bars.MOTIONS, bars.GEOMETRY, recordings, lambda r: bars.simulate_by_name(r.name))


def simulated_gestures(root: Path, settings: DatasetSettings) -> Dataset:
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
