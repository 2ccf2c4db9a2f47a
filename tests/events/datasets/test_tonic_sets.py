"""Sets read by tonic, each in a small folder of the layout it has on disk once its archives are unpacked."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from evbench.errors import RecordingError
from evbench.events.datasets.catalogue import list_datasets, load_dataset
from evbench.events.datasets.labelled import Dataset
from evbench.events.datasets.tonic_sets import TONIC_SETS
from evbench.events.recording import open_recording
from evbench.events.stream import EventStream, SensorGeometry
from evbench.events.windows import in_time_order
from evbench.events.windowset import build_windows
from evbench.events.writers import write_recording
from evbench.profiles import DatasetSettings, Representation

needs_tonic = pytest.mark.skipif(importlib.util.find_spec("tonic") is None, reason="tonic is not installed")

EVENTS = 60


def events_of(seed: int, width: int, height: int) -> EventStream:
    rng = np.random.default_rng(seed)
    t = np.sort(rng.integers(0, 90, EVENTS)) * 1000
    x, y = rng.integers(0, width, EVENTS), rng.integers(0, height, EVENTS)
    # The corners pin down what is moved to the smallest coordinates seen.
    x[:2], y[:2] = (0, width - 1), (0, height - 1)
    return EventStream.from_arrays(t, x, y, rng.random(EVENTS) < 0.3, SensorGeometry(width, height))


def write_columns(path: Path, *columns: np.ndarray) -> None:
    np.save(path, np.stack(columns, axis=1).astype(np.int64))


def write_mat(path: Path, s: EventStream) -> None:
    from scipy.io import savemat

    columns = {"ts": s.t, "x": s.x, "y": 179 - s.y.astype(np.int64), "pol": s.on.astype(np.uint8)}
    savemat(path, {name: column[:, None] for name, column in columns.items()})


def write_lip(path: Path, s: EventStream) -> None:
    kind = np.dtype([("t", "i4"), ("x", "u1"), ("y", "u1"), ("p", "u1")])
    np.save(path, np.rec.fromarrays([s.t, s.x, s.y, s.on], dtype=kind))


Layout = tuple[list[str], Callable[[Path, EventStream], None]]

LAYOUTS: dict[str, Layout] = {
    "ASLDVS": ([f"ASLDVS/{c}/{c}_{n:04d}.mat" for c in "ab" for n in range(5)], write_mat),
    "CIFAR10DVS": (
        [f"CIFAR10DVS/{c}/cifar10_{c}_{n}.aedat4" for c in ("airplane", "automobile") for n in range(5)],
        lambda path, s: write_recording(s, path),
    ),
    "DVSGesture": (
        [f"DVSGesture/ibmGestureTrain/user{n:02d}_led/{c}.npy" for n in range(1, 5) for c in (0, 1)]
        + [f"DVSGesture/ibmGestureTest/user24_lab/{c}.npy" for c in (0, 1)],
        lambda path, s: write_columns(path, s.x, s.y, s.on, s.t // 1000),
    ),
    "DVSLip": (
        [f"DVSLip/DVS-Lip/{p}/{c}/{n}.npy" for p in ("train", "test") for c in ("accused", "action") for n in range(3)],
        write_lip,
    ),
    "NCALTECH101": (
        [f"NCALTECH101/Caltech101/{c}/image_{n:04d}.bin" for c in ("BACKGROUND_Google", "airplanes") for n in range(5)],
        lambda path, s: write_recording(s, path),
    ),
    "NMNIST": (
        [f"NMNIST/{part}/{c}/{n:05d}.bin" for part in ("Train", "Test") for c in (0, 1) for n in range(3)],
        lambda path, s: write_recording(s, path),
    ),
    "POKERDVS": (
        [f"POKERDVS/pips_{part}/{c}/{n}.npy" for part in ("train", "test") for c in ("cl", "he") for n in range(3)],
        lambda path, s: write_columns(path, s.t, s.x, s.y, s.on),
    ),
}


def write_set(root: Path, name: str) -> dict[str, EventStream]:
    """Writes a set of two classes; returns what each file holds."""
    files, write = LAYOUTS[name]
    sensor = TONIC_SETS[name].geometry
    held: dict[str, EventStream] = {}
    for seed, file in enumerate(files):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        held[file] = events_of(seed, sensor.width, sensor.height)
        write(root / file, held[file])
    return held


def load(root: Path, name: str) -> Dataset:
    return load_dataset(DatasetSettings(name=f"tonic:{name}"), root)  # type: ignore[arg-type]


@needs_tonic
@pytest.mark.parametrize("name", LAYOUTS)
def test_every_recording_gives_the_events_of_its_file_with_its_class_and_polarity(tmp_path, name, same_events):
    held = write_set(tmp_path, name)
    dataset = load(tmp_path, name)
    assert len(dataset.recordings) == len(held)
    assert sorted({r.label for r in dataset.recordings}) == [0, 1]
    for recording in dataset.recordings:
        stream = dataset.read(recording)
        assert stream.geometry == TONIC_SETS[name].geometry
        source = next((s for s in held.values() if np.array_equal(s.t, stream.t)), None)
        assert source is not None, recording.name
        same_events(stream, source)
        if recording.name in held:
            assert held[recording.name] is source


@needs_tonic
def test_real_digits_are_read_as_by_the_decoder_of_evbench(tmp_path, shared_data, same_events):
    lines = (shared_data / "nmnist-small" / "test100.txt").read_text().split("\n")[1:21]
    for number, (sample, digit, *_) in enumerate(line.split() for line in lines):
        folder = tmp_path / "NMNIST" / ("Test" if number % 4 == 0 else "Train") / digit
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{int(sample):05d}.bin").symlink_to(shared_data / "nmnist-small" / f"{sample}.bs2")
    dataset = load(tmp_path, "NMNIST")
    assert len(dataset.recordings) == 20
    for recording in dataset.recordings:
        assert dataset.classes[recording.label][0] == Path(recording.name).parent.name
        own = open_recording(tmp_path / recording.name)
        assert own.geometry == dataset.geometry
        same_events(dataset.read(recording), in_time_order(own.read()))


@needs_tonic
@pytest.mark.parametrize("name", LAYOUTS)
def test_official_splits_are_kept_and_others_cut_the_same_way_each_time(tmp_path, name):
    held = write_set(tmp_path, name)
    dataset = load(tmp_path, name)
    of_split = {split: {r.name for r in dataset.of(split)} for split in ("train", "validation", "test")}
    assert all(of_split.values())
    assert len(set().union(*of_split.values())) == len(dataset.recordings)
    if TONIC_SETS[name].official:
        tests = [file for file in held if "test" in file.lower()]
        assert all("test" in called.lower() for called in of_split["test"])
        assert len(of_split["test"]) == len(tests)
    sessions = {split: {r.session for r in dataset.of(split)} for split in of_split}
    assert not sessions["train"] & (sessions["validation"] | sessions["test"])
    assert load(tmp_path, name).recordings == dataset.recordings
    for split in ("train", "test"):
        assert {r.label for r in dataset.of(split)} == {0, 1}


@needs_tonic
def test_gestures_are_validated_on_a_person_and_become_windows(tmp_path):
    write_set(tmp_path, "DVSGesture")
    dataset = load(tmp_path, "DVSGesture")
    assert len({r.session for r in dataset.of("validation")}) == 1
    assert {r.session for r in dataset.of("test")} == {"user24"}
    assert dataset.classes[:2] == ("Hand clapping", "Right hand wave")
    windows = build_windows(dataset, Representation(), "test")
    assert windows.t0.tolist() == [0, 50_000, 0, 50_000]
    off, on = np.split(windows.dense(slice(None)), 2, axis=1)
    expected = [dataset.read(r) for r in dataset.of("test")]
    assert int(on.sum()) == sum(int(s.on.sum()) for s in expected)
    assert int(off.sum()) == sum(int((~s.on).sum()) for s in expected)


@needs_tonic
def test_recordings_are_read_when_they_are_asked_for_and_one_by_one(tmp_path, monkeypatch):
    held = write_set(tmp_path, "DVSLip")
    read: list[str] = []
    original = np.load
    monkeypatch.setattr(np, "load", lambda path: read.append(str(path)) or original(path))
    dataset = load(tmp_path, "DVSLip")
    assert read == []
    dataset.read(dataset.recordings[0])
    assert len(read) == 1
    assert read[0].removeprefix(f"{tmp_path}/") in held


@needs_tonic
def test_drones_and_satellites_come_with_boxes_and_are_cut_by_archive_or_recording(tmp_path):
    for archive in range(4):
        for scene in range(2):
            folder = tmp_path / f"NERDD/DATA/archive_{archive}/{scene}"
            (folder / "Event").mkdir(parents=True)
            s = events_of(archive, 1280, 720)
            np.savez(folder / "Event" / "output_events.npz", data=np.stack([s.x, s.y, s.on, s.t], 1).astype(np.int64))
            (folder / "ev_rgb_coordinates.txt").write_text("0.033: 10.0, 20.0, 30.0, 45.5\n0.066: 11, 21, 31, 46\n")
    drones = load(tmp_path, "NERDD")
    assert (drones.classes, len(drones.recordings)) == (("drone",), 8)
    archives = [{r.session for r in drones.of(split)} for split in ("train", "validation", "test")]
    assert [len(part) for part in archives] == [2, 1, 1]
    assert len(set().union(*archives)) == 4
    boxes = drones.boxes(drones.recordings[0])
    assert boxes["t"].tolist() == pytest.approx([0.033, 0.066], abs=1e-6)
    assert boxes[["x_min", "y_min", "x_max", "y_max"]].tolist() == [(10, 20, 30, 45.5), (11, 21, 31, 46)]
    assert len(drones.read(drones.recordings[0])) == EVENTS

    (tmp_path / "EBSSA").mkdir()
    with h5py.File(tmp_path / "EBSSA" / "labelled_ebssa.h5", "w") as file:
        for number in range(5):
            s = events_of(number, 304, 240)
            for field, column in {"ts": s.t + 7_000, "x": s.x + 1, "y": s.y + 1, "p": s.on}.items():
                file[f"recording_{number}/TD/{field}"] = column[:, None]
            if number:
                for field, value in {"ts": 7_000 + int(s.t[0]) + 20_100, "x": 101, "y": 51, "id": 1}.items():
                    file[f"recording_{number}/Obj/{field}"] = np.array([[value]])
    sky = load(tmp_path, "EBSSA")
    assert [len(sky.of(split)) for split in ("train", "validation", "test")] == [3, 1, 1]
    found = {r.name: sky.boxes(r).tolist() for r in sky.recordings}
    assert found["recording_0"] == []
    assert found["recording_3"] == [(20_000.0, 95.0, 45.0, 105.0, 55.0)]
    assert len(sky.read(sky.recordings[0])) == EVENTS


@needs_tonic
@pytest.mark.parametrize("name", TONIC_SETS)
def test_a_missing_download_says_which_files_to_put_where_and_nothing_is_fetched(tmp_path, name, monkeypatch):
    import urllib.request

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("something was downloaded")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    with pytest.raises(RecordingError, match=f"tonic:{name} are not there") as caught:
        load(tmp_path, name)
    assert caught.value.where == str(tmp_path / name)
    for said in (TONIC_SETS[name].archives, TONIC_SETS[name].example, str(tmp_path)):
        assert said in caught.value.remedy
    assert list(tmp_path.rglob("*")) == []


@needs_tonic
def test_foreign_and_damaged_files_are_named(tmp_path):
    held = write_set(tmp_path, "POKERDVS")
    (tmp_path / "POKERDVS" / "pips_train" / "joker").mkdir()
    np.save(tmp_path / "POKERDVS" / "pips_train" / "joker" / "0.npy", np.zeros((1, 4)))
    with pytest.raises(RecordingError, match="cannot make sense of the files of POKERDVS"):
        load(tmp_path, "POKERDVS")
    held = write_set(tmp_path, "DVSLip")
    for file in held:
        (tmp_path / file).write_bytes(b"no array")
    dataset = load(tmp_path, "DVSLip")
    with pytest.raises(RecordingError, match="tonic cannot read the recording") as caught:
        dataset.read(dataset.recordings[0])
    assert caught.value.where == dataset.recordings[0].name


@needs_tonic
def test_events_beside_the_sensor_are_dropped_and_a_recording_without_others_is_named(tmp_path):
    path = tmp_path / "DVSGesture/ibmGestureTrain/user01_led/0.npy"
    held = write_set(tmp_path, "DVSGesture")
    whole = held[path.relative_to(tmp_path).as_posix()]
    columns = [whole.x.astype(np.int64), whole.y.astype(np.int64), whole.on, whole.t // 1000]
    columns[0][5], columns[1][6] = -1, 128
    write_columns(path, *columns)
    dataset = load(tmp_path, "DVSGesture")
    recording = next(r for r in dataset.recordings if r.name == path.relative_to(tmp_path).as_posix())
    assert len(dataset.read(recording)) == EVENTS - 2
    write_columns(path, columns[0] * 0 - 1, *columns[1:])
    with pytest.raises(RecordingError, match="holds no event"):
        dataset.read(recording)


def test_without_tonic_a_recipe_is_told_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tonic", None)
    monkeypatch.setitem(sys.modules, "tonic.datasets", None)
    with pytest.raises(RecordingError, match="need the Python package tonic") as caught:
        load(tmp_path, "NMNIST")
    assert "evbench[tonic]" in caught.value.remedy


def test_the_catalogue_says_whether_tonic_is_there(monkeypatch):
    from evbench.events.datasets import catalogue

    monkeypatch.setattr(catalogue, "tonic_is_installed", lambda: False)
    assert {entry.name.startswith("tonic:") for entry in list_datasets() if not entry.ready} == {True}
