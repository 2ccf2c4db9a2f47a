"""Prophesee RAW: a text header that names one of three encodings, EVT 2.0, EVT 2.1 or EVT 3.0, and a sensor.

Header as in Prophesee's "RAW File Format" (docs.prophesee.ai, data/file_formats/raw): lines of "% keyword value", up to
"% end" or to the first line that does not begin so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from evbench.errors import RecordingError
from evbench.events.decoders.evt2 import evt2_chunks, evt21_chunks
from evbench.events.decoders.evt3 import evt3_chunks
from evbench.events.decoders.source import Cursor, Note, RawChunk, Source, read_head
from evbench.events.stream import SensorGeometry

_HEADER_LIMIT = 1 << 16
_HD, _VGA = SensorGeometry(1280, 720), SensorGeometry(640, 480)
_SENSORS = (("genx320", SensorGeometry(320, 320)), ("imx636", _HD), ("gen4", _HD), ("gen41", _HD), ("gen3", _VGA))
_ENCODINGS = {"2": "EVT2", "2.0": "EVT2", "2.1": "EVT2.1", "3": "EVT3", "3.0": "EVT3", "21": "EVT2.1"}


def looks_like_raw(head: bytes) -> bool:
    """Whether a file begins with the header of a RAW file that names its encoding."""
    return _encoding(_header(head)[0]) is not None


def open_raw(path: Path) -> Source:
    """The events of a RAW file. A header without a sensor size goes by the camera it names, or by the encoding."""
    header, offset = _header(read_head(path, _HEADER_LIMIT))
    encoding = _ENCODINGS.get(_encoding(header) or "")
    if encoding is None:
        raise RecordingError(
            f"The RAW file's events are encoded as {_encoding(header)!r}, which evbench cannot read",
            where=f"{path}, header",
            remedy="Convert it to EVT 3.0",
        )
    notes: tuple[str, ...] = ()
    geometry = _geometry(header)
    if geometry is None:
        geometry, notes = _assumed(header, encoding)
    swapped = encoding == "EVT2.1" and "endianness=legacy" in header.get("format", "")
    decode: dict[str, Callable[[Note, Cursor], Iterator[RawChunk]]] = {
        "EVT2": lambda note, cursor: evt2_chunks(path, cursor or (offset,), note),
        "EVT2.1": lambda note, cursor: evt21_chunks(path, cursor or (offset,), note, swapped),
        "EVT3": lambda note, cursor: evt3_chunks(path, cursor or (offset,), note),
    }
    return Source(f"Prophesee RAW {encoding}", geometry, 0, decode[encoding], notes)


def _header(head: bytes) -> tuple[dict[str, str], int]:
    """Keywords and values, and the offset of the first byte behind them."""
    found: dict[str, str] = {}
    at = 0
    while head.startswith(b"% ", at):
        end = head.find(b"\n", at)
        line = head[at:end].rstrip(b"\r")
        # Events may begin with the bytes of a header line, but they do not go on as text.
        if end < 0 or not line.isascii() or not line.decode("ascii").isprintable():
            break
        keyword, _, value = line[2:].decode("ascii").strip().partition(" ")
        at = end + 1
        if keyword == "end":
            break
        found[keyword.lower()] = value.strip()
    return found, at


def _encoding(header: dict[str, str]) -> str | None:
    named = re.match(r"EVT([\d.]+)", header.get("format", ""), re.IGNORECASE)
    return named[1] if named else header.get("evt")


def _geometry(header: dict[str, str]) -> SensorGeometry | None:
    size = re.fullmatch(r"(\d+)x(\d+)", header.get("geometry", ""))
    if not size:
        width, height = (re.search(rf"{side}=(\d+)", header.get("format", "")) for side in ("width", "height"))
        if not width or not height:
            return None
        return _sensor(int(width[1]), int(height[1]))
    return _sensor(int(size[1]), int(size[2]))


def _sensor(width: int, height: int) -> SensorGeometry | None:
    return SensorGeometry(width, height) if 0 < width <= 2048 and 0 < height <= 2048 else None


def _assumed(header: dict[str, str], encoding: str) -> tuple[SensorGeometry, tuple[str, ...]]:
    plugin = header.get("plugin_name", "").lower()
    named = next((geometry for name, geometry in _SENSORS if name in plugin), None)
    geometry = named or (_VGA if encoding == "EVT2" else _HD)
    why = f"{plugin}'s" if named else f"the usual of {encoding},"
    return geometry, (f"the header names no sensor size: {why} {geometry.width}x{geometry.height} assumed",)
