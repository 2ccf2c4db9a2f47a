"""Bags of ROS 1 (.bag) and ROS 2 (.db3, .mcap, or a folder with metadata.yaml) that have messages with events.

The bags are read by the package rosbags, which `pip install 'evbench[ros]'` installs; the messages in ros_messages.py.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from evbench.errors import RecordingError
from evbench.events.decoders import source
from evbench.events.decoders.evt3 import evt3_events
from evbench.events.decoders.ros_messages import ARRAYS, PACKET, event_array, event_packet, mono
from evbench.events.decoders.source import Cursor, Note, RawChunk, Source
from evbench.events.stream import SensorGeometry

ROS1 = "ROS 1 bag"
ROS2_SQLITE = "ROS 2 bag (SQLite)"
ROS2_MCAP = "ROS 2 bag (MCAP)"
ROS2_FOLDER = "ROS 2 bag"
MAGICS = {ROS1: b"#ROSBAG V2.0", ROS2_SQLITE: b"SQLite format 3\0", ROS2_MCAP: b"\x89MCAP0\r\n"}
METADATA = "metadata.yaml"

_Message = tuple[int, bytes]
_DAMAGED = (ValueError, struct.error)


def open_bag(path: Path, form: str) -> Source:
    """The events of the first topic, by name, of a bag of the form ROS1, ROS2_SQLITE, ROS2_MCAP or ROS2_FOLDER.

    Raises RecordingError where rosbags is not installed, where it cannot read the bag, or where no topic has events.
    """
    bag = _Bag(path, form)
    topics = bag.topics()
    if not topics:
        raise RecordingError(
            "The bag has no messages with events that evbench knows",
            where=str(path),
            remedy=f"Give it one with {', '.join(sorted(ARRAYS))} or {PACKET}",
        )
    topic, kind = topics[0]
    notes = (f"only the events of {topic} are read, not those of {', '.join(t for t, _ in topics[1:])}",)
    aligned = form != ROS1
    try:
        _, first = next(bag.messages(topic, 0), (0, b""))
        if kind in ARRAYS:
            encoding, size = "array", event_array(first, aligned)[1]
        else:
            packet = event_packet(first, aligned)
            encoding, size = packet.encoding, (packet.width, packet.height)
    except _DAMAGED as error:
        raise RecordingError(
            f"The first message of {topic} is missing or damaged: {error}",
            where=str(path),
            remedy="Record the bag again",
        ) from None
    if encoding not in _DECODERS:
        raise RecordingError(
            f"The events of {topic} are encoded as {encoding!r}, which evbench cannot read",
            where=str(path),
            remedy="Record them as evt3 or mono, or republish them as EventArray",
        )
    if not 0 < min(size) <= max(size) <= 0xFFFF:
        raise RecordingError(
            f"The messages of {topic} name a sensor of {size[0]}x{size[1]} pixels",
            where=str(path),
            remedy="Set width and height in the camera's driver and record the bag again",
        )

    def chunks(note: Note, cursor: Cursor) -> Iterator[RawChunk]:
        messages = bag.messages(topic, cursor[0] if cursor else 0, note)
        return _DECODERS[encoding](_batches(messages), cursor[1:], note, aligned)

    return Source(form, SensorGeometry(*size), 0, chunks, notes if len(topics) > 1 else ())


class _Bag:
    """A bag that rosbags reads. It says that a bag is damaged in exceptions of many kinds: all of them are caught."""

    def __init__(self, path: Path, form: str) -> None:
        self._path, self._form = path, form

    def topics(self) -> list[tuple[str, str]]:
        """Topic and message type of those with events, by name."""
        try:
            with closing(self._reader()) as reader:
                kinds = {(one.topic, one.msgtype) for one in reader.connections}
        except RecordingError:
            raise
        except Exception as error:
            raise RecordingError(
                f"The {self._form} cannot be read: {error or type(error).__name__}",
                where=str(self._path),
                remedy="Repair it with `rosbag reindex` or `ros2 bag reindex`, or record it again",
            ) from None
        return sorted((topic, kind) for topic, kind in kinds if kind in ARRAYS or kind == PACKET)

    def messages(self, topic: str, since: int, note: Note | None = None) -> Iterator[_Message]:
        """When each message of a topic was logged, ns, and its bytes, from the time `since` on; damage ends them."""
        logged = since
        try:
            with closing(self._reader()) as reader:
                chosen = [one for one in reader.connections if one.topic == topic]
                for _, logged, message in reader.messages(chosen, start=since):
                    yield logged, bytes(message)
        except Exception as error:
            if note:
                note(f"the bag is damaged behind {logged} ns ({error or type(error).__name__}); read up to there")

    def _reader(self) -> Any:
        try:
            from rosbags.rosbag1 import Reader as Bag1
            from rosbags.rosbag2 import Reader as Bag2
            from rosbags.rosbag2.storage_mcap import McapReader
            from rosbags.rosbag2.storage_sqlite3 import Sqlite3Reader
        except ImportError:
            raise RecordingError(
                f"To read a {self._form} evbench needs the package rosbags",
                where=str(self._path),
                remedy="Install it: pip install 'evbench[ros]'",
            ) from None
        readers: dict[str, Any] = {ROS1: Bag1, ROS2_FOLDER: Bag2, ROS2_MCAP: McapReader, ROS2_SQLITE: Sqlite3Reader}
        reader = readers[self._form](self._path)
        reader.open()
        return reader


def _batches(messages: Iterator[_Message]) -> Iterator[list[_Message]]:
    """Messages until they are as large as a chunk; each batch begins at a time of its own, so that it can be found."""
    batch: list[_Message] = []
    size = 0
    for message in messages:
        if size >= source.CHUNK_BYTES and message[0] > batch[-1][0]:
            yield batch
            batch, size = [], 0
        batch.append(message)
        size += len(message[1])
    if batch:
        yield batch


def _arrays(batches: Iterator[list[_Message]], _: Cursor, note: Note, aligned: bool) -> Iterator[RawChunk]:
    yield from _joined(batches, note, lambda message: event_array(message, aligned)[0])


def _mono(batches: Iterator[list[_Message]], _: Cursor, note: Note, aligned: bool) -> Iterator[RawChunk]:
    yield from _joined(batches, note, lambda message: mono(event_packet(message, aligned)))


def _joined(batches: Iterator[list[_Message]], note: Note, decode: Any) -> Iterator[RawChunk]:
    damaged = _Damaged()
    for batch in batches:
        columns = [damaged.unless(decode, message) for message in batch]
        read = [one for one in columns if one is not None]
        if read:
            t, x, y, on = (np.concatenate(column) for column in zip(*read, strict=True))
            yield RawChunk(t, x, y, on, (batch[0][0],))
    damaged.say(note)


def _evt3(batches: Iterator[list[_Message]], known: Cursor, note: Note, aligned: bool) -> Iterator[RawChunk]:
    damaged = _Damaged()

    def words(message: bytes) -> bytes:
        packet = event_packet(message, aligned)
        if packet.encoding != "evt3" or len(packet.events) % 2:
            raise ValueError(f"it has {len(packet.events)} bytes of {packet.encoding!r} instead of words of evt3")
        return packet.events

    def blocks() -> Iterator[tuple[int, bytes]]:
        for batch in batches:
            block = b"".join(damaged.unless(words, message) or b"" for message in batch)
            if block:
                yield batch[0][0], block

    yield from evt3_events(blocks(), known, note, lambda at, _: f"in a message logged at {at} ns or soon after")
    damaged.say(note)


class _Damaged:
    """Messages that could not be decoded."""

    def __init__(self) -> None:
        self._count, self._first = 0, ""

    def unless(self, decode: Any, message: _Message) -> Any:
        """What `decode` makes of a message, or None where that is damaged."""
        try:
            return decode(message[1])
        except _DAMAGED as error:
            self._first = self._first or f"logged at {message[0]} ns ({error})"
            self._count += 1
            return None

    def say(self, note: Note) -> None:
        if self._count:
            note(f"{self._count} messages are damaged and were skipped; the first was {self._first}")


_DECODERS = {"array": _arrays, "evt3": _evt3, "mono": _mono}
