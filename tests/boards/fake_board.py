"""A board made of a pseudo-terminal and a thread: it speaks the link protocol and misbehaves on demand."""

from __future__ import annotations

import os
import select
import struct
import threading
import tty

from evbench.boards.frames import PROTOCOL_VERSION, Frame, FrameReader, Nak, Type, encode_frame

LAYERS, OUTPUTS = 2, 3
LOGITS = (0.5, -1.25, 3.0)
CREDIT = 2048
FAULT = struct.pack("<6I", 1 << 9 | 1 << 15, 1 << 30, 0, 0xA0000000, 0x08001234, 0x08000101)


class FakeBoard:
    """`trouble` maps a request type to what to do with its next arrivals: "mute", "nak", "fault", "garbage", "log"."""

    def __init__(self, digest: bytes = b"\x11" * 32, build: bytes = b"\x22" * 16, grid: int = 8) -> None:
        self.master, self.slave = os.openpty()
        tty.setraw(self.master)
        tty.setraw(self.slave)
        self.port = os.ttyname(self.slave)
        self.trouble: dict[Type, list[str]] = {}
        self.version = PROTOCOL_VERSION
        self.seen: list[Frame] = []
        self.events: list[int] = []
        self.memory = bytearray(grid)
        self.most_in_flight = 0
        self._digest, self._build = digest, build
        self._stop_read, self._stop_write = os.pipe()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> FakeBoard:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        os.write(self._stop_write, b"x")
        self._thread.join()
        for number in (self.master, self.slave, self._stop_read, self._stop_write):
            os.close(number)

    def _run(self) -> None:
        reader = FrameReader()
        while True:
            ready, _, _ = select.select([self.master, self._stop_read], [], [])
            if self._stop_read in ready:
                return
            data = os.read(self.master, 65536)
            self.most_in_flight = max(self.most_in_flight, len(data))
            damaged = reader.damaged
            for frame in reader.feed(data):
                self.seen.append(frame)
                self._answer(frame)
            if reader.damaged > damaged:
                self._send(Type.NAK, 0, bytes([Nak.BAD_FRAME, 0]))

    def _send(self, kind: Type, sequence: int, payload: bytes) -> None:
        os.write(self.master, encode_frame(Frame(kind, sequence, payload)))

    def _answer(self, frame: Frame) -> None:
        waiting = self.trouble.get(Type(frame.type), [])
        match waiting.pop(0) if waiting else "":
            case "mute":
                return None
            case "nak":
                return self._send(Type.NAK, 0, bytes([Nak.BAD_FRAME, 0]))
            case "refuse":
                return self._send(Type.NAK, frame.sequence, bytes([Nak.BAD_PAYLOAD, frame.sequence]))
            case "fault":
                return self._send(Type.FAULT, frame.sequence, FAULT)
            case "garbage":
                os.write(self.master, b"\x07noise\0\0more noise\0")
            case "log":
                self._send(Type.LOG, 0, b"warm")
        return self._obey(frame)

    def _obey(self, frame: Frame) -> None:
        sequence, payload = frame.sequence, frame.payload
        if frame.type == Type.HELLO:
            head = struct.pack("<BB16s32sIIHIH", self.version, 1, self._build, self._digest, 480_000_000, CREDIT,
                               LAYERS, len(self.memory), OUTPUTS)  # fmt: skip
            self._send(Type.HELLO_REPLY, sequence, head + b"\x04fake")
        elif frame.type == Type.RUN:
            stop = int.from_bytes(payload[1:3], "little") if payload[0] & 2 else LAYERS - 1
            if payload[0] & 1:
                for index in range(stop + 1):
                    layer = struct.pack("<HIBBBBBx", index, 100 * (index + 1), 1, 0, 0, 2, 3)
                    self._send(Type.LAYER, sequence, layer)
            logits = LOGITS if stop == LAYERS - 1 else ()
            voxelising = struct.pack("<IIIQ", 40, len(self.events), len(self.events), 30 * len(self.events))
            result = struct.pack("<QQII", 300, 350, 64, 8) + voxelising
            result += struct.pack(f"<H{len(logits)}f", len(logits), *logits)
            self._send(Type.RESULT, sequence, result)
        elif frame.type == Type.DUMP:
            index, offset, length = struct.unpack("<HIH", payload)
            data = bytes((index + offset + i) & 0xFF for i in range(length))
            self._send(Type.TENSOR, sequence, payload[:6] + data)
        else:
            self._store(frame)
            self._send(Type.ACK, sequence, bytes([frame.type]) + bytes(4))

    def _store(self, frame: Frame) -> None:
        if frame.type == Type.BEGIN:
            self.events.clear()
            self.memory[:] = bytes(len(self.memory))
        elif frame.type == Type.EVENTS:
            self.events += struct.unpack(f"<{len(frame.payload) // 4}I", frame.payload)
        elif frame.type == Type.INPUT:
            offset = int.from_bytes(frame.payload[:4], "little")
            self.memory[offset : offset + len(frame.payload) - 4] = frame.payload[4:]
