"""DVS128 Gesture in the layout IBM ships: who is in which split, which events are a gesture, what is said of damage."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from evbench.errors import RecordingError
from evbench.events.datasets import dvs128_gesture
from evbench.events.datasets.catalogue import load_dataset
from evbench.events.datasets.labelled import Dataset
from evbench.events.gesture_motion import GESTURES
from evbench.events.windowset import build_windows
from evbench.profiles import DatasetSettings, Representation, load_recipe

HEADER = b"#!AER-DAT3.1\r\n#Format: RAW\r\n#Source 1: DVS128\r\n#Start-Time: 2015-12-02 15:18:26\r\n#!END-HEADER\r\n"
STRETCHES = [(1, 100_000, 180_000), (4, 200_000, 290_000), (11, 400_000, 499_000)]


def write_trial(root: Path, stem: str, stretches: list[tuple[int, int, int]] = STRETCHES) -> None:
    """A recording of one event per millisecond from 0 to 0.5 s, x the number of the event modulo 128."""
    words = b"".join(struct.pack("<Ii", 1 | 2 | 5 << 2 | (n % 128) << 17, 1000 * n) for n in range(500))
    packet = struct.pack("<hhiiiiii", 1, 1, 8, 4, 0, 500, 500, 500)
    (root / f"{stem}.aedat").write_bytes(HEADER + packet + words)
    lines = [f"{label},{start},{stop}" for label, start, stop in stretches]
    (root / f"{stem}_labels.csv").write_text("\n".join(["class,startTime_usec,endTime_usec", *lines, ""]))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four people of the training list, one of them in two lights, and one of the test list."""
    root = tmp_path / "DvsGesture"
    root.mkdir()
    training = ["user01_fluorescent", "user01_led", "user02_led", "user03_lab", "user04_natural"]
    for stem in (*training, "user24_led"):
        write_trial(root, stem)
    (root / "trials_to_train.txt").write_text("".join(f"{stem}.aedat\r\n" for stem in training) + "\r\n")
    (root / "trials_to_test.txt").write_text("user24_led.aedat\n")
    return root


def load(root: Path) -> Dataset:
    return load_dataset(DatasetSettings(name="dvs128-gesture"), root)


def test_people_are_split_as_the_lists_say_and_validation_is_a_person_of_the_training_list(folder):
    dataset = load(folder)
    people = {split: {r.session for r in dataset.of(split)} for split in ("train", "validation", "test")}
    assert people["test"] == {"user24"}
    assert len(people["validation"]) == 1
    assert people["train"] | people["validation"] == {"user01", "user02", "user03", "user04"}
    assert not people["train"] & people["validation"]
    assert len(dataset.recordings) == 6 * 3
    assert load(folder.parent).recordings == dataset.recordings


def test_of_all_people_twenty_train_three_validate_and_six_test(tmp_path):
    people = [f"user{number:02d}_led" for number in range(1, 30)]
    for stem in people:
        write_trial(tmp_path, stem)
    (tmp_path / "trials_to_train.txt").write_text("".join(f"{stem}.aedat\n" for stem in people[:23]))
    (tmp_path / "trials_to_test.txt").write_text("".join(f"{stem}.aedat\n" for stem in people[23:]))
    dataset = load(tmp_path)
    assert [len({r.session for r in dataset.of(s)}) for s in ("train", "validation", "test")] == [20, 3, 6]


def test_a_recording_is_the_events_from_the_tables_begin_up_to_its_end(folder):
    dataset = load(folder)
    assert dataset.classes == GESTURES
    first, second, third = dataset.of("test")
    assert [dataset.classes[r.label] for r in (first, second, third)] == [
        "hand_clapping",
        "right_arm_clockwise",
        "other_gestures",
    ]
    stream = dataset.read(second)
    np.testing.assert_array_equal(stream.t, np.arange(200_000, 290_000, 1000))
    assert (stream.x[0], stream.y[0], bool(stream.on[0])) == (200 % 128, 5, True)
    windows = build_windows(dataset, Representation(), "test")
    assert windows.t0.tolist() == [100_000, 150_000, 200_000, 250_000, 400_000, 450_000]
    assert windows.labels.tolist() == [0, 0, 3, 3, 10, 10]


def test_a_file_is_decoded_once_for_all_its_gestures(folder, monkeypatch):
    opened: list[Path] = []
    original = dvs128_gesture.open_recording
    monkeypatch.setattr(dvs128_gesture, "open_recording", lambda path: opened.append(path) or original(path))
    dataset = load(folder)
    for recording in dataset.recordings:
        dataset.read(recording)
    assert len(opened) == len(set(opened)) == 6


@pytest.mark.parametrize(
    ("name", "text", "what", "line"),
    [
        ("trials_to_test.txt", None, "trials_to_test.txt is missing", ""),
        ("trials_to_test.txt", "\n", "names no recording", ""),
        ("trials_to_test.txt", "user24_led.aedat\nuser25_led.aedat\n", "user25_led.aedat is missing", "line 2"),
        ("trials_to_test.txt", "notes.txt\n", "does not name a recording", "line 1"),
        ("trials_to_test.txt", "user01_led.aedat\n", "user01 is both", ""),
        ("user24_led_labels.csv", None, "cannot be read", ""),
        ("user24_led_labels.csv", "1,2,3\n", "does not begin with class,", "line 1"),
        ("user24_led_labels.csv", "class,startTime_usec,endTime_usec\n12,1,2\n", "not a class from 1 to 11", "line 2"),
        ("user24_led_labels.csv", "class,startTime_usec,endTime_usec\n1,2,2\n", "not a class from 1 to 11", "line 2"),
        ("user24_led_labels.csv", "class,startTime_usec,endTime_usec\n1,-2,2\n", "not a class from 1 to 11", "line 2"),
    ],
)
def test_what_is_missing_or_wrong_is_named_with_its_line(folder, name, text, what, line):
    (folder / name).unlink()
    if text is not None:
        (folder / name).write_text(text)
    with pytest.raises(RecordingError, match=what) as caught:
        load(folder)
    assert caught.value.where.endswith(line)


def test_lists_and_tables_that_are_no_text_are_refused(folder):
    (folder / "user24_led_labels.csv").write_bytes(bytes(range(128, 256)))
    with pytest.raises(RecordingError, match="does not begin with class,"):
        load(folder)
    (folder / "trials_to_test.txt").write_bytes(bytes(range(128, 256)))
    with pytest.raises(RecordingError, match="does not name a recording"):
        load(folder)


def test_a_folder_that_is_something_else_says_what_to_download(tmp_path):
    with pytest.raises(RecordingError, match=r"trials_to_train\.txt is missing") as caught:
        load(tmp_path)
    assert "DvsGesture.tar.gz" in caught.value.remedy


def test_a_gesture_without_events_is_named(folder):
    write_trial(folder, "user24_led", [(1, 600_000, 700_000)])
    dataset = load(folder)
    with pytest.raises(RecordingError, match=r"from 0\.600 s to 0\.700 s has no event"):
        dataset.read(dataset.of("test")[0])


def test_its_recipe_names_the_set():
    assert load_recipe("dvs128-gesture-voxel-qat").dataset.name == "dvs128-gesture"
