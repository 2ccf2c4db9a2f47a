"""An index made once finds a time again without reading what lies before it."""

from __future__ import annotations

import numpy as np
import pytest

from evbench.events import recording as recording_module
from evbench.events.decoders import source
from evbench.events.recording import open_recording
from evbench.events.stream import EventStream, SensorGeometry
from evbench.events.windows import fixed_windows
from evbench.events.writers import write_recording


@pytest.fixture
def path(tmp_path, sample, monkeypatch):
    monkeypatch.setattr(source, "CHUNK_BYTES", 256)
    write_recording(sample, tmp_path / "a.dat")
    return tmp_path / "a.dat"


def test_a_second_opening_knows_all_counts_without_reading_a_chunk(path, tmp_path, monkeypatch):
    first = open_recording(path, cache=tmp_path / "cache").info()

    def refuse(*_):
        raise AssertionError("a chunk was read")

    monkeypatch.setattr(recording_module, "Check", refuse)
    assert open_recording(path, cache=tmp_path / "cache").info() == first


def test_windows_from_a_time_on_are_those_of_the_whole_and_read_only_their_chunks(
    path, tmp_path, sample, same_events, monkeypatch
):
    open_recording(path, cache=tmp_path / "cache").info()
    taken = []
    take = recording_module.Check.take
    monkeypatch.setattr(recording_module.Check, "take", lambda self, raw: taken.append(raw.cursor) or take(self, raw))
    start, stop = int(sample.t[120]), int(sample.t[140])
    mine = list(open_recording(path, cache=tmp_path / "cache").windows(7_000, start=start, stop=stop))
    whole = [w for w in fixed_windows(sample, 7_000) if w.t0 + 7_000 > start and w.t0 < stop]
    assert [w.t0 for w in mine] == [w.t0 for w in whole]
    for a, b in zip(mine, whole, strict=True):
        same_events(a.stream, b.stream)
    assert len(taken) <= 3


def test_a_recording_that_changed_is_indexed_again(path, tmp_path, sample):
    assert open_recording(path, cache=tmp_path / "cache").info()["events"] == 200
    write_recording(sample[:50], path)
    assert open_recording(path, cache=tmp_path / "cache").info()["events"] == 50


def test_an_index_of_other_chunks_is_made_again(path, tmp_path, sample, same_events, monkeypatch):
    t = sample.t.copy()
    t[100:] -= int(sample.t[100] - sample.t[20])
    stream = EventStream(t, sample.x, sample.y, sample.on, sample.geometry)
    write_recording(stream, path)
    open_recording(path, cache=tmp_path / "cache").info()
    monkeypatch.setattr(source, "CHUNK_BYTES", 64)
    mine = list(open_recording(path, cache=tmp_path / "cache").windows(5_000))
    for a, b in zip(mine, fixed_windows(stream, 5_000), strict=True):
        same_events(a.stream, b.stream)


def test_a_damaged_index_is_made_again(path, tmp_path):
    open_recording(path, cache=tmp_path / "cache").info()
    (index,) = (tmp_path / "cache").iterdir()
    index.write_bytes(index.read_bytes()[:100])
    assert open_recording(path, cache=tmp_path / "cache").info()["events"] == 200


def test_seeking_behind_a_wrapped_clock_knows_how_often_it_turned(path, tmp_path, sample):
    turned = EventStream(sample.t + (1 << 32) - sample.t[50], sample.x, sample.y, sample.on, sample.geometry)
    write_recording(turned, path)
    start = int(turned.t[150])
    (first, *_) = open_recording(path, cache=tmp_path).windows(1, start=start)
    assert (first.t0, first.stream.t.tolist()) == (start, [start])


def test_a_folder_that_cannot_be_written_costs_only_time(path, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    assert open_recording(path, cache=tmp_path / "file" / "below").info()["events"] == 200


def test_a_recording_out_of_order_gives_the_windows_of_the_sorted_one_from_any_time(
    path, tmp_path, sample, same_events
):
    t = sample.t.copy()
    t[100:] -= int(sample.t[100] - sample.t[20])
    stream = EventStream(t, sample.x, sample.y, sample.on, sample.geometry)
    write_recording(stream, path)
    start = int(np.sort(t)[90])
    mine = list(open_recording(path, cache=tmp_path).windows(5_000, start=start))
    whole = [w for w in fixed_windows(stream, 5_000) if w.t0 + 5_000 > start]
    for a, b in zip(mine, whole, strict=True):
        same_events(a.stream, b.stream)


@pytest.mark.parametrize("suffix", [".dat", ".raw", ".evt2.raw", ".aedat", ".bin", ".h5", ".npz", ".csv", ".aedat4"])
def test_every_format_reads_on_from_the_middle(tmp_path, sample, same_events, monkeypatch, suffix):
    monkeypatch.setattr(source, "CHUNK_BYTES", 256)
    stream = EventStream(sample.t, sample.x, sample.y, sample.on, SensorGeometry(128, 128))
    write_recording(stream, tmp_path / f"a{suffix}")
    start = int(sample.t[130])
    mine = list(open_recording(tmp_path / f"a{suffix}", cache=tmp_path / "cache").windows(3_000, start=start))
    whole = [w for w in fixed_windows(sample, 3_000) if w.t0 + 3_000 > start]
    for a, b in zip(mine, whole, strict=True):
        assert a.t0 == b.t0
        same_events(a.stream, b.stream)


@pytest.mark.parametrize("name", ["dvs.es", "gen3-640x480.evt2.raw", "gen4-1280x720.evt3.raw", "davis.aedat4"])
def test_a_real_recording_reads_on_from_the_middle(shared_data, tmp_path, same_events, name):
    recording = open_recording(shared_data / "recordings" / name, cache=tmp_path)
    whole = recording.read()
    start = int(whole.t[len(whole) // 2])
    (first, *_) = recording.windows(1_000, start=start, stop=start + 1)
    inside = (whole.t >= first.t0) & (whole.t < first.t0 + 1_000)
    same_events(first.stream, whole[inside])
