"""Prophesee DAT headers and the two bytes behind them."""

from __future__ import annotations

import numpy as np
import pytest

from evbench.errors import RecordingError
from evbench.events.recording import open_recording


def test_the_bits_of_an_event_are_x_y_and_polarity(write_bytes):
    word = np.array([77, 1279 | 719 << 14 | 1 << 28], "<u4").tobytes()
    header = b"% Version 2\n% Width 1280\n% Height 720\n" + bytes([0x0C, 8])
    stream = open_recording(write_bytes("a", header + word)).read()
    assert [int(column[0]) for column in (stream.t, stream.x, stream.y, stream.on)] == [77, 1279, 719, 1]


def test_events_of_another_type_are_refused(write_bytes):
    with pytest.raises(RecordingError, match="type 0x0e with 8 bytes") as caught:
        open_recording(write_bytes("a", b"% Version 2\n" + bytes([0x0E, 8]) + bytes(16)))
    assert caught.value.where.endswith("byte 12")


def test_a_header_with_nothing_behind_it_is_an_empty_recording(write_bytes):
    with pytest.raises(RecordingError, match="empty"):
        open_recording(write_bytes("a", b"% Version 2\n% Width 10\n% Height 10\n"))


def test_a_header_without_a_size_means_the_first_generation(write_bytes):
    recording = open_recording(write_bytes("a", b"% Version 2\n" + bytes([0x00, 8]) + bytes(8)))
    assert recording.info()["sensor"] == [304, 240]
    assert "names no sensor size" in recording.warnings[0]
