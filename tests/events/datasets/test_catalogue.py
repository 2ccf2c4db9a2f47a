"""Labelled sets: what belongs to which split, and what is said when files are missing."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from evbench.errors import RecordingError
from evbench.events.datasets.catalogue import dataset_folder, list_datasets, load_dataset, prepare_dataset
from evbench.events.datasets.labelled import span
from evbench.events.gesture_motion import GESTURES
from evbench.events.gestures import make_simulated_gestures
from evbench.events.writers import write_recording
from evbench.profiles import DatasetName, DatasetSettings


@pytest.fixture
def folder(tmp_path, sample) -> Path:
    for split in ("train", "test"):
        (tmp_path / split / "left").mkdir(parents=True)
        write_recording(sample, tmp_path / split / "left" / "one.dat")
        write_recording(sample, tmp_path / split / "right.aedat")
    return tmp_path


def folder_set(root: Path):
    return load_dataset(DatasetSettings(name="folder"), root)


def test_a_folder_set_takes_classes_from_files_and_folders(folder):
    dataset = folder_set(folder)
    assert dataset.classes == ("left", "right")
    assert [(r.name, r.label) for r in dataset.of("test")] == [("test/left/one.dat", 0), ("test/right.aedat", 1)]


def test_validation_is_the_end_of_each_training_recording_and_never_of_a_test_one(folder, sample):
    dataset = folder_set(folder)
    for train, validation in zip(dataset.of("train"), dataset.of("validation"), strict=True):
        assert train.path == validation.path
        assert "train" in validation.path.parts
        first, second = dataset.read(train), dataset.read(validation)
        np.testing.assert_array_equal(np.concatenate([first.t, second.t]), sample.t)
        start, stop = span(validation, sample)
        assert (stop - start) / (sample.t[-1] - sample.t[0]) == pytest.approx(0.15, abs=0.001)


def test_a_validation_folder_is_used_where_there_is_one(folder, sample):
    (folder / "validation").mkdir()
    write_recording(sample, folder / "validation" / "left.dat")
    dataset = folder_set(folder)
    assert [r.name for r in dataset.of("validation")] == ["validation/left.dat"]
    assert all(r.part == (0.0, 1.0) for r in dataset.recordings)


def test_the_real_objects_are_split_by_session(shared_data):
    dataset = folder_set(shared_data / "dvs128-objects")
    assert dataset.classes == ("box", "box-cutter", "mechanical-pencil", "mug", "scissors")
    assert (dataset.geometry.width, dataset.geometry.height) == (128, 128)
    sessions = {split: {r.session for r in dataset.of(split)} for split in ("train", "validation", "test")}
    assert sessions == {"train": {"train"}, "validation": {"train"}, "test": {"test"}}


def test_the_nmnist_lists_give_every_sample_its_class(shared_data):
    dataset = load_dataset(DatasetSettings(name="nmnist-lists", path="nmnist-small"), shared_data)
    sizes = {split: len(dataset.of(split)) for split in ("train", "validation", "test")}
    assert sum(sizes.values()) == 1100
    assert sizes["test"] == 100
    assert 90 <= sizes["validation"] <= 100
    assert {r.label for r in dataset.of("validation")} == set(range(10))
    first = dataset.of("test")[0]
    assert (first.name, first.label, len(dataset.read(first))) == ("60001.bs2", 7, 3330)


def test_simulated_bars_need_no_files_and_split_by_subject():
    dataset = load_dataset(DatasetSettings(name="simulated-bars"), None)
    subjects = [{r.session for r in dataset.of(split)} for split in ("train", "validation", "test")]
    assert [len(group) for group in subjects] == [8, 2, 2]
    assert not subjects[0] & subjects[1]
    assert not (subjects[0] | subjects[1]) & subjects[2]
    recording = dataset.of("test")[2]
    assert dataset.classes[recording.label] == "up"
    assert dataset.read(recording).t[-1] > 1_900_000


@pytest.mark.parametrize(
    ("name", "what"),
    [(name, f"'{name}' needs a folder") for name in ("folder", "nmnist-lists", "dvs128-gesture", "tonic:NMNIST")],
)
def test_a_set_without_a_folder_says_what_to_do(name, what):
    with pytest.raises(RecordingError, match=what) as caught:
        load_dataset(DatasetSettings(name=name), None)
    assert caught.value.remedy


def test_missing_folders_splits_and_classes_are_named(tmp_path, sample):
    with pytest.raises(RecordingError, match="does not exist"):
        folder_set(tmp_path / "none")
    with pytest.raises(RecordingError, match="no train recordings"):
        folder_set(tmp_path)
    for split, name in (("train", "left"), ("test", "right")):
        (tmp_path / split).mkdir()
        write_recording(sample, tmp_path / split / f"{name}.dat")
    with pytest.raises(RecordingError, match="No training recording shows right"):
        folder_set(tmp_path)


@pytest.mark.parametrize(
    ("line", "what"), [("7 3", "sample 7 has no recording"), ("1", "not a sample and a class"), ("", "names no sample")]
)
def test_a_broken_list_is_named_with_its_line(tmp_path, line, what):
    (tmp_path / "train.txt").write_text(f"#sample #class\n{line}\n")
    with pytest.raises(RecordingError, match=what) as caught:
        load_dataset(DatasetSettings(name="nmnist-lists"), tmp_path)
    assert "train.txt" in caught.value.where


def test_simulated_gestures_are_made_into_the_cache_and_split_by_person(tmp_path):
    settings = DatasetSettings(name="simulated-gestures", subjects=4, seconds=0.1)
    told = []
    folder = prepare_dataset(settings, None, tmp_path, lambda share, name: told.append(share))
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert folder.is_relative_to(tmp_path / "datasets")
    dataset = load_dataset(settings, folder)
    assert dataset.classes == GESTURES
    people = {split: {r.session for r in dataset.of(split)} for split in ("train", "validation", "test")}
    assert people == {"train": {"subject-01", "subject-02"}, "validation": {"subject-21"}, "test": {"subject-24"}}
    recording = dataset.of("validation")[9]
    assert dataset.classes[recording.label] == "air_guitar"
    assert len(dataset.read(recording)) > 20
    assert prepare_dataset(settings, None, tmp_path, lambda share, name: told.append(share)) == folder
    assert len(told) == 44


def test_simulated_gestures_made_elsewhere_are_read_where_they_are(tmp_path):
    settings = DatasetSettings(name="simulated-gestures")
    assert prepare_dataset(settings, tmp_path, tmp_path / "cache") == tmp_path
    with pytest.raises(RecordingError, match="holds no simulated gestures") as caught:
        load_dataset(settings, tmp_path)
    assert "evbench datasets make" in caught.value.remedy
    make_simulated_gestures(tmp_path, 3, 0.1, processes=1)
    assert len(load_dataset(settings, tmp_path).recordings) == 33
    more = DatasetSettings(name="simulated-gestures", subjects=5)
    with pytest.raises(RecordingError, match="lack the recordings of subjects 2, 3"):
        load_dataset(more, tmp_path)
    for path in (tmp_path / "subject-21").iterdir():
        path.unlink()
    with pytest.raises(RecordingError, match="lack the recordings of validation subjects"):
        load_dataset(settings, tmp_path)


def test_sets_of_files_are_not_prepared(tmp_path):
    assert prepare_dataset(DatasetSettings(name="simulated-bars"), None, tmp_path) is None
    assert prepare_dataset(DatasetSettings(name="folder"), tmp_path, tmp_path) == tmp_path


def test_the_catalogue_lists_every_name_that_a_recipe_may_use():
    entries = list_datasets()
    assert {entry.name for entry in entries} == set(get_args(DatasetName))
    assert {entry.name for entry in entries if not entry.files} == {"simulated-bars"}
    assert next(entry for entry in entries if entry.name == "tonic:NMNIST").split == "official"


def test_of_the_folder_of_all_tonic_sets_a_set_owns_its_own(tmp_path):
    assert dataset_folder(DatasetSettings(name="tonic:NMNIST"), tmp_path) == tmp_path / "NMNIST"
    assert dataset_folder(DatasetSettings(name="folder", path="mine"), tmp_path) == tmp_path / "mine"
    assert dataset_folder(DatasetSettings(name="folder"), None) is None
