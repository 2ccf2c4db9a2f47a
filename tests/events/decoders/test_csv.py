"""Events as text: columns in any order, lines that are no events."""

from __future__ import annotations

import pytest

from evbench.errors import RecordingError
from evbench.events.decoders import source
from evbench.events.recording import open_recording


@pytest.mark.parametrize(
    ("text", "sensor"),
    [
        (b"t,x@64,y@48,on\n5,1,2,1\n9,3,4,0\n", [64, 48]),
        (b"x,y,polarity,timestamp\n1,2,1,5\n3,4,-1,9", [4, 5]),
        (b'"x","frame","y","p","t"\r\n1,0,2,1,5\r\n3,0,4,0,9\r\n', [4, 5]),
    ],
)
def test_columns_go_by_their_names(write_bytes, text, sensor):
    recording = open_recording(write_bytes("a.csv", text))
    stream = recording.read()
    assert [column.tolist() for column in (stream.t, stream.x, stream.y)] == [[5, 9], [1, 3], [2, 4]]
    assert stream.on.tolist() == [True, False]
    assert recording.info()["sensor"] == sensor
    assert ("names no sensor size" in " ".join(recording.warnings)) == (sensor == [4, 5])


@pytest.mark.parametrize("chunk", [64, 1 << 19])
@pytest.mark.parametrize(
    "bad",
    [
        b"nonsense",
        b"1,2,3",
        b"1,2,3,4,5",
        b"1,,3,1",
        b"1.5,2,3,1",
        b"1-2,2,3,1",
        b"9" * 30 + b",1,1,1",
        b"\xff\0",
        b"-,1,1,1",
    ],
)
def test_a_line_that_is_no_event_is_counted_and_named_and_the_others_are_read(write_bytes, monkeypatch, bad, chunk):
    monkeypatch.setattr(source, "CHUNK_BYTES", chunk)
    head, good = b"t,x@64,y@48,on\n", b"".join(b"%d,%d,7,1\n" % (i, i % 64) for i in range(100))
    recording = open_recording(write_bytes("a.csv", head + good + bad + b"\n" + good.replace(b"7", b"8")))
    stream = recording.read()
    assert len(stream) == 200
    assert stream.x.tolist()[:100] == [i % 64 for i in range(100)]
    assert recording.warnings[0] == (
        f"1 lines are no events and were skipped; the first is at byte {len(head) + len(good)}"
    )


@pytest.mark.parametrize("head", [b"t,x,y\n", b"t,x,y,q\n", b"t,x,y,on,p\n", b"t,x,y,on"])
def test_a_header_without_the_four_columns_is_none(write_bytes, head):
    with pytest.raises(RecordingError, match="no recording that evbench knows"):
        open_recording(write_bytes("a.csv", head))
