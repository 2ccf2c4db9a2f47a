"""AEDAT 4.0, iniVation's container: compressed packets, each a FlatBuffers table, behind a header in XML.

Layout as in iniVation's AEDAT4 file format description: the magic line, a size-prefixed IOHeader, then packets
of (stream number int32, size int32, payload) up to the table of contents at the end, which only index what came before.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import lz4.frame
import numpy as np
import zstandard

from evbench.errors import RecordingError
from evbench.events.decoders import source
from evbench.events.decoders.source import Cursor, Note, RawChunk, Source
from evbench.events.stream import SensorGeometry

MAGIC = b"#!AER-DAT4.0"
_MAGIC_LINE = MAGIC + b"\r\n"
_COMPRESSIONS = ("none", "lz4", "lz4", "zstd", "zstd")
_FRAME_MAGIC = {"lz4": b"\x04\x22\x4d\x18", "zstd": b"\x28\xb5\x2f\xfd"}
_MOST_STREAMS = 64
_EVENT = np.dtype(
    {
        "names": ["t", "x", "y", "on"],
        "formats": ["<i8", "<i2", "<i2", "u1"],
        "offsets": [0, 8, 10, 12],
        "itemsize": 16,
    }
)


def open_aedat4(path: Path) -> Source:
    """The events of the first event stream. Raises RecordingError on a broken header or if there is none."""
    with path.open("rb") as file:
        compression, table, description, offset = _read_header(path, file)
    number, geometry = _event_stream(path, description)
    end = table if table > 0 else None

    def chunks(note: Note, cursor: Cursor) -> Iterator[RawChunk]:
        if end is None:
            note("the recording was not closed properly: it has no table of contents; read packet by packet")
        magic = _FRAME_MAGIC.get(compression)
        decompress = _decompressor(compression)
        # A packet may hold a few hundred events; what is done for each event is done for many packets at once.
        room = memoryview(bytearray(source.CHUNK_BYTES // 2))
        begin = filled = 0
        for at, payload in _packets(path, cursor[0] if cursor else offset, end, number, magic, note):
            try:
                events = _events(decompress(payload))
            except (RuntimeError, ValueError, MemoryError, struct.error, zstandard.ZstdError) as error:
                note(f"the packet at byte {at} is damaged ({error}); skipped")
                continue
            if filled and filled + len(events) > len(room):
                yield _chunk(room[:filled], begin)
                filled = 0
            if len(events) > len(room):
                room = memoryview(bytearray(len(events)))
            begin = begin if filled else at
            room[filled : filled + len(events)] = events
            filled += len(events)
        if filled:
            yield _chunk(room[:filled], begin)

    return Source("AEDAT 4.0", geometry, 0, chunks)


def _chunk(packets: memoryview, at: int) -> RawChunk:
    events = np.frombuffer(packets, _EVENT)
    return RawChunk(events["t"].copy(), events["x"].copy(), events["y"].copy(), events["on"] != 0, (at,))


def _packets(
    path: Path, offset: int, end: int | None, number: int, magic: bytes | None, note: Note
) -> Iterator[tuple[int, bytes]]:
    """Offset and payload of every packet of one stream, and a note where the file ends too early.

    Where no packet can begin, reading goes on at the next frame of the compression, which its `magic` shows.
    """
    size_of_file = path.stat().st_size
    with path.open("rb") as file:
        file.seek(offset)
        at = offset
        while at < (size_of_file if end is None else end):
            head = file.read(8)
            stream, size = struct.unpack("<ii", head) if len(head) == 8 else (0, 0)
            if len(head) < 8 or size < 0 or stream < 0 or at + 8 + size > size_of_file:
                found = _next_packet(file, at + 1, size_of_file, magic) if magic else None
                if found is None:
                    note(f"truncated: the packet at byte {at} is not complete; read up to there")
                    return
                note(f"no packet begins at byte {at}; {found - at} bytes were skipped")
                at = found
                file.seek(at)
                continue
            if stream == number:
                yield at, file.read(size)
            else:
                file.seek(size, 1)
            at += 8 + size


def _next_packet(file: BinaryIO, at: int, size_of_file: int, magic: bytes) -> int | None:
    """The offset of the next packet at or behind `at` whose payload begins with `magic`."""
    while at + 12 <= size_of_file:
        file.seek(at)
        block = file.read(1 << 20)
        place = block.find(magic, 8)
        while place >= 0:
            stream, size = struct.unpack_from("<ii", block, place - 8)
            if 0 <= stream < _MOST_STREAMS and 0 < size <= size_of_file - at - place:
                return at + place - 8
            place = block.find(magic, place + 1)
        # A packet may begin in this block and its magic in the next.
        at += max(len(block) - 11, 1)
    return None


def _decompressor(compression: str) -> Callable[[bytes], bytes]:
    """What undoes the compression of one packet after the other; its memory is kept from packet to packet."""
    if compression == "lz4":
        context = lz4.frame.create_decompression_context()

        def decompress(payload: bytes) -> bytes:
            try:
                data, _, complete = lz4.frame.decompress_chunk(context, payload)
            except RuntimeError:
                lz4.frame.reset_decompression_context(context)
                raise
            if not complete:
                lz4.frame.reset_decompression_context(context)
                raise ValueError("its LZ4 frame has no end")
            return bytes(data)

        return decompress
    if compression == "zstd":
        return lambda payload: zstandard.ZstdDecompressor().decompressobj().decompress(payload)
    return bytes


def _events(packet: bytes) -> memoryview:
    """The bytes of the vector of event structs of a size-prefixed EventPacket table."""
    table = _Table(packet, 4)
    place = table.field(0)
    if place is None:
        return memoryview(b"")
    place += table.at("<I", place)
    count = table.at("<I", place)
    events = memoryview(packet)[place + 4 : place + 4 + count * _EVENT.itemsize]
    if len(events) < count * _EVENT.itemsize:
        raise ValueError(f"it ends before the last of its {count} events")
    return events


def _read_header(path: Path, file: BinaryIO) -> tuple[str, int, str, int]:
    """Compression, position of the table of contents, XML description, and offset of the first packet."""
    try:
        start = len(_MAGIC_LINE)
        file.seek(start)
        (size,) = struct.unpack("<I", file.read(4))
        if size > path.stat().st_size:
            raise ValueError("the file ends within it")
        buffer = struct.pack("<I", size) + file.read(size)
        if len(buffer) < 4 + size:
            raise ValueError("the file ends within it")
        table = _Table(buffer, 4)
        compression = _COMPRESSIONS[table.scalar(0, "<I", 0)]
        contents = table.scalar(1, "<q", -1)
        return compression, contents, table.text(2), start + 4 + size
    except (struct.error, ValueError, IndexError) as error:
        raise RecordingError(
            f"The AEDAT 4.0 header is damaged: {error}",
            where=f"{path}, byte {len(_MAGIC_LINE)}",
            remedy="Record or export it again",
        ) from None


def _event_stream(path: Path, description: str) -> tuple[int, SensorGeometry]:
    """Number and sensor of the first stream whose type is EVTS."""
    for part in re.split(r'(?=<node name="\d+")', description):
        number = re.match(r'<node name="(\d+)"', part)
        if number and re.search(r'key="typeIdentifier"[^>]*>\s*EVTS', part):
            width, height = (re.search(rf'key="size{axis}"[^>]*>\s*(\d+)', part) for axis in "XY")
            if not width or not height:
                break
            return int(number[1]), SensorGeometry(int(width[1]), int(height[1]))
    raise RecordingError(
        "The AEDAT 4.0 file has no event stream with a sensor size",
        where=str(path),
        remedy="Record it with events switched on",
    )


class _Table:
    """A FlatBuffers table within `buffer`, whose root offset lies at `root`; fields by their number in the schema.

    Written out here because three fields of two tables are all that is needed of the schema. Offsets of a damaged
    buffer raise struct.error or ValueError.
    """

    def __init__(self, buffer: bytes, root: int) -> None:
        self.buffer = buffer
        self.start = root + self.at("<I", root)
        self.vtable = self.start - self.at("<i", self.start)

    def at(self, kind: str, place: int) -> int:
        if place < 0:
            raise ValueError("an offset points ahead of the buffer")
        value: int = struct.unpack_from(kind, self.buffer, place)[0]
        return value

    def field(self, number: int) -> int | None:
        slot = 4 + 2 * number
        if slot >= self.at("<H", self.vtable):
            return None
        offset = self.at("<H", self.vtable + slot)
        return self.start + offset if offset else None

    def scalar(self, number: int, kind: str, default: int) -> int:
        place = self.field(number)
        return default if place is None else self.at(kind, place)

    def text(self, number: int) -> str:
        place = self.field(number)
        if place is None:
            return ""
        place += self.at("<I", place)
        return self.buffer[place + 4 : place + 4 + self.at("<I", place)].decode("utf-8", "replace")
