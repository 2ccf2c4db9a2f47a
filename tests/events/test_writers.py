"""What is written is read back as it was, or refused."""

from __future__ import annotations

import struct
from pathlib import Path

import lz4.frame
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evbench.errors import RecordingError
from evbench.events.decoders.aedat4 import _Table
from evbench.events.recording import open_recording
from evbench.events.stream import EventStream, SensorGeometry
from evbench.events.writers import SUFFIXES, write_recording

SENSOR = SensorGeometry(34, 34)
rows = st.lists(
    st.tuples(st.integers(0, 3000), st.integers(0, 33), st.integers(0, 33), st.booleans()), min_size=1, max_size=50
)


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(max_examples=30, deadline=None)
@given(rows=rows)
def test_a_stream_survives_the_round_trip(written, rows, suffix):
    columns = [np.array([row[i] for row in rows]) for i in range(4)]
    stream = EventStream.from_arrays(np.cumsum(columns[0]), *columns[1:], SENSOR)
    path: Path = written / f"a{suffix}"
    write_recording(stream, path)
    back = open_recording(path).read()
    for name in ("t", "x", "y", "on"):
        np.testing.assert_array_equal(getattr(back, name), getattr(stream, name))


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("written")


def test_a_real_recording_survives_the_way_through_every_format(shared_data, tmp_path, same_events):
    stream = open_recording(shared_data / "nmnist-small" / "60001.bs2").read()
    for suffix in SUFFIXES:
        write_recording(stream, tmp_path / f"a{suffix}")
        stream = open_recording(tmp_path / f"a{suffix}").read()
    same_events(stream, open_recording(shared_data / "nmnist-small" / "60001.bs2").read())


def test_an_nmnist_file_is_written_byte_for_byte_as_the_camera_wrote_it(shared_data, tmp_path):
    original = shared_data / "nmnist-small" / "60001.bs2"
    write_recording(open_recording(original).read(), tmp_path / "copy.bin")
    assert (tmp_path / "copy.bin").read_bytes() == original.read_bytes()


def test_a_suffix_without_a_format_is_refused(tmp_path, sample):
    with pytest.raises(RecordingError, match="No format is written") as caught:
        write_recording(sample, tmp_path / "a.mp4")
    assert ".dat" in caught.value.remedy


@pytest.mark.parametrize(
    ("suffix", "x"), [(".bin", 256), (".aedat", 128), (".dat", 1 << 14), (".raw", 2048), (".evt2.raw", 2048)]
)
def test_coordinates_a_format_cannot_hold_are_refused(tmp_path, suffix, x):
    stream = EventStream.from_arrays([0], [x], [0], [1], SensorGeometry(20_000, 20_000))
    with pytest.raises(RecordingError, match="pixels"):
        write_recording(stream, tmp_path / f"a{suffix}")
    assert list(tmp_path.iterdir()) == []


def test_a_pause_longer_than_a_clock_can_tell_is_refused(tmp_path):
    stream = EventStream.from_arrays([0, 1 << 22], [1, 1], [1, 1], [1, 1], SENSOR)
    with pytest.raises(RecordingError, match="23 bits"):
        write_recording(stream, tmp_path / "a.bin")


def test_a_folder_that_does_not_exist_is_refused(tmp_path, sample):
    with pytest.raises(RecordingError, match="cannot be written"):
        write_recording(sample, tmp_path / "none" / "a.dat")


@pytest.mark.parametrize("suffix", [".raw", ".evt2.raw", ".aedat4", ".h5", ".npz", ".csv"])
@settings(max_examples=30, deadline=None)
@given(pauses=st.lists(st.integers(-5_000_000, 40_000_000), min_size=1, max_size=20), rows=rows)
def test_long_pauses_and_steps_back_survive(written, rows, pauses, suffix):
    columns = [np.array([row[i] for row in rows]) for i in range(4)]
    t = np.cumsum([pauses[i % len(pauses)] for i in range(len(rows))])
    stream = EventStream.from_arrays(t - min(t.min(), 0), *columns[1:], SENSOR)
    write_recording(stream, written / f"b{suffix}")
    back = open_recording(written / f"b{suffix}").read()
    np.testing.assert_array_equal(back.t - back.t[0], stream.t - stream.t[0])
    np.testing.assert_array_equal(back.y, stream.y)


@pytest.mark.parametrize("suffix", [".raw", ".evt2.raw", ".aedat4", ".h5", ".npz", ".csv"])
def test_the_sensors_size_is_written_too(tmp_path, sample, suffix):
    write_recording(sample[:3], tmp_path / f"a{suffix}")
    info = open_recording(tmp_path / f"a{suffix}").info()
    assert (info["sensor"], info["warnings"]) == ([128, 128], [])


def test_the_contents_of_an_aedat4_file_say_where_each_packet_lies(tmp_path):
    count = 40_000
    columns = (np.arange(count), np.arange(count) % 34, np.arange(count) % 33, np.arange(count) % 2)
    write_recording(EventStream.from_arrays(*columns, SENSOR), tmp_path / "a.aedat4")
    data = (tmp_path / "a.aedat4").read_bytes()
    contents = lz4.frame.decompress(data[struct.unpack_from("<q", data, 14 + 32)[0] :])
    root = _Table(contents, 4)
    vector = root.field(0)
    vector += root.at("<I", vector)
    read = 0
    for number in range(root.at("<I", vector)):
        entry = _Table(contents, vector + 4 + 4 * number)
        offset, (size,) = entry.scalar(0, "<q", 0), struct.unpack_from("<i", contents, entry.field(1) + 4)
        packet = lz4.frame.decompress(data[offset : offset + size])
        assert packet[8:12] == b"EVTS"
        assert entry.scalar(3, "<q", 0) == read
        read += entry.scalar(2, "<q", 0)
    assert read == count
