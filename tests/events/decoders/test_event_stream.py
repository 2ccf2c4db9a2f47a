"""Event Stream 2, against a reader that goes byte by byte."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evbench.errors import RecordingError
from evbench.events.decoders import source
from evbench.events.recording import open_recording

HEADER = b"Event Stream" + struct.pack("<4B2H", 2, 0, 0, 1, 320, 240)


def by_hand(data):
    t = at = 0
    events = []
    while at < len(data):
        if data[at] >= 0xFE:
            t += 127 * (data[at] == 0xFF)
            at += 1
            continue
        if at + 5 > len(data):
            break
        t += data[at] >> 1
        x, y = struct.unpack_from("<HH", data, at + 1)
        if x < 320 and y < 240:
            events.append((t, x, 239 - y, bool(data[at] & 1)))
        at += 5
    return events


record = st.one_of(
    st.builds(
        lambda b, x, y: struct.pack("<BHH", b, x, y), st.integers(0, 255), st.integers(0, 330), st.integers(0, 300)
    ),
    st.sampled_from([b"\xff", b"\xff\xff\xff", b"\xfe", b"\x01"]),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("es")


@settings(max_examples=150, deadline=None)
@given(records=st.lists(record, max_size=40), chunk=st.sampled_from([5, 16, 1 << 19]))
def test_bytes_say_what_a_state_machine_reads_from_them(folder, records, chunk):
    data = b"".join(records)
    (folder / "a.es").write_bytes(HEADER + data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "CHUNK_BYTES", chunk)
        recording = open_recording(folder / "a.es")
        stream = [event for part in recording.chunks() for event in zip(part.t, part.x, part.y, part.on, strict=True)]
    assert stream == by_hand(data)


def test_a_reset_and_a_file_cut_short_are_said(write_bytes):
    recording = open_recording(write_bytes("a.es", HEADER + b"\x02\1\0\1\0\xfe\x03\1"))
    assert len(recording.read()) == 1
    assert recording.warnings == [
        f"truncated: the record at byte {len(HEADER) + 6} has 2 of 5 bytes; read up to there",
        "the stream was reset 1 times",
    ]


@pytest.mark.parametrize(
    "header", [struct.pack("<4B2H", 2, 0, 0, 2, 9, 9), struct.pack("<4B2H", 1, 0, 0, 1, 9, 9), b""]
)
def test_other_kinds_and_versions_are_refused(write_bytes, header):
    with pytest.raises(RecordingError, match="Event Stream"):
        open_recording(write_bytes("a.es", b"Event Stream" + header))


def test_the_two_real_copies_of_one_recording_hold_the_same_events(shared_data):
    es = open_recording(shared_data / "recordings" / "dvs.es").read()
    csv = open_recording(shared_data / "recordings" / "dvs.csv").read()
    for name in ("t", "x", "y", "on"):
        np.testing.assert_array_equal(getattr(es, name), getattr(csv, name))
