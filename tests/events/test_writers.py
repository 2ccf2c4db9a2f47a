"""What is written is read back as it was, or refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evbench.errors import RecordingError
from evbench.events.recording import open_recording
from evbench.events.stream import EventStream, SensorGeometry
from evbench.events.writers import write_recording

SENSOR = SensorGeometry(34, 34)
rows = st.lists(
    st.tuples(st.integers(0, 3000), st.integers(0, 33), st.integers(0, 33), st.booleans()), min_size=1, max_size=50
)


@pytest.mark.parametrize("suffix", [".dat", ".aedat", ".bin"])
@settings(max_examples=50)
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
    for suffix in (".dat", ".aedat", ".bin"):
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


@pytest.mark.parametrize(("suffix", "x"), [(".bin", 256), (".aedat", 128), (".dat", 1 << 14)])
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
