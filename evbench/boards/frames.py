"""Frames of the serial link, as firmware/runtime/ev_link.* speaks them, little endian.

On the wire: COBS(body + CRC-32 of body) and a zero byte; body: type u8, sequence u8, payload of at most 1024 bytes.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from cobs import cobs
from numpy.typing import NDArray

from evbench.boards.faults import explain

MAX_PAYLOAD = 1024
PROTOCOL_VERSION = 2


class Type(IntEnum):
    """What a frame is. Requests have bit 7 clear, answers have it set."""

    HELLO = 0x01
    EVENTS = 0x02
    INPUT = 0x03
    BEGIN = 0x04
    RUN = 0x05
    DUMP = 0x06
    RESET = 0x07
    KEEP = 0x08
    STREAM = 0x09
    HELLO_REPLY = 0x81
    ACK = 0x82
    NAK = 0x83
    LAYER = 0x84
    RESULT = 0x85
    TENSOR = 0x86
    LOG = 0x87
    FAULT = 0x88


class Nak(IntEnum):
    """Why a board refuses a frame."""

    BAD_FRAME = 1
    UNKNOWN_TYPE = 2
    BAD_PAYLOAD = 3
    WRONG_STATE = 4


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame. `type` is a number, since a board may send types that this host does not know."""

    type: int
    sequence: int
    payload: bytes = b""


def encode_frame(frame: Frame) -> bytes:
    """The bytes on the wire, the closing zero included. Raises ValueError when the payload is too long."""
    if len(frame.payload) > MAX_PAYLOAD:
        raise ValueError(f"a payload of {len(frame.payload)} bytes is longer than {MAX_PAYLOAD}")
    body = bytes((frame.type, frame.sequence)) + frame.payload
    return bytes(cobs.encode(body + zlib.crc32(body).to_bytes(4, "little"))) + b"\0"


def decode_frame(encoded: bytes) -> Frame | None:
    """The frame between two zero bytes, or None when it is damaged."""
    try:
        decoded = bytes(cobs.decode(encoded))
    except cobs.DecodeError:
        return None
    body, checksum = decoded[:-4], decoded[-4:]
    if not 2 <= len(body) <= MAX_PAYLOAD + 2 or zlib.crc32(body).to_bytes(4, "little") != checksum:
        return None
    return Frame(body[0], body[1], body[2:])


class FrameReader:
    """Cuts a stream of bytes into frames; what is not a frame is counted and dropped."""

    _LONGEST = MAX_PAYLOAD + 64

    def __init__(self) -> None:
        self._pending = bytearray()
        self.damaged = 0

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that `data` completes."""
        self._pending += data
        *pieces, rest = bytes(self._pending).split(b"\0")
        if len(rest) > self._LONGEST:
            self.damaged += 1
            rest = b""
        self._pending = bytearray(rest)
        frames = [decode_frame(piece) for piece in pieces if piece]
        self.damaged += frames.count(None)
        return [frame for frame in frames if frame is not None]


# --- what the payloads say ---

_HELLO = struct.Struct("<BB16s32sIIHIH")
_LAYER = struct.Struct("<HIBBBBBx")
_RESULT = struct.Struct("<QQIIIIIQH")
_FAULT = struct.Struct("<6I")


@dataclass(frozen=True, slots=True)
class Hello:
    """Who a board is. build_id and graph_digest are hexadecimal; credit: bytes that may be on their way unanswered."""

    version: int
    counts_cycles: bool
    build_id: str
    graph_digest: str
    core_hz: int
    credit: int
    layers: int
    input_bytes: int
    outputs: int
    name: str


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer has run. The 8-bit counters of the DWT are 0 where the chip has none."""

    index: int
    cycles: int
    extra_cycles: int
    exception_cycles: int
    sleep_cycles: int
    load_store_cycles: int
    folded: int


@dataclass(frozen=True, slots=True)
class Voxelising:
    """What making a window's voxel grid cost the board, without the link.

    began_cycles: clearing the grid, or moving on the bins that it has in common with the last one. cycles: filtering
    and counting. given, counted: events that came, and that are in the grid.
    """

    began_cycles: int
    given: int
    counted: int
    cycles: int


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """One window has run. cycles: sum over layers; run_cycles: everything; read_overhead: cycles of reading the
    counter.
    """

    cycles: int
    run_cycles: int
    stack_bytes: int
    read_overhead: int
    voxelising: Voxelising
    logits: NDArray[np.float32]


def parse_hello(payload: bytes) -> Hello:
    """Raises ValueError when the payload is not that of a HELLO."""
    if len(payload) < _HELLO.size + 1:
        raise ValueError(f"a HELLO of {len(payload)} bytes")
    version, flags, build, digest, hz, credit, layers, input_bytes, outputs = _HELLO.unpack_from(payload)
    name = payload[_HELLO.size + 1 :][: payload[_HELLO.size]].decode(errors="replace")
    return Hello(version, bool(flags & 1), build.hex(), digest.hex(), hz, credit, layers, input_bytes, outputs, name)


def parse_layer(payload: bytes) -> Layer:
    """Raises ValueError when the payload is not that of a LAYER."""
    if len(payload) != _LAYER.size:
        raise ValueError(f"a LAYER of {len(payload)} bytes")
    return Layer(*_LAYER.unpack(payload))


def parse_result(payload: bytes) -> Result:
    """Raises ValueError when the payload is not that of a RESULT."""
    if len(payload) < _RESULT.size:
        raise ValueError(f"a RESULT of {len(payload)} bytes")
    cycles, run_cycles, stack, overhead, *voxelising, n = _RESULT.unpack_from(payload)
    if len(payload) != _RESULT.size + 4 * n:
        raise ValueError(f"a RESULT of {len(payload)} bytes with {n} logits")
    logits = np.frombuffer(payload, "<f4", n, _RESULT.size).copy()
    return Result(cycles, run_cycles, stack, overhead, Voxelising(*voxelising), logits)


def describe_fault(payload: bytes) -> str:
    """What a FAULT frame says in words: causes, addresses, program counter."""
    if len(payload) != _FAULT.size:
        return "a fault report that cannot be read"
    cfsr, hfsr, mmfar, bfar, pc, lr = _FAULT.unpack(payload)
    causes = explain(cfsr, hfsr, mmfar, bfar) or f"CFSR 0x{cfsr:08x} HFSR 0x{hfsr:08x}"
    return f"{causes}, at pc 0x{pc:08x}, called from 0x{lr:08x}"
