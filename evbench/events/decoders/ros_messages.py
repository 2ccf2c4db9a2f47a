"""Messages with events of ROS 1 and ROS 2, as bytes: dvs_msgs, prophesee_event_msgs and event_camera_msgs.

dvs_msgs/EventArray and prophesee_event_msgs/EventArray (their packages' msg folders) are alike: a header, height, width
and events of x, y, time and polarity. event_camera_msgs/EventPacket holds them encoded; "mono" is event_camera_codecs'
mono_decoder.h: 64-bit words of nanoseconds (32 bits), x (16), y (15) and polarity (1). ROS 1 packs fields; ROS 2 aligns
each to its size (OMG CDR), and a byte order goes before.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

ARRAYS = frozenset({"dvs_msgs/msg/EventArray", "prophesee_event_msgs/msg/EventArray"})
PACKET = "event_camera_msgs/msg/EventPacket"

_ROS1_EVENT = np.dtype([("x", "<u2"), ("y", "<u2"), ("s", "<u4"), ("ns", "<u4"), ("on", "u1")])
# An event of 13 bytes and what aligns the next: x and y of the next one lie at the end of this and ahead of its time.
_ROS2_EVENT = np.dtype(
    [("y", "<u2"), ("_", "V2"), ("s", "<u4"), ("ns", "<u4"), ("on", "u1"), ("__", "u1"), ("x", "<u2")]
)

_Columns = tuple[NDArray[np.int64], NDArray[np.uint16], NDArray[np.uint16], NDArray[np.bool_]]


class Packet(NamedTuple):
    """An event_camera_msgs/EventPacket: the sensor's size, the time that "mono" counts from (ns), and the events."""

    width: int
    height: int
    time_base: int
    encoding: str
    events: bytes


class _Fields:
    """Reads the fields of a message one after the other. Raises ValueError or struct.error where it ends too early."""

    def __init__(self, message: bytes, aligned: bool) -> None:
        self.message, self._aligned = message, aligned
        self.at = self._begin = 4 if aligned else 0
        if aligned and message[:2] != b"\0\1":
            raise ValueError("it is not little-endian CDR")

    def number(self, kind: str) -> int:
        size = struct.calcsize(kind)
        if self._aligned:
            self.at += (self._begin - self.at) % size
        self.at += size
        value: int = struct.unpack_from("<" + kind, self.message, self.at - size)[0]
        return value

    def block(self) -> bytes:
        size = self.number("I")
        self.at += size
        if self.at > len(self.message):
            raise ValueError(f"it ends {self.at - len(self.message)} bytes too early")
        return self.message[self.at - size : self.at]

    def skip_header(self) -> None:
        """A std_msgs/Header; only that of ROS 1 is numbered."""
        for _ in range(2 if self._aligned else 3):
            self.number("I")
        self.block()


def event_array(message: bytes, aligned: bool) -> tuple[_Columns, tuple[int, int]]:
    """t (µs), x, y, polarity of an EventArray, and the sensor's width and height.

    aligned: as ROS 2 writes it. Raises ValueError or struct.error where the message is damaged.
    """
    fields = _Fields(message, aligned)
    fields.skip_header()
    height, width, count = (fields.number("I") for _ in range(3))
    if not aligned:
        events = np.frombuffer(message, _ROS1_EVENT, count=count, offset=fields.at)
        x, y = events["x"].copy(), events["y"].copy()
    else:
        if fields.at + 16 * count - 3 * (count > 0) > len(message):
            raise ValueError(f"it ends before the last of its {count} events")
        events = np.frombuffer(message[fields.at :].ljust(16 * count, b"\0"), _ROS2_EVENT, count=count)
        first = np.frombuffer(message, "<u2", count=2 * (count > 0), offset=fields.at)
        x = np.concatenate([first[:1], events["x"][:-1]])
        y = np.concatenate([first[1:], events["y"][1:]])
    t = events["s"].astype(np.int64) * 1_000_000 + events["ns"] // 1000
    return (t, x, y, events["on"] != 0), (width, height)


def event_packet(message: bytes, aligned: bool) -> Packet:
    """An EventPacket. aligned and what is raised: as in `event_array`."""
    fields = _Fields(message, aligned)
    fields.skip_header()
    height, width, _, time_base = (fields.number(kind) for kind in "IIQQ")
    encoding = fields.block().rstrip(b"\0").decode("ascii", "replace")
    if fields.number("B"):
        raise ValueError("it is big-endian")
    return Packet(width, height, time_base, encoding, fields.block())


def mono(packet: Packet) -> _Columns:
    """t (µs), x, y, polarity of a packet encoded as "mono". Raises ValueError where it is not or a word is cut."""
    if packet.encoding != "mono":
        raise ValueError(f"it is encoded as {packet.encoding!r}")
    words = np.frombuffer(packet.events, "<u8")
    halves = np.frombuffer(packet.events, "<u2").reshape(-1, 4)
    t = (words & 0xFFFF_FFFF).astype(np.int64) + packet.time_base
    return t // 1000, halves[:, 2].copy(), halves[:, 3] & np.uint16(0x7FFF), halves[:, 3] >= 0x8000
