"""What a host and the virtual board's debug probe say to each other over a socket: a JSON header and bytes, both
ways.
"""

from __future__ import annotations

import json
import socket
import struct
from typing import Any

_LENGTHS = struct.Struct("<II")


def send_message(channel: socket.socket, header: dict[str, Any], payload: bytes = b"") -> None:
    """Sends one message. Raises OSError when the other side is gone."""
    text = json.dumps(header).encode()
    channel.sendall(_LENGTHS.pack(len(text), len(payload)) + text + payload)


def receive_message(channel: socket.socket) -> tuple[dict[str, Any], bytes]:
    """Waits for one message. Raises EOFError when the other side is gone, TimeoutError when the channel has a
    timeout.
    """
    text_bytes, payload_bytes = _LENGTHS.unpack(_receive(channel, _LENGTHS.size))
    header = json.loads(_receive(channel, text_bytes))
    return header, _receive(channel, payload_bytes)


def _receive(channel: socket.socket, length: int) -> bytes:
    data = bytearray(length)
    view = memoryview(data)
    while view:
        n = channel.recv_into(view)
        if not n:
            raise EOFError("the other side has closed the channel")
        view = view[n:]
    return bytes(data)
