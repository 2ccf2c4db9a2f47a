"""AEDAT 4.0 packets in every compression, damaged and unfinished files."""

from __future__ import annotations

import struct

import pytest

from evbench.errors import RecordingError
from evbench.events.recording import open_recording


@pytest.mark.parametrize("compression", ["none", "lz4", "zstd"])
def test_events_of_all_packets_are_read(write_bytes, aedat4_bytes, sample, same_events, compression):
    recording = open_recording(write_bytes("a", aedat4_bytes([sample[:80], sample[80:]], compression)))
    same_events(recording.read(), sample)
    assert (recording.format, recording.warnings) == ("AEDAT 4.0", [])


def test_a_recording_that_was_not_closed_is_read_packet_by_packet(write_bytes, aedat4_bytes, sample, same_events):
    recording = open_recording(write_bytes("a", aedat4_bytes([sample], closed=False)))
    same_events(recording.read(), sample)
    assert "no table of contents" in recording.warnings[0]


def test_a_truncated_packet_is_named_with_its_offset(write_bytes, aedat4_bytes, sample, same_events):
    whole = aedat4_bytes([sample[:80], sample[80:]])
    first = aedat4_bytes([sample[:80]])
    recording = open_recording(write_bytes("a", whole[:-40]))
    same_events(recording.read(), sample[:80])
    # The first packet of the second stream follows the first file's packets and a packet of eleven bytes.
    assert recording.warnings == [
        f"truncated: the packet at byte {len(first) - 16 + 11} is not complete; read up to there"
    ]


def test_a_damaged_packet_is_skipped_and_the_next_one_read(write_bytes, aedat4_bytes, sample, same_events):
    data = bytearray(aedat4_bytes([sample[:80], sample[80:]]))
    at = data.index(b"\x04\x22\x4d\x18")
    data[at : at + 4] = b"\0\0\0\0"
    recording = open_recording(write_bytes("a", bytes(data)))
    same_events(recording.read(), sample[80:])
    assert recording.warnings[0].startswith(f"the packet at byte {at - 8} is damaged")


def test_a_packet_whose_frame_has_no_end_is_skipped_and_the_next_one_read(
    write_bytes, aedat4_bytes, sample, same_events
):
    data = aedat4_bytes([sample[:80], sample[80:]], closed=False)
    at = data.index(b"\x04\x22\x4d\x18") - 8
    stream, size = struct.unpack_from("<ii", data, at)
    cut = data[:at] + struct.pack("<ii", stream, size - 60) + data[at + 8 : at + 8 + size - 60] + data[at + 8 + size :]
    recording = open_recording(write_bytes("a", cut))
    same_events(recording.read(), sample[80:])
    assert f"the packet at byte {at} is damaged (its LZ4 frame has no end); skipped" in recording.warnings


@pytest.mark.parametrize("length", [14, 17, 40, 200])
def test_a_file_that_ends_in_its_header_is_refused(write_bytes, aedat4_bytes, sample, length):
    with pytest.raises(RecordingError, match="header is damaged"):
        open_recording(write_bytes("a", aedat4_bytes([sample])[:length]))


def test_a_file_without_an_event_stream_is_refused(write_bytes, aedat4_bytes, sample):
    with pytest.raises(RecordingError, match="no event stream"):
        open_recording(write_bytes("a", aedat4_bytes([sample]).replace(b"EVTS<", b"FRME<")))


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_reading_goes_on_at_the_next_packet_behind_garbage(write_bytes, aedat4_bytes, sample, same_events, compression):
    whole = aedat4_bytes([sample[:80], sample[80:]], compression, closed=False)
    at = len(aedat4_bytes([sample[:80]], compression, closed=False))
    garbage = b"\xff" * 5000
    recording = open_recording(write_bytes("a", whole[:at] + garbage + whole[at:]))
    same_events(recording.read(), sample)
    assert f"no packet begins at byte {at}; {len(garbage) + 11} bytes were skipped" in recording.warnings
