"""Recordings open by content, are read as far as they go, and say what is wrong with them."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from evbench.errors import RecordingError
from evbench.events.decoders import source
from evbench.events.recording import open_recording
from evbench.events.stream import EventStream, SensorGeometry
from evbench.events.windows import fixed_windows
from evbench.events.writers import write_recording


@pytest.mark.parametrize(
    ("name", "events", "sensor", "format_name"),
    [
        ("recordings/gen4-1280x720.dat", 1_218_618, [1280, 720], "Prophesee DAT"),
        ("recordings/ncars-sample.dat", 2_009, [304, 240], "Prophesee DAT"),
        ("recordings/gen4-1280x720.evt3.raw", 1_218_618, [1280, 720], "Prophesee RAW EVT3"),
        ("recordings/gen3-640x480.evt2.raw", 521_252, [640, 480], "Prophesee RAW EVT2"),
        ("recordings/dvs.es", 473_225, [320, 240], "Event Stream 2"),
        ("recordings/dvs.csv", 473_225, [320, 240], "CSV"),
        ("recordings/davis.aedat4", 111_954, [320, 240], "AEDAT 4.0"),
        ("recordings/davis240-with-frames-and-imu.aedat", 374_296, [240, 180], "AEDAT 2.0"),
        ("dvs128-objects/train/mug.aedat", 518_133, [128, 128], "AEDAT 2.0"),
        ("dvs128-waves/wave-1.aedat4", 348_461, [128, 128], "AEDAT 4.0"),
        ("nmnist-small/60001.bs2", 3_330, [34, 34], "N-MNIST"),
    ],
)
def test_a_real_recording_gives_all_its_events(shared_data, name, events, sensor, format_name):
    info = open_recording(shared_data / name).info()
    assert list(info) == ["format", "sensor", "events", "on", "off", "t_first_us", "t_last_us", "monotonic", "warnings"]
    assert (info["format"], info["sensor"], info["events"]) == (format_name, sensor, events)
    assert info["on"] + info["off"] == events
    assert info["monotonic"]
    assert all("names no sensor size" in warning for warning in info["warnings"])


def test_every_nmnist_sample_is_recognised_without_a_magic(shared_data):
    samples = sorted((shared_data / "nmnist-small").glob("*.bs2"))[::10]
    assert len(samples) == 110
    assert {open_recording(path).format for path in samples} == {"N-MNIST"}


def test_the_content_decides_not_the_suffix(tmp_path, sample, same_events):
    write_recording(sample, tmp_path / "a.dat")
    (tmp_path / "a.dat").rename(tmp_path / "a.aedat4")
    recording = open_recording(tmp_path / "a.aedat4")
    assert recording.format == "Prophesee DAT"
    same_events(recording.read(), sample)


@pytest.mark.parametrize(("suffix", "header", "record"), [(".dat", None, 8), (".aedat", None, 8), (".bin", 0, 5)])
def test_a_truncated_file_names_the_byte_offset_and_keeps_what_is_whole(
    tmp_path, sample, same_events, suffix, header, record
):
    path = tmp_path / f"cut{suffix}"
    write_recording(sample, path)
    data = path.read_bytes()
    path.write_bytes(data[: -record - 2])
    recording = open_recording(path)
    same_events(recording.read(), sample[:198])
    offset = len(data) - 2 * record
    assert recording.warnings == [
        f"truncated: the record at byte {offset} has {record - 2} of {record} bytes; read up to there"
    ]


@pytest.mark.parametrize(
    "data",
    [
        b"GIF89a" + bytes(200),
        b"a,b,c,d\n0,1,2,1\n" * 50,
        b"#!AER-DAT1.0\r\n" + bytes(99),
        b"%PDF-1.7\n",
        b"\x7fELF" * 40,
    ],
)
def test_a_file_of_another_kind_is_refused_with_its_first_bytes(write_bytes, data):
    path = write_bytes("other.dat", data)
    with pytest.raises(RecordingError, match="no recording that evbench knows") as caught:
        open_recording(path)
    assert "byte 0" in caught.value.where
    assert "AEDAT" in caught.value.remedy


def test_random_bytes_are_no_nmnist_recording(write_bytes):
    with pytest.raises(RecordingError):
        open_recording(write_bytes("noise.bin", np.random.default_rng(0).bytes(5000)))


def test_an_empty_file_is_an_empty_recording(write_bytes):
    with pytest.raises(RecordingError, match="empty"):
        open_recording(write_bytes("nothing.aedat", b""))


@pytest.mark.parametrize("suffix", [".dat", ".aedat"])
def test_a_header_without_events_is_an_empty_recording(tmp_path, sample, suffix):
    path = tmp_path / f"header{suffix}"
    write_recording(sample[:0], path)
    recording = open_recording(path)
    assert recording.info()["warnings"] == ["the recording holds no event"]
    assert recording.info()["t_first_us"] is None
    with pytest.raises(RecordingError, match="empty"):
        recording.read()
    with pytest.raises(RecordingError, match="empty"):
        recording.windows(1000)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(RecordingError, match="No such file"):
        open_recording(tmp_path / "none.dat")
    with pytest.raises(RecordingError, match="A recording is a file"):
        open_recording(tmp_path)


def test_events_outside_the_sensor_are_dropped_and_counted(tmp_path, sample):
    wide = EventStream(sample.t, sample.x.copy(), sample.y, sample.on, SensorGeometry(128, 128))
    wide.x[[3, 50]] = [128, 5000]
    write_recording(wide, tmp_path / "wide.dat")
    recording = open_recording(tmp_path / "wide.dat")
    assert len(recording.read()) == 198
    (warning,) = recording.warnings
    assert warning.startswith("2 events lie outside the 128x128 sensor and were dropped")
    assert f"event 3 at (128, {sample.y[3]})" in warning


def test_timestamps_that_run_backwards_are_reported_and_sorted_into_their_windows(tmp_path, sample):
    t = sample.t.copy()
    t[100:110] -= 50_000
    back = EventStream(t, sample.x, sample.y, sample.on, sample.geometry)
    write_recording(back, tmp_path / "back.dat")
    recording = open_recording(tmp_path / "back.dat")
    info = recording.info()
    assert not info["monotonic"]
    assert info["warnings"][0].startswith("timestamps run backwards 1 times; the first is event 100, ")
    np.testing.assert_array_equal(recording.read().t, t)
    windows = list(recording.windows(10_000))
    assert sum(len(window.stream) for window in windows) == 200
    for window in windows:
        assert ((window.stream.t >= window.t0) & (window.stream.t < window.t0 + 10_000)).all()


@pytest.mark.parametrize(("suffix", "turn"), [(".dat", 1 << 32), (".aedat", 1 << 32), (".bin", 1 << 23)])
def test_a_clock_that_wraps_goes_on_counting(tmp_path, sample, suffix, turn, monkeypatch):
    monkeypatch.setattr(source, "CHUNK_BYTES", 256)
    t = sample.t - sample.t[90] + turn
    path = tmp_path / f"wrap{suffix}"
    write_recording(EventStream(t, sample.x, sample.y, sample.on, sample.geometry), path)
    recording = open_recording(path)
    np.testing.assert_array_equal(recording.read().t, t)
    assert recording.info()["monotonic"]


def test_windows_read_chunk_by_chunk_are_those_of_the_whole_stream(tmp_path, sample, same_events, monkeypatch):
    monkeypatch.setattr(source, "CHUNK_BYTES", 256)
    write_recording(sample, tmp_path / "a.dat")
    recording = open_recording(tmp_path / "a.dat")
    assert len(list(recording.chunks())) == 7
    for mine, whole in zip(recording.windows(7_000), fixed_windows(sample, 7_000), strict=True):
        assert (mine.t0, mine.duration) == (whole.t0, whole.duration)
        same_events(mine.stream, whole.stream)


@pytest.mark.parametrize("suffix", [".dat", ".raw", ".aedat4", ".csv", ".npz", ".h5"])
def test_windows_take_memory_for_a_chunk_not_for_the_recording(tmp_path, monkeypatch, suffix):
    monkeypatch.setattr(source, "CHUNK_BYTES", 1 << 15)
    count = 400_000
    rng = np.random.default_rng(2)
    stream = EventStream.from_arrays(
        np.sort(rng.integers(0, 4_000_000, count)),
        rng.integers(0, 100, count),
        rng.integers(0, 100, count),
        rng.random(count) < 0.5,
        SensorGeometry(100, 100),
    )
    write_recording(stream, tmp_path / f"a{suffix}")
    del stream
    peaks = []
    for reading in (lambda r: sum(len(w.stream) for w in r.windows(50_000)), lambda r: len(r.read())):
        recording = open_recording(tmp_path / f"a{suffix}")
        recording.info()
        tracemalloc.start()
        assert reading(recording) == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[0] < peaks[1] / 3
