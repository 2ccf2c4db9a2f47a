"""HDF5 and NumPy files in the layouts that people have."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from evbench.errors import RecordingError
from evbench.events.recording import open_recording


def table(stream, names, dtype="<i8"):
    array = np.empty(len(stream), [(name, dtype) for name in names])
    for name, column in zip(names, (stream.t, stream.x, stream.y, stream.on), strict=True):
        array[name] = column
    return array


@pytest.mark.parametrize("names", [("t", "x", "y", "p"), ("ts", "x", "y", "pol"), ("timestamp", "x", "y", "polarity")])
def test_a_structured_array_goes_by_its_names(tmp_path, sample, same_events, names):
    np.save(tmp_path / "a.npy", table(sample, names))
    recording = open_recording(tmp_path / "a.npy")
    same_events(recording.read(), sample)
    assert recording.info()["sensor"] == [int(sample.x.max()) + 1, int(sample.y.max()) + 1]
    assert "names no sensor size" in recording.warnings[0]


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_archive_of_columns_is_read(tmp_path, sample, same_events, save):
    save(tmp_path / "a.npz", t=sample.t, x=sample.x, y=sample.y, p=np.where(sample.on, 1, -1), width=128, height=128)
    recording = open_recording(tmp_path / "a.npz")
    same_events(recording.read(), sample)
    assert recording.info()["warnings"] == []


def test_times_that_are_no_whole_numbers_are_seconds(tmp_path, sample):
    np.savez(tmp_path / "a.npz", ts=sample.t / 1e6, x=sample.x, y=sample.y, p=sample.on)
    np.testing.assert_array_equal(open_recording(tmp_path / "a.npz").read().t, sample.t)


def test_a_structured_array_cut_short_gives_its_whole_events(tmp_path, sample, same_events):
    np.save(tmp_path / "a.npy", table(sample, ("t", "x", "y", "p")))
    data = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(data[:-40])
    recording = open_recording(tmp_path / "a.npy")
    same_events(recording.read(), sample[:198])
    assert "truncated: event 198 of 200 is not complete; read up to there" in recording.warnings


@pytest.mark.parametrize("array", [np.zeros((5, 4)), np.zeros(5), np.array([{}]), np.zeros(3, [("t", "U3")])])
def test_arrays_that_hold_no_events_are_refused(tmp_path, array):
    np.save(tmp_path / "a.npy", array)
    np.savez(tmp_path / "a.npz", array)
    for name in ("a.npy", "a.npz"):
        with pytest.raises(RecordingError, match="holds no events"):
            open_recording(tmp_path / name)


def test_prophesees_layout_is_read(tmp_path, sample, same_events):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs["geometry"] = "640x480"
        file["CD/events"] = table(sample, ("t", "x", "y", "p"), "<i4")
        file["CD/indexes"] = np.zeros(3)
    recording = open_recording(tmp_path / "a.h5")
    same_events(recording.read(), sample)
    assert (recording.format, recording.info()["sensor"]) == ("HDF5", [640, 480])


def test_times_of_dsec_count_from_its_offset(tmp_path, sample):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name, column in (("t", sample.t), ("x", sample.x), ("y", sample.y), ("p", sample.on)):
            file[f"events/{name}"] = column
        file["t_offset"], file["ms_to_idx"] = 49_599_300_000, np.zeros(5)
    recording = open_recording(tmp_path / "a.h5")
    np.testing.assert_array_equal(recording.read().t, sample.t + 49_599_300_000)
    assert recording.info()["sensor"] == [640, 480]


def test_any_group_of_four_columns_is_found(tmp_path, sample, same_events):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["calibration/x"] = np.zeros(4)
        for name, column in (("ts", sample.t), ("xs", sample.x), ("ys", sample.y), ("ps", sample.on)):
            file[f"prophesee/left/{name}"] = column
    same_events(open_recording(tmp_path / "a.h5").read(), sample)


def test_an_hdf5_file_without_events_is_refused(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["events/t"] = np.zeros(4)
    with pytest.raises(RecordingError, match=r"no group has t, x, y and p"):
        open_recording(tmp_path / "a.h5")
