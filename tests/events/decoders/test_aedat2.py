"""AEDAT 2.0 words of a DVS128 and of a DAVIS, written by hand."""

from __future__ import annotations

import numpy as np

from evbench.events.recording import open_recording

_DVS128 = b"#!AER-DAT2.0\r\n# AEChip: ch.unizh.ini.jaer.chip.retina.DVS128\r\n"
_DAVIS346 = b"#!AER-DAT2.0\r\n# AEChip: eu.seebetter.ini.chips.davis.Davis346B\r\n"


def words(*pairs: tuple[int, int]) -> bytes:
    return np.array(pairs, ">u4").tobytes()


def test_dvs128_addresses_count_from_the_right_and_the_bottom_and_invert_polarity(write_bytes):
    data = words((5 << 1 | 9 << 8, 10), (127 << 1 | 127 << 8 | 1, 20))
    stream = open_recording(write_bytes("a", _DVS128 + data)).read()
    assert stream.x.tolist() == [127 - 5, 0]
    assert stream.y.tolist() == [127 - 9, 0]
    assert stream.on.tolist() == [True, False]
    assert stream.t.tolist() == [10, 20]


def test_external_input_of_a_dvs128_is_no_event_and_an_impossible_address_is_damage(write_bytes):
    recording = open_recording(write_bytes("a", _DVS128 + words((2, 1), (0x8000, 2), (0x40_0000, 3))))
    assert len(recording.read()) == 1
    assert recording.warnings[0].startswith("1 events lie outside the 128x128 sensor")


def test_davis_frame_imu_and_trigger_words_are_skipped(write_bytes):
    event = 11 << 22 | 345 << 12 | 1 << 11
    data = words((event, 5), (1 << 31 | event, 6), (0xFFFF_FFFF, 7), (event | 1 << 10, 8), (259 << 22, 9))
    recording = open_recording(write_bytes("a", _DAVIS346 + data))
    stream = recording.read()
    assert recording.info()["sensor"] == [346, 260]
    assert list(zip(stream.x.tolist(), stream.y.tolist(), stream.on.tolist(), strict=True)) == [
        (0, 259 - 11, True),
        (345, 0, False),
    ]


def test_a_first_event_that_begins_like_a_comment_is_an_event(write_bytes):
    address = ord("#") << 24
    stream = open_recording(write_bytes("a", _DAVIS346 + words((address, 10), (0, 0x0A0A)))).read()
    assert stream.y.tolist() == [259 - (address >> 22), 259]


def test_a_header_longer_than_a_chunk_is_read_to_its_end(write_bytes):
    preferences = b"#<entry key='something' value='some value'/>\r\n" * 200_000
    stream = open_recording(write_bytes("a", _DVS128 + preferences + words((4, 7)))).read()
    assert (stream.t.tolist(), stream.x.tolist()) == ([7], [127 - 2])


def test_an_unnamed_chip_is_taken_for_a_dvs128_and_said_so(write_bytes):
    recording = open_recording(write_bytes("a", b"#!AER-DAT2.0\r\n" + words((4, 7))))
    assert recording.info()["sensor"] == [128, 128]
    assert "names no chip" in recording.warnings[0]
