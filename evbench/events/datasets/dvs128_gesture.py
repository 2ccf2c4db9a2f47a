"""DVS128 Gesture as IBM ships it: one AEDAT 3.1 file per person and light, and a table that says when which gesture is.

Amir et al., "A low power, fully event-based gesture recognition system", CVPR 2017. The folder DvsGesture holds
userNN_<light>.aedat, userNN_<light>_labels.csv (class from 1, startTime_usec, endTime_usec), trials_to_train.txt (23
people) and trials_to_test.txt (6 others).
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from evbench.errors import RecordingError
from evbench.events.datasets.labelled import Dataset, LabelledRecording, Split
from evbench.events.datasets.splits import VALIDATION_SHARE, held_out
from evbench.events.gesture_motion import GESTURES
from evbench.events.recording import open_recording
from evbench.events.stream import EventStream, SensorGeometry
from evbench.events.windows import in_time_order
from evbench.profiles import DatasetSettings

FOLDER = "DvsGesture"
_LISTS: tuple[tuple[Split, str], ...] = (("train", "trials_to_train.txt"), ("test", "trials_to_test.txt"))
_HEADER = "class,startTime_usec,endTime_usec"
_SENSOR = SensorGeometry(128, 128)


def dvs128_gesture(root: Path, _: DatasetSettings) -> Dataset:
    """The set in `root` or in its folder DvsGesture: one recording per gesture that the tables name.

    The split by person is the official one; three of the 23 people to train on are kept for validation. Raises
    RecordingError where a list, a recording or a table is missing or wrong.
    """
    if not (root / _LISTS[0][1]).is_file():
        root = root / FOLDER
    stretches: dict[str, tuple[int, int]] = {}
    recordings: list[LabelledRecording] = []
    for split, listed in _LISTS:
        trials = _trials(root / listed)
        kept = held_out([person for person, _ in trials], [0] * len(trials), VALIDATION_SHARE)
        for number, (person, path) in enumerate(trials):
            part: Split = "validation" if split == "train" and number in kept else split
            for place, (label, start, stop) in enumerate(_gestures(path.with_name(f"{path.stem}_labels.csv"))):
                name = f"{path.stem} {place:02d}"
                stretches[name] = start, stop
                recordings.append(LabelledRecording(path, label, part, person, name))
    both = {r.session for r in recordings if r.split == "test"} & {r.session for r in recordings if r.split != "test"}
    if both:
        raise RecordingError(f"{min(both)} is both in the training and in the test list", where=str(root))
    return Dataset("dvs128-gesture", GESTURES, _SENSOR, tuple(recordings), _Stretches(stretches))


class _Stretches:
    """Reads gestures out of their files; the file read last stays in memory, for all its gestures follow each other."""

    def __init__(self, stretches: dict[str, tuple[int, int]]) -> None:
        self._stretches = stretches
        self._path: Path | None = None
        self._whole: EventStream | None = None

    def __call__(self, recording: LabelledRecording) -> EventStream:
        assert recording.path is not None
        if self._whole is None or recording.path != self._path:
            self._whole = None
            self._whole, self._path = in_time_order(open_recording(recording.path).read()), recording.path
        start, stop = self._stretches[recording.name]
        begin, end = np.searchsorted(self._whole.t, [start, stop])
        if begin == end:
            raise RecordingError(
                f"The gesture from {start / 1e6:.3f} s to {stop / 1e6:.3f} s has no event",
                where=str(recording.path),
                remedy="Download the recording again, or take the line out of its table of labels",
            )
        return self._whole[int(begin) : int(end)]


def _trials(path: Path) -> list[tuple[str, Path]]:
    """Person and recording of each line of a list."""
    if not path.is_file():
        raise RecordingError(
            f"DVS128 Gesture is not there: {path.name} is missing",
            where=str(path),
            remedy=f"Download DvsGesture.tar.gz from IBM by hand, unpack it, and name the folder {FOLDER} with --data",
        )
    found: list[tuple[str, Path]] = []
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        if not line.strip():
            continue
        person = re.match(r"(user\d+)_\w+\.aedat$", line.strip())
        if person is None:
            raise RecordingError(
                f"{line.strip()!r} does not name a recording as userNN_<light>.aedat", where=f"{path}, line {number}"
            )
        recording = path.with_name(line.strip())
        if not recording.is_file():
            raise RecordingError(
                f"The recording {recording.name} is missing",
                where=f"{path}, line {number}",
                remedy="Unpack DvsGesture.tar.gz again, or take the line out",
            )
        found.append((person[1], recording))
    if not found:
        raise RecordingError("The list names no recording", where=str(path), remedy="Unpack DvsGesture.tar.gz again")
    return found


def _gestures(path: Path) -> list[tuple[int, int, int]]:
    """Class from 0, begin and end in microseconds of each line of a table of labels."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise RecordingError(
            f"The table of labels cannot be read: {error.strerror}",
            where=str(path),
            remedy="Put it beside its recording",
        ) from None
    if not lines or lines[0].replace(" ", "") != _HEADER:
        raise RecordingError(f"The table of labels does not begin with {_HEADER}", where=f"{path}, line 1")
    found: list[tuple[int, int, int]] = []
    for number, line in enumerate(lines[1:], 2):
        if not line.strip():
            continue
        match = re.fullmatch(r"\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*", line)
        label, start, stop = (int(word) for word in match.groups()) if match else (0, 0, 0)
        if not 1 <= label <= len(GESTURES) or start >= stop:
            raise RecordingError(
                f"{line.strip()!r} is not a class from 1 to {len(GESTURES)} with its begin and end in microseconds",
                where=f"{path}, line {number}",
            )
        found.append((label - 1, start, stop))
    return found
