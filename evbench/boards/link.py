"""The host's end of the serial link: requests, answers, resends, and noticing that a board is gone.

Every request is answered by exactly one frame with its sequence number. Requests that may safely run twice are sent
again when they are refused as damaged or not answered; EVENTS are not (they would count twice), their sender begins
the window anew.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol

from evbench.boards.frames import Frame, FrameReader, Nak, Type, describe_fault, encode_frame
from evbench.errors import BoardError

ANSWER_TIMEOUT_S = 2.0
ATTEMPTS = 3
_REFUSAL_GRACE_S = 0.1
_NAK_MEANING: dict[int, str] = {
    Nak.UNKNOWN_TYPE: "Its firmware does not know this request",
    Nak.BAD_PAYLOAD: "Its firmware does not accept the contents",
}


class SerialPort(Protocol):
    """What the link needs of pyserial's Serial."""

    def read(self, size: int = 1, /) -> bytes: ...
    def write(self, data: bytes, /) -> int | None: ...
    def close(self) -> None: ...
    @property
    def in_waiting(self) -> int: ...


class LinkDisturbedError(Exception):
    """A stream of frames was not fully accepted; what it built up on the board must begin anew."""


class Link:
    """Speaks frames over an open serial port.

    is_computing, where given, is asked after each quiet `timeout` seconds: while it says so the link waits on; it may
    raise BoardError when it knows that the board is gone. `on_log` takes the board's LOG lines.
    """

    def __init__(
        self,
        port: SerialPort,
        *,
        timeout: float = ANSWER_TIMEOUT_S,
        is_computing: Callable[[], bool] | None = None,
        on_log: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._port = port
        self._timeout = timeout
        self._is_computing = is_computing
        self._on_log = on_log
        self._reader = FrameReader()
        self._received: deque[Frame] = deque()
        self._sequence = 0
        self.credit = 1 << 10

    def request(
        self,
        kind: Type,
        payload: bytes = b"",
        *,
        on_frame: Callable[[Frame], None] = lambda frame: None,
        attempts: int = ATTEMPTS,
    ) -> Frame:
        """Sends a request that may run twice and returns its answer; LAYER frames before it go to `on_frame`.

        Raises BoardError when the board refuses it, reports a fault, or does not answer.
        """
        for _ in range(attempts):
            sequence = self._send(kind, payload)
            answer = self._answer(sequence, on_frame)
            if answer is None:
                continue
            if answer.type != Type.NAK:
                return answer
            _refuse(kind, answer)
        raise BoardError(
            "The board does not answer",
            where=f"{kind.name} was sent {attempts} times",
            remedy="Check power and cable, or flash the board: it may hold no firmware of evbench",
        )

    def request_once(
        self, kind: Type, payload: bytes = b"", *, on_frame: Callable[[Frame], None] = lambda frame: None
    ) -> Frame:
        """Sends a request that may not run twice. Raises LinkDisturbedError when it was not answered or arrived
        damaged.
        """
        answer = self._answer(self._send(kind, payload), on_frame)
        if answer is None:
            raise LinkDisturbedError
        if answer.type == Type.NAK:
            _refuse(kind, answer)
            raise LinkDisturbedError
        return answer

    def stream(self, kind: Type, payloads: Iterable[bytes]) -> None:
        """Sends many frames without waiting for each answer, never more bytes than the board has room for.

        Raises LinkDisturbedError when one of them was refused or not answered.
        """
        waiting: deque[tuple[int, int]] = deque()
        in_flight = 0
        for payload in payloads:
            size = len(payload) + 16
            while waiting and in_flight + size > self.credit:
                in_flight -= self._acknowledged(waiting)
            waiting.append((self._send(kind, payload), size))
            in_flight += size
        while waiting:
            in_flight -= self._acknowledged(waiting)

    def close(self) -> None:
        """Closes the port."""
        self._port.close()

    # --- private ---

    def _acknowledged(self, waiting: deque[tuple[int, int]]) -> int:
        sequence, size = waiting.popleft()
        answer = self._answer(sequence, lambda frame: None)
        if answer is None or answer.type != Type.ACK:
            raise LinkDisturbedError
        return size

    def _send(self, kind: Type, payload: bytes) -> int:
        self._sequence = (self._sequence + 1) & 0xFF
        try:
            self._port.write(encode_frame(Frame(kind, self._sequence, payload)))
        except OSError as error:
            raise _lost(error) from error
        return self._sequence

    def _answer(self, sequence: int, on_frame: Callable[[Frame], None]) -> Frame | None:
        """The answer to `sequence`, or None when there is none in time.

        A frame that arrived damaged is refused without its sequence number, and so is noise on the line: such a refusal
        counts for the request under way unless its true answer follows soon.
        """
        deadline = time.monotonic() + self._timeout
        refusal: Frame | None = None
        while True:
            while self._received:
                frame = self._received.popleft()
                if frame.type == Type.LOG:
                    self._on_log(frame.payload.decode(errors="replace"))
                elif frame.type == Type.FAULT:
                    cause = describe_fault(frame.payload)
                    raise BoardError("The firmware crashed", where=cause, remedy="Flash the board again")
                elif frame.type == Type.NAK and frame.payload[:1] == bytes([Nak.BAD_FRAME]):
                    if refusal is None:
                        refusal, deadline = frame, time.monotonic() + _REFUSAL_GRACE_S
                elif frame.type == Type.LAYER and frame.sequence == sequence:
                    deadline = time.monotonic() + self._timeout
                    on_frame(frame)
                elif frame.sequence == sequence:
                    return frame
            if time.monotonic() > deadline:
                if refusal is not None or self._is_computing is None or not self._is_computing():
                    return refusal
                deadline = time.monotonic() + self._timeout
            self._receive()

    def _receive(self) -> None:
        try:
            data = self._port.read(max(1, self._port.in_waiting))
        except OSError as error:
            raise _lost(error) from error
        self._received.extend(self._reader.feed(data))


def _refuse(kind: Type, nak: Frame) -> None:
    """Raises BoardError for a refusal that sending again would not change; damaged frames and lost states pass."""
    code = nak.payload[0] if nak.payload else 0
    if code in (Nak.BAD_FRAME, Nak.WRONG_STATE):
        return
    meaning = _NAK_MEANING.get(code, f"Reason {code}")
    raise BoardError(f"The board refuses {kind.name}", where=meaning, remedy="Flash the board again")


def _lost(error: OSError) -> BoardError:
    return BoardError(
        "The board is gone", where=f"Its serial port reports: {error}", remedy="Check power and cable, then try again"
    )
