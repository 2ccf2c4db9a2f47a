"""Streams as AEDAT 4.0 files with LZ4-compressed packets and the table of contents that other tools seek by.

FlatBuffers tables as in iniVation's AEDAT4 file format description, each written with its fields at fixed places: a
table is its vtable's distance, then the fields; vectors and strings follow it.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import NamedTuple

import lz4.frame
import numpy as np

from evbench.events.decoders.aedat4 import MAGIC
from evbench.events.encoders.limits import require_pixels
from evbench.events.stream import EventStream

_PACKET_EVENTS = 1 << 14
_STREAM = 0
_LZ4 = 1
_EVENT = np.dtype({"names": ["t", "x", "y", "on"], "formats": ["<i8", "<i2", "<i2", "u1"], "offsets": [0, 8, 10, 12],
                   "itemsize": 16})  # fmt: skip
_DESCRIPTION = (
    '<dv version="2.0"><node name="outInfo" path="/mainloop/Recorder/outInfo/">'
    '<node name="0" path="/mainloop/Recorder/outInfo/0/">'
    '<attr key="compression" type="string">LZ4</attr>'
    '<attr key="originalModuleName" type="string">evbench</attr>'
    '<attr key="originalOutputName" type="string">events</attr>'
    '<attr key="typeDescription" type="string">Array of events (polarity ON/OFF).</attr>'
    '<attr key="typeIdentifier" type="string">EVTS</attr>'
    '<node name="info" path="/mainloop/Recorder/outInfo/0/info/">'
    '<attr key="sizeX" type="int">{width}</attr><attr key="sizeY" type="int">{height}</attr>'
    '<attr key="source" type="string">evbench</attr></node></node></node></dv>'
)


class _Packet(NamedTuple):
    """What the table of contents says of one packet: where its payload lies, its bytes, and what they hold."""

    offset: int
    size: int
    events: int
    t_first: int
    t_last: int


def encode_aedat4(stream: EventStream, path: Path) -> bytes:
    """An AEDAT 4.0 file with one stream of events."""
    require_pixels(path, "AEDAT 4.0", stream, 1 << 15, 1 << 15)
    head = MAGIC + b"\r\n"
    at = len(head) + len(_header(stream, 0))
    packets, parts = [], []
    for begin in range(0, len(stream), _PACKET_EVENTS):
        part = stream[begin : begin + _PACKET_EVENTS]
        payload = lz4.frame.compress(_event_packet(part))
        packets.append(_Packet(at + 8, len(payload), len(part), int(part.t[0]), int(part.t[-1])))
        parts += [struct.pack("<ii", _STREAM, len(payload)), payload]
        at += 8 + len(payload)
    return b"".join([head, _header(stream, at), *parts, lz4.frame.compress(_contents(packets))])


def _header(stream: EventStream, contents: int) -> bytes:
    """IOHeader: compression, position of the table of contents, description."""
    text = _DESCRIPTION.format(width=stream.geometry.width, height=stream.geometry.height).encode()
    vtable = struct.pack("<5H2x", 10, 20, 4, 8, 16)
    table = struct.pack("<iiqI", 12, _LZ4, contents, 4)
    return _buffer(b"IOHE", 24, vtable + table + struct.pack("<I", len(text)) + text + b"\0")


def _event_packet(stream: EventStream) -> bytes:
    """EventPacket: a vector of structs of 16 bytes."""
    events = np.zeros(len(stream), _EVENT)
    events["t"], events["x"], events["y"], events["on"] = stream.t, stream.x, stream.y, stream.on
    table = struct.pack("<3H2x", 6, 8, 4) + struct.pack("<iI", 8, 4)
    return _buffer(b"EVTS", 20, table + struct.pack("<I", len(stream)) + events.tobytes())


def _contents(packets: list[_Packet]) -> bytes:
    """FileDataTable: a vector of tables, one for each packet, all with the vtable that lies ahead of them."""
    root = struct.pack("<3H2x", 6, 8, 4) + struct.pack("<iI", 8, 4)
    vector = 28
    vtable = vector + 4 + 4 * len(packets)
    vtable += vtable % 4
    first = (vtable + 14 + 7) // 8 * 8
    offsets = [first + 48 * number - (vector + 4 + 4 * number) for number in range(len(packets))]
    data = struct.pack(f"<I{len(packets)}I", len(packets), *offsets)
    data += struct.pack("<7H", 14, 48, 8, 16, 24, 32, 40)
    data += bytes(first - vector - len(data))
    for number, packet in enumerate(packets):
        distance = first + 48 * number - vtable
        data += struct.pack(
            "<i4xqiiqqq", distance, packet.offset, _STREAM, packet.size, packet.events, packet.t_first, packet.t_last
        )
    return _buffer(b"FTAB", 20, root + data)


def _buffer(identifier: bytes, table: int, rest: bytes) -> bytes:
    """A buffer ahead of which stand its size and the place of its root table, counted from behind the size."""
    return struct.pack("<II", 8 + len(rest), table - 4) + identifier + rest
