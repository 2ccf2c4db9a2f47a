"""Small bags of ROS 1 and ROS 2 with event messages, written by rosbags."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from evbench.events.stream import EventStream

_EVENT = "uint16 x\nuint16 y\nbuiltin_interfaces/Time ts\nbool polarity\n"
_ARRAY = "std_msgs/Header header\nuint32 height\nuint32 width\n{}/Event[] events\n"
_PACKET = (
    "std_msgs/Header header\nuint32 height\nuint32 width\nuint64 seq\nuint64 time_base\nstring encoding\n"
    "bool is_bigendian\nuint8[] events\n"
)
FORMS = ("bag", "db3", "mcap", "folder")


def write_bag(
    folder: Path,
    form: str,
    messages: list[tuple[str, str, int, object]],
) -> Path:
    """A bag of one of FORMS with (topic, type, when it was logged in ns, what it holds) each.

    What a message holds is a stream for an EventArray, else width, height, encoding, time base (ns) and bytes.
    """
    pytest.importorskip("rosbags", reason="the package rosbags is not installed (extra ros)")
    from rosbags.rosbag1 import Writer as Writer1
    from rosbags.rosbag2 import StoragePlugin
    from rosbags.rosbag2 import Writer as Writer2
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    store = get_typestore(Stores.ROS1_NOETIC if form == "bag" else Stores.ROS2_HUMBLE)
    for package in ("dvs_msgs", "prophesee_event_msgs"):
        store.register(get_types_from_msg(_EVENT, f"{package}/msg/Event"))
        store.register(get_types_from_msg(_ARRAY.format(package), f"{package}/msg/EventArray"))
    store.register(get_types_from_msg(_PACKET, "event_camera_msgs/msg/EventPacket"))
    if form == "bag":
        path = folder / "a.bag"
        writer, serialize = Writer1(path), store.serialize_ros1
    else:
        path = folder / "bag"
        plugin = StoragePlugin.MCAP if form == "mcap" else StoragePlugin.SQLITE3
        writer, serialize = Writer2(path, version=9, storage_plugin=plugin), store.serialize_cdr
    with writer:
        connections = {}
        for topic, kind, logged, holds in messages:
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=store)
            data = bytes(serialize(_message(store, kind, holds, form == "bag"), kind))
            writer.write(connections[topic], logged, data)
    return path if form in ("bag", "folder") else next(path.glob(f"*.{form}"))


def arrays(
    stream: EventStream, per_message: int = 37, kind: str = "dvs_msgs/msg/EventArray", topic: str = "/dvs/events"
):
    """The messages of a stream, each logged a millisecond after its last event."""
    parts = [stream[begin : begin + per_message] for begin in range(0, len(stream), per_message)]
    return [(topic, kind, int(part.t[-1]) * 1000 + 1_000_000, part) for part in parts]


def mono_bytes(stream: EventStream, time_base: int) -> bytes:
    """The words of a stream as event_camera_msgs encodes them as "mono", from a time in ns on."""
    words = (stream.t * 1000 - time_base).astype(np.uint64) | stream.x.astype(np.uint64) << np.uint64(32)
    words |= stream.y.astype(np.uint64) << np.uint64(48) | stream.on.astype(np.uint64) << np.uint64(63)
    return words.astype("<u8").tobytes()


def _message(store, kind, holds, numbered):
    time = store.types["builtin_interfaces/msg/Time"]
    header_type = store.types["std_msgs/msg/Header"]
    stamp = time(sec=5, nanosec=7)
    header = header_type(**({"seq": 3} if numbered else {}), stamp=stamp, frame_id="camera")
    if isinstance(holds, EventStream):
        event = store.types[kind.replace("EventArray", "Event")]
        events = [
            event(x=int(x), y=int(y), ts=time(sec=int(t) // 10**6, nanosec=int(t) % 10**6 * 1000), polarity=bool(on))
            for t, x, y, on in zip(holds.t, holds.x, holds.y, holds.on, strict=True)
        ]
        size = holds.geometry
        return store.types[kind](header=header, height=size.height, width=size.width, events=events)
    width, height, encoding, time_base, data = holds
    return store.types[kind](
        header=header,
        height=height,
        width=width,
        seq=1,
        time_base=time_base,
        encoding=encoding,
        is_bigendian=False,
        events=np.frombuffer(data, np.uint8),
    )
