"""AEDAT 3.1 packets, written by hand."""

from __future__ import annotations

import struct

import pytest

from evbench.errors import RecordingError
from evbench.events.recording import open_recording

HEADER = b"#!AER-DAT3.1\r\n#Format: RAW\r\n#Source 1: DVS128\r\n#Start-Time: 2015-12-02 15:18:26\r\n#!END-HEADER\r\n"


EARLY = (1 << 31) - 1000


def packet(events, overflows=0, kind=1):
    head = struct.pack("<hhiiiiii", kind, 1, 8, 4, overflows, len(events), len(events), len(events))
    return head + b"".join(struct.pack("<Ii", v | on << 1 | y << 2 | x << 17, t) for v, on, y, x, t in events)


def rows(recording):
    stream = recording.read()
    return list(zip(stream.t.tolist(), stream.x.tolist(), stream.y.tolist(), stream.on.tolist(), strict=True))


def test_valid_polarity_events_are_read_and_the_clocks_overflows_counted(write_bytes):
    data = packet([(1, 1, 5, 9, EARLY + 100), (0, 1, 6, 9, EARLY + 110), (1, 0, 127, 0, EARLY + 120)]) + packet(
        [(1, 1, 0, 127, 3)], 1
    )
    recording = open_recording(write_bytes("a.aedat", HEADER + data))
    assert rows(recording) == [(EARLY + 100, 9, 5, True), (EARLY + 120, 0, 127, False), ((1 << 31) + 3, 127, 0, True)]
    assert (recording.format, recording.info()["sensor"], recording.warnings) == ("AEDAT 3.1", [128, 128], [])


def test_packets_of_other_kinds_are_skipped(write_bytes):
    data = packet([(1, 1, 5, 9, 100)], kind=0) + packet([(1, 1, 5, 9, 100)])
    assert len(open_recording(write_bytes("a.aedat", HEADER + data)).read()) == 1


def test_reading_goes_on_at_the_next_packet_behind_garbage(write_bytes):
    first, second = packet([(1, 1, 5, 9, 100)]), packet([(1, 1, 6, 9, 200)] * 3)
    garbage = bytes(range(200, 256)) * 100
    recording = open_recording(write_bytes("a.aedat", HEADER + first + garbage + second))
    assert [t for t, *_ in rows(recording)] == [100, 200, 200, 200]
    at = len(HEADER) + len(first)
    assert recording.warnings == [f"no packet begins at byte {at}; {len(garbage)} bytes were skipped"]


def test_a_packet_cut_short_gives_its_whole_events(write_bytes):
    recording = open_recording(write_bytes("a.aedat", HEADER + packet([(1, 1, 5, 9, 100)] * 5)[:-10]))
    assert len(recording.read()) == 3
    assert recording.warnings == [f"truncated: the packet at byte {len(HEADER)} is not complete; read up to there"]


def test_the_camera_is_named_by_the_header_or_assumed(write_bytes):
    davis = HEADER.replace(b"DVS128", b"DAVIS240C")
    assert open_recording(write_bytes("a", davis + packet([]))).info()["sensor"] == [240, 180]
    recording = open_recording(write_bytes("b", HEADER.replace(b"DVS128", b"Camera") + packet([(1, 1, 5, 9, 1)])))
    assert recording.info()["sensor"] == [128, 128]
    assert "names no camera" in recording.warnings[0]


def test_other_versions_are_refused_by_number(write_bytes):
    with pytest.raises(RecordingError, match=r"AEDAT 3\.0"):
        open_recording(write_bytes("a.aedat", HEADER.replace(b"DAT3.1", b"DAT3.0")))
