"""Sparse windows hold what voxelize gives window by window."""

from __future__ import annotations

import numpy as np
import pytest

from evbench.errors import RecordingError
from evbench.events.datasets.catalogue import load_dataset
from evbench.events.datasets.labelled import Dataset, LabelledRecording
from evbench.events.filters import background_activity
from evbench.events.stream import EventStream, SensorGeometry
from evbench.events.voxel import accumulate_frame, voxelize
from evbench.events.windows import fixed_windows
from evbench.events.windowset import WindowSet, build_windows, place_on_grid
from evbench.profiles import BackgroundActivity, DatasetSettings, Representation

SENSOR = SensorGeometry(24, 20)


def random_stream(name: str) -> EventStream:
    rng = np.random.default_rng(int(name))
    t = np.sort(rng.integers(0, 300_000, 900)) + 1_234_567
    t = t[(t < 1_400_000) | (t > 1_470_000)]
    return EventStream.from_arrays(
        t, rng.integers(0, 24, len(t)), rng.integers(0, 20, len(t)), rng.random(len(t)) < 0.5, SENSOR
    )


def small_set(*parts: tuple[float, float]) -> Dataset:
    recordings = tuple(LabelledRecording(None, i, "train", "s", str(i), part) for i, part in enumerate(parts))
    return Dataset("small", ("a", "b"), SENSOR, recordings, lambda recording: random_stream(recording.name))


@pytest.mark.parametrize("kind", ["voxel", "frame"])
@pytest.mark.parametrize("size", [(20, 24), (12, 10), (32, 32)])
def test_every_window_is_the_grid_of_its_events(kind, size):
    dataset = small_set((0.0, 1.0), (0.0, 1.0))
    settings = Representation(
        bins=3, window=25_000, size=size, filters=(BackgroundActivity(name="background-activity", keep_within=9_000),)
    )
    got = build_windows(dataset, settings, "train", kind)
    grids, labels, starts, empty = [], [], [], 0
    for recording in dataset.recordings:
        whole = dataset.read_whole(recording)
        kept = place_on_grid(whole[background_activity(whole, 9_000)], size)
        for window in fixed_windows(kept, 25_000, start=whole.t[0] // 25_000 * 25_000):
            s = window.stream
            grid = voxelize(s.t, s.x, s.y, s.on, t0=window.t0, duration=25_000, bins=3, size=size)
            if kind == "frame":
                grid = accumulate_frame(s.x, s.y, s.on, size=size)[:, None]
            if grid.any():
                grids.append(grid.reshape(-1, *size))
                labels.append(recording.label)
                starts.append(window.t0)
            else:
                empty += 1
    np.testing.assert_array_equal(got.dense(slice(None)), np.stack(grids))
    assert got.labels.tolist() == labels
    assert got.recording.tolist() == labels
    assert got.t0.tolist() == starts
    assert got.shape == grids[0].shape
    assert got.n_empty == empty
    assert empty >= 2


def test_rows_come_in_the_order_asked_for():
    windows = build_windows(small_set((0.0, 1.0)), Representation(size=(20, 24), window=20_000), "train")
    everything = windows.dense(slice(None))
    rows = np.array([5, 0, 5, 2])
    np.testing.assert_array_equal(windows.dense(rows), everything[rows])
    assert windows.dense([]).shape == (0, 10, 20, 24)


def test_no_window_reaches_over_the_cut_between_two_splits():
    settings = Representation(size=(20, 24), window=20_000)
    whole = build_windows(small_set((0.0, 1.0)), settings, "train").t0
    before = build_windows(small_set((0.0, 0.6)), settings, "train").t0
    after = build_windows(small_set((0.6, 1.0)), settings, "train").t0
    stream = random_stream("0")
    cut = stream.t[0] + 0.6 * (stream.t[-1] - stream.t[0])
    assert before.max() + 20_000 <= cut + 1
    assert after.min() >= cut
    assert set(before) | set(after) <= set(whole)
    assert len(before) + len(after) in (len(whole), len(whole) - 1)


def test_a_set_survives_saving_and_loading(tmp_path):
    windows = build_windows(small_set((0.0, 1.0)), Representation(size=(20, 24)), "train")
    windows.save(tmp_path / "a.npz")
    back = WindowSet.load(tmp_path / "a.npz")
    assert (back.shape, back.n_empty, len(back)) == (windows.shape, windows.n_empty, len(windows))
    assert back.index.dtype == np.uint32
    np.testing.assert_array_equal(back.dense(slice(None)), windows.dense(slice(None)))
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


def test_a_real_window_takes_two_hundred_times_less_than_its_dense_grid(shared_data, tmp_path):
    dataset = load_dataset(DatasetSettings(name="folder"), shared_data / "dvs128-objects")
    windows = build_windows(dataset, Representation(), "test")
    windows.save(tmp_path / "test.npz")
    dense = len(windows) * int(np.prod(windows.shape))
    assert (tmp_path / "test.npz").stat().st_size * 200 < dense
    back = WindowSet.load(tmp_path / "test.npz")
    np.testing.assert_array_equal(back.index, windows.index)
    np.testing.assert_array_equal(back.count, windows.count)


def test_a_damaged_set_is_refused(tmp_path):
    for data in (b"", b"PK\x03\x04 no archive", b"text"):
        (tmp_path / "a.npz").write_bytes(data)
        with pytest.raises(RecordingError, match="cannot be read"):
            WindowSet.load(tmp_path / "a.npz")
    with pytest.raises(RecordingError, match="cannot be read"):
        WindowSet.load(tmp_path / "none.npz")


def test_a_split_without_windows_is_refused():
    with pytest.raises(RecordingError, match="no window with events"):
        build_windows(small_set((0.0, 1.0)), Representation(), "test")
    with pytest.raises(RecordingError, match="no window with events"):
        build_windows(small_set((0.5, 0.6)), Representation(window=500_000), "train")


def test_the_real_objects_give_fifty_millisecond_windows_like_a_real_sensors(shared_data):
    dataset = load_dataset(DatasetSettings(name="folder"), shared_data / "dvs128-objects")
    windows = build_windows(dataset, Representation(), "test")
    assert len(windows) + windows.n_empty == 1900
    assert windows.shape == (10, 128, 128)
    assert windows.count.max() <= 30
    assert sorted(set(windows.labels.tolist())) == [0, 1, 2, 3, 4]
    per_recording = [windows.t0[windows.recording == i] for i in range(5)]
    assert all((np.diff(t0) % 50_000 == 0).all() and (np.diff(t0) > 0).all() for t0 in per_recording)


def test_a_small_crop_is_the_middle_of_the_sensor():
    stream = EventStream.from_arrays([0, 1, 2], [0, 12, 23], [0, 10, 19], [1, 1, 1], SENSOR)
    placed = place_on_grid(stream, (2, 2))
    assert (placed.t.tolist(), placed.x.tolist(), placed.y.tolist()) == ([1], [1], [1])
    assert place_on_grid(stream, (22, 26)).x.tolist() == [1, 13, 24]


def test_windows_spread_over_a_set_are_those_windows():
    windows = build_windows(small_set((0.0, 1.0), (0.0, 1.0)), Representation(bins=2, window=25_000), "train")
    some = windows.spread(5)
    rows = np.linspace(0, len(windows) - 1, 5).round().astype(int)
    np.testing.assert_array_equal(some.dense(slice(None)), windows.dense(rows))
    np.testing.assert_array_equal(some.t0, windows.t0[rows])
    assert len(windows.spread(10_000)) == len(windows)
