"""Small recordings in every format, written byte by byte."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from evbench.events.stream import EventStream, SensorGeometry

_COMPRESSION = {"none": 0, "lz4": 1, "zstd": 3}


def _table(ident: bytes, fields: list[tuple[str, object] | None], tail: bytes = b"") -> bytes:
    """A size-prefixed FlatBuffers table of scalars; a field ("vector", n) is an offset to `tail` with its length n."""
    vtable, body = b"", b"\0\0\0\0"
    for field in fields:
        if field is None:
            vtable += struct.pack("<H", 0)
            continue
        kind, value = field
        vtable += struct.pack("<H", len(body))
        body += struct.pack("<I", 0) if kind == "vector" else struct.pack(kind, value)
    vtable = struct.pack("<HH", 4 + len(vtable), len(body)) + vtable
    start = 8 + len(vtable)
    for number, field in enumerate(fields):
        if field and field[0] == "vector":
            at = struct.unpack_from("<H", vtable, 4 + 2 * number)[0]
            body = body[:at] + struct.pack("<I", len(body) - at) + body[at + 4 :]
            tail = struct.pack("<I", field[1]) + tail
    buffer = struct.pack("<I", start) + ident + vtable + struct.pack("<i", len(vtable)) + body[4:] + tail
    return struct.pack("<I", len(buffer)) + buffer


@pytest.fixture(scope="session")
def aedat4_bytes() -> Callable[..., bytes]:
    """A writer of AEDAT 4.0 files: one packet of events per stream given, and a packet of another kind between them."""

    def write(streams: list[EventStream], compression: str = "lz4", *, closed: bool = True) -> bytes:
        import lz4.frame
        import zstandard

        geometry = streams[0].geometry
        description = (
            '<dv version="2.0"><node name="outInfo"><node name="0"><attr key="typeIdentifier">IMUS</attr></node>'
            '<node name="1"><attr key="typeIdentifier" type="string">EVTS</attr><node name="info">'
            f'<attr key="sizeX" type="int">{geometry.width}</attr><attr key="sizeY" type="int">{geometry.height}</attr>'
            "</node></node></node></dv>"
        ).encode()
        pack = {"none": bytes, "lz4": lz4.frame.compress, "zstd": zstandard.ZstdCompressor().compress}[compression]
        packets = b""
        for stream in streams:
            struct_of_events = np.zeros(len(stream), "<i8, <i2, <i2, u1, V3")
            struct_of_events["f0"], struct_of_events["f1"] = stream.t, stream.x
            struct_of_events["f2"], struct_of_events["f3"] = stream.y, stream.on
            table = pack(_table(b"EVTS", [("vector", len(stream))], struct_of_events.tobytes()))
            packets += struct.pack("<ii", 0, 3) + b"imu" + struct.pack("<ii", 1, len(table)) + table
        head = b"#!AER-DAT4.0\r\n"

        def header(contents: int) -> bytes:
            fields = [("<i", _COMPRESSION[compression]), ("<q", contents), ("vector", len(description))]
            return head + _table(b"IOHE", fields, description)

        contents = len(header(1)) + len(packets) if closed else -1
        return header(contents) + packets + (b"FTAB" * 4 if closed else b"")

    return write


@pytest.fixture
def sample() -> EventStream:
    """Two hundred events of a 128x128 sensor, about a millisecond apart."""
    rng = np.random.default_rng(5)
    t = np.cumsum(rng.integers(0, 2000, 200)) + 100_000
    return EventStream.from_arrays(
        t, rng.integers(0, 128, 200), rng.integers(0, 128, 200), rng.random(200) < 0.5, SensorGeometry(128, 128)
    )


@pytest.fixture
def same_events() -> Callable[[EventStream, EventStream], None]:
    """Asserts that two streams hold the same events."""

    def check(a: EventStream, b: EventStream) -> None:
        for name in ("t", "x", "y", "on"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)

    return check


@pytest.fixture
def write_bytes(tmp_path: Path) -> Callable[[str, bytes], Path]:
    """Writes a file into the test's folder."""

    def write(name: str, data: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write
