"""Prophesee RAW in its three encodings, against decoders that go word by word."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evbench.errors import RecordingError
from evbench.events.decoders import source
from evbench.events.decoders.evt3 import evt3_chunks
from evbench.events.recording import open_recording

HEADER = "% evt {}\n% geometry 2048x2048\n% end\n"


def evt3_by_hand(words):
    """Events (t, x, y, on) of EVT 3.0 words, one word after the other."""
    high = low = turns = 0
    y = base = on = None
    known = False
    events = []
    for word in words:
        kind, value = word >> 12, word & 0xFFF
        if kind == 0:
            y = value & 0x7FF
        elif kind == 3:
            base, on = value & 0x7FF, value >> 11
        elif kind == 6:
            low = value
        elif kind == 8:
            if known:
                turns += (value - high < -0x800) - (value - high > 0x800)
            low = low if known and value == high else 0
            high, known = value, True
        elif kind in (2, 4, 5):
            t = ((turns << 12) + high << 12) + low
            ready = known and y is not None
            if kind == 2 and ready:
                events.append((t, value & 0x7FF, y, value >> 11))
            elif kind != 2:
                width = 12 if kind == 4 else 8
                if ready and base is not None:
                    events += [(t, base + i, y, on) for i in range(width) if value >> i & 1]
                if base is not None:
                    base = min(base + width, 5000)
    return [event for event in events if event[1] < 2048]


def evt2_by_hand(words):
    """Events of EVT 2.0 words, one word after the other."""
    high, events = None, []
    for word in words:
        kind = word >> 28
        if kind == 8:
            high = word & 0xFFF_FFFF
        elif kind < 2 and high is not None:
            events.append((high << 6 | word >> 22 & 0x3F, word >> 11 & 0x7FF, word & 0x7FF, kind))
    return events


def rows(stream):
    return list(zip(*(column.tolist() for column in (stream.t, stream.x, stream.y, stream.on)), strict=True))


def raw_rows(raw):
    return list(zip(*(column.tolist() for column in raw[:4]), strict=True))


def decoded(path: Path, version: str, data: bytes):
    path.write_bytes(HEADER.format(version).encode() + data)
    try:
        return rows(open_recording(path).read())
    except RecordingError:
        return []


word3 = st.tuples(st.sampled_from([0, 0, 2, 2, 2, 3, 4, 5, 6, 6, 7, 8, 10, 14]), st.integers(0, 0xFFF)).map(
    lambda pair: pair[0] << 12 | pair[1]
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("raw")


@settings(max_examples=300, deadline=None)
@given(words=st.lists(word3, max_size=120), chunk=st.sampled_from([2, 6, 14, 64, 1 << 19]))
def test_evt3_words_say_what_a_state_machine_reads_from_them(folder, words, chunk):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "CHUNK_BYTES", chunk)
        assert decoded(folder / "a.raw", "3.0", np.array(words, "<u2").tobytes()) == evt3_by_hand(words)


@settings(max_examples=100, deadline=None)
@given(words=st.lists(word3, max_size=60), chunk=st.sampled_from([2, 6, 14]))
def test_evt3_reads_on_from_every_chunk(folder, words, chunk):
    path = folder / "a.raw"
    path.write_bytes(np.array(words, "<u2").tobytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "CHUNK_BYTES", chunk)
        chunks = list(evt3_chunks(path, (0,), lambda _: None))
        for number, begin in enumerate(chunks):
            again = list(evt3_chunks(path, begin.cursor, lambda _: None))
            assert [raw_rows(raw) for raw in again] == [raw_rows(raw) for raw in chunks[number:]]


def test_evt3_reads_on_within_a_row_of_vectors_that_only_damage_makes(folder):
    words = [0x8001, 0x6005, 0x0007, 0x3FFE, *[0x4000] * 9000, 0x4FFF, 0x5001, 0x4001]
    path = folder / "a.raw"
    path.write_bytes(np.array(words, "<u2").tobytes())
    (whole,) = evt3_chunks(path, (0,), lambda _: None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "CHUNK_BYTES", 2)
        (first, *_) = evt3_chunks(path, (0,), lambda _: None)
        pieces = list(evt3_chunks(path, first.cursor, lambda _: None))
    assert [row for piece in pieces for row in raw_rows(piece)] == raw_rows(whole)


@pytest.mark.parametrize("repeated", [[0x8001], [0x8001, 0x8001]])
@pytest.mark.parametrize("chunk", [2, 4, 8, 10, 1 << 19])
def test_upper_bits_that_are_repeated_leave_the_lower_ones(folder, repeated, chunk):
    words = [0x8001, 0x6005, 0x0007, 0x2001, *repeated, 0x2002, 0x8002, 0x2003]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "CHUNK_BYTES", chunk)
        events = decoded(folder / "a.raw", "3.0", np.array(words, "<u2").tobytes())
    assert [t for t, *_ in events] == [0x1005, 0x1005, 0x2000]


def test_many_events_of_one_row_and_time_share_both(folder):
    words = [0x8001, 0x6005, 0x0007, *(0x2000 | x for x in range(1000)), 0x6006, *[0xE000] * 500, 0x2003]
    words += [word for x in range(300) for word in (0x6000 | x, 0xE000, 0xE000, 0x0000 | x, 0xE000, 0xE000, 0x2800 | x)]
    assert decoded(folder / "a.raw", "3.0", np.array(words, "<u2").tobytes()) == evt3_by_hand(words)


word2 = st.one_of(
    st.integers(0, 0x1FFF_FFFF), st.integers(0x8000_0000, 0x8000_0100), st.sampled_from([0xA000_0000, 0xE123_4567])
)


@settings(max_examples=150, deadline=None)
@given(words=st.lists(word2, max_size=60), chunk=st.sampled_from([4, 12, 1 << 19]))
def test_evt2_words_say_what_a_state_machine_reads_from_them(folder, words, chunk):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "CHUNK_BYTES", chunk)
        assert decoded(folder / "a.raw", "2.0", np.array(words, "<u4").tobytes()) == evt2_by_hand(words)


@pytest.mark.parametrize("legacy", [False, True])
def test_an_evt21_word_holds_up_to_32_pixels_of_one_row(write_bytes, legacy):
    time = (8 << 60) | 5 << 32
    event = (1 << 60) | 3 << 54 | 64 << 43 | 9 << 32 | 0b1000_0000_0000_0000_0000_0000_0000_0101
    off = 40 << 54 | 32 << 43 | 10 << 32 | 0b10
    words = np.array([time, event, off], "<u8").tobytes()
    if legacy:
        words = np.frombuffer(words, "<u4").reshape(-1, 2)[:, ::-1].tobytes()
    header = "% format EVT21;height=720;width=1280" + (";endianness=legacy" if legacy else "") + "\n% end\n"
    recording = open_recording(write_bytes("a.raw", header.encode() + words))
    t = 5 << 6
    assert rows(recording.read()) == [(t + 3, 64, 9, 1), (t + 3, 66, 9, 1), (t + 3, 95, 9, 1), (t + 40, 33, 10, 0)]
    assert (recording.format, recording.info()["sensor"]) == ("Prophesee RAW EVT2.1", [1280, 720])


def test_the_evt3_clock_goes_on_where_its_24_bits_turn(write_bytes):
    words = [0x8FFF, 0x6FFF, 0x0001, 0x2001, 0x8000, 0x6002, 0x2001, 0x8001, 0x6003, 0x2002]
    stream = open_recording(
        write_bytes("a.raw", HEADER.format("3.0").encode() + np.array(words, "<u2").tobytes())
    ).read()
    assert stream.t.tolist() == [(1 << 24) - 1, (1 << 24) + 2, (1 << 24) + 0x1003]


def test_words_of_no_known_type_and_events_before_the_first_time_are_counted(write_bytes):
    head = HEADER.format("3.0").encode()
    words = np.array([0x0001, 0x2001, 0x8001, 0x2002, 0x9000, 0x1000, 0x2003], "<u2").tobytes()
    recording = open_recording(write_bytes("a.raw", head + words))
    assert len(recording.read()) == 2
    assert recording.warnings == [
        "1 event words precede the first time, row or vector base and were dropped",
        f"2 words are of no known type and were skipped; the first is at byte {len(head) + 8}",
    ]
    head = HEADER.format("2.0").encode()
    words = np.array([5, 0x8000_0001, 6, 0x7000_0000], "<u4").tobytes()
    recording = open_recording(write_bytes("b.raw", head + words))
    assert len(recording.read()) == 1
    assert recording.warnings == [
        "1 event words precede the first time and were dropped",
        f"1 words are of no known type and were skipped; the first is at byte {len(head) + 12}",
    ]


@pytest.mark.parametrize(
    ("header", "sensor"),
    [
        ("% evt 3.0\n% plugin_name hal_plugin_imx636_evk4\n", [1280, 720]),
        ("% evt 2.0\n% plugin_name hal_plugin_genx320\n", [320, 320]),
        ("% evt 2.0\n", [640, 480]),
    ],
)
def test_a_header_without_a_size_goes_by_the_camera_and_says_so(write_bytes, header, sensor):
    info = open_recording(write_bytes("a.raw", header.encode() + bytes(8))).info()
    assert info["sensor"] == sensor
    assert "names no sensor size" in info["warnings"][0]


def test_an_encoding_that_is_not_known_is_refused_by_name(write_bytes):
    with pytest.raises(RecordingError, match=r"'4\.0'"):
        open_recording(write_bytes("a.raw", b"% evt 4.0\n% end\n" + bytes(64)))


def test_events_that_begin_like_a_header_line_are_events(write_bytes):
    words = np.array([0x2025, 0x8001, 0x0003, 0x2004, 0x0A0A], "<u2").tobytes()
    assert len(open_recording(write_bytes("a.raw", b"% evt 3.0\n" + words)).read()) == 1


def test_the_two_real_copies_of_one_recording_hold_the_same_events(shared_data):
    dat = open_recording(shared_data / "recordings" / "gen4-1280x720.dat").read()
    raw = open_recording(shared_data / "recordings" / "gen4-1280x720.evt3.raw").read()
    np.testing.assert_array_equal(raw.t - dat.t, 11_194_368)
    for name in ("x", "y", "on"):
        np.testing.assert_array_equal(getattr(raw, name), getattr(dat, name))
