"""Bags of ROS 1 and ROS 2, written by rosbags, give back the events that went in."""

from __future__ import annotations

import builtins

import numpy as np
import pytest

from evbench.errors import RecordingError
from evbench.events.decoders import source
from evbench.events.recording import open_recording
from evbench.events.stream import EventStream
from evbench.events.writers import write_recording
from tests.events.bags import FORMS, arrays, mono_bytes, write_bag

PACKET = "event_camera_msgs/msg/EventPacket"


@pytest.mark.parametrize("kind", ["dvs_msgs/msg/EventArray", "prophesee_event_msgs/msg/EventArray"])
@pytest.mark.parametrize("form", FORMS)
def test_event_arrays_are_read(tmp_path, sample, same_events, form, kind):
    recording = open_recording(write_bag(tmp_path, form, arrays(sample, kind=kind)))
    same_events(recording.read(), sample)
    assert (recording.geometry, recording.warnings) == (sample.geometry, [])
    assert recording.format.startswith("ROS 1" if form == "bag" else "ROS 2")


@pytest.mark.parametrize("count", [0, 1, 2])
@pytest.mark.parametrize("form", FORMS)
def test_messages_of_few_events_are_read(tmp_path, sample, same_events, form, count):
    messages = [("/a", "dvs_msgs/msg/EventArray", 5, sample[:count]), *arrays(sample[count:], topic="/a")]
    same_events(open_recording(write_bag(tmp_path, form, messages)).read(), sample)


@pytest.mark.parametrize("form", FORMS)
def test_packets_of_mono_are_read(tmp_path, sample, same_events, form):
    parts = [sample[:90], sample[90:]]
    messages = [
        ("/a", PACKET, 5 + i, (128, 128, "mono", base := int(part.t[0]) * 1000 - 400, mono_bytes(part, base)))
        for i, part in enumerate(parts)
    ]
    same_events(open_recording(write_bag(tmp_path, form, messages)).read(), sample)


@pytest.mark.parametrize("chunk", [64, 1 << 19])
@pytest.mark.parametrize("form", FORMS)
def test_packets_of_evt3_are_one_row_of_words(tmp_path, sample, same_events, monkeypatch, form, chunk):
    write_recording(sample, tmp_path / "a.raw")
    words = (tmp_path / "a.raw").read_bytes().split(b"% end\n", 1)[1]
    messages = [
        ("/a", PACKET, 5 + begin, (128, 128, "evt3", 0, words[begin : begin + 50]))
        for begin in range(0, len(words), 50)
    ]
    path = write_bag(tmp_path, form, messages)
    monkeypatch.setattr(source, "CHUNK_BYTES", chunk)
    same_events(open_recording(path).read(), sample)
    start = int(sample.t[130])
    (first, *_) = open_recording(path).windows(1_000, start=start)
    same_events(first.stream, sample[(sample.t >= first.t0) & (sample.t < first.t0 + 1_000)])


@pytest.mark.parametrize("form", FORMS)
def test_a_bag_reads_on_from_the_middle(tmp_path, sample, same_events, monkeypatch, form):
    path = write_bag(tmp_path, form, arrays(sample, 10))
    monkeypatch.setattr(source, "CHUNK_BYTES", 300)
    start = int(sample.t[130])
    recording = open_recording(path, cache=tmp_path / "cache")
    (first, *_) = recording.windows(20_000, start=start)
    same_events(first.stream, sample[(sample.t >= first.t0) & (sample.t < first.t0 + 20_000)])
    assert len(recording._indexed().places) > 5


@pytest.mark.parametrize("form", FORMS)
def test_messages_logged_at_the_same_time_are_read_once(tmp_path, sample, same_events, monkeypatch, form):
    path = write_bag(tmp_path, form, [(topic, kind, 7, part) for topic, kind, _, part in arrays(sample, 10)])
    monkeypatch.setattr(source, "CHUNK_BYTES", 300)
    recording = open_recording(path)
    same_events(recording.read(), sample)
    start = int(sample.t[0])
    same_events(next(recording.windows(10**6, start=start)).stream, sample[sample.t < start // 10**6 * 10**6 + 10**6])


def test_of_two_topics_the_first_is_read_and_the_other_named(tmp_path, sample, same_events):
    other = arrays(EventStream(sample.t + 9, sample.x, sample.y, sample.on, sample.geometry), topic="/right")
    recording = open_recording(write_bag(tmp_path, "db3", [*other, *arrays(sample, topic="/left")]))
    same_events(recording.read(), sample)
    assert recording.warnings == ["only the events of /left are read, not those of /right"]


@pytest.mark.parametrize("form", ["bag", "mcap"])
def test_a_damaged_message_is_skipped_and_named(tmp_path, sample, same_events, form):
    holds = (128, 128, "mono", base := int(sample.t[0]) * 1000, mono_bytes(sample, base))
    short = (128, 128, "mono", base, b"1234567")
    path = write_bag(tmp_path, form, [("/a", PACKET, 1, holds), ("/a", PACKET, 2, short)])
    recording = open_recording(path)
    same_events(recording.read(), sample)
    assert recording.warnings[0].startswith("1 messages are damaged and were skipped; the first was logged at 2 ns (")


def test_without_rosbags_the_error_says_what_to_install(tmp_path, sample, monkeypatch):
    path = write_bag(tmp_path, "bag", arrays(sample))
    import_ = builtins.__import__

    def refuse(name, *arguments, **keywords):
        if name.startswith("rosbags"):
            raise ImportError(name)
        return import_(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(RecordingError, match=r"pip install 'evbench\[ros\]'"):
        open_recording(path)


def test_a_bag_without_events_an_unknown_encoding_and_no_sensor_are_refused(tmp_path, sample):
    with pytest.raises(RecordingError, match="no messages with events"):
        open_recording(write_bag(_new(tmp_path, "a"), "db3", []))
    with pytest.raises(RecordingError, match="'libcaer'"):
        open_recording(write_bag(_new(tmp_path, "b"), "mcap", [("/a", PACKET, 1, (9, 9, "libcaer", 0, b""))]))
    with pytest.raises(RecordingError, match="0x9 pixels"):
        open_recording(write_bag(_new(tmp_path, "c"), "bag", [("/a", PACKET, 1, (0, 9, "mono", 0, b""))]))


def test_an_sqlite_file_that_is_no_bag_is_refused(tmp_path):
    import sqlite3

    with sqlite3.connect(tmp_path / "a.db3") as database:
        database.execute("create table a (b)")
    database.close()
    with pytest.raises(RecordingError, match="cannot be read"):
        open_recording(tmp_path / "a.db3")


def test_times_of_arrays_are_those_of_their_events(tmp_path, sample):
    late = EventStream(sample.t + 1_700_000_000_000_000, sample.x, sample.y, sample.on, sample.geometry)
    stream = open_recording(write_bag(tmp_path, "bag", arrays(late))).read()
    np.testing.assert_array_equal(stream.t, late.t)


def _new(folder, name):
    (folder / name).mkdir()
    return folder / name
