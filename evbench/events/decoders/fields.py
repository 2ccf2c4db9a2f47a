"""What the formats share whose columns have names: which column is which, and the sensor where nothing names it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evbench.events.decoders.source import Cursor, Note, RawChunk
from evbench.events.stream import SensorGeometry

_NAMES = {
    "t": ("t", "ts", "time", "timestamp", "timestamps", "t_us", "time_us"),
    "x": ("x", "xs", "x_pos", "col"),
    "y": ("y", "ys", "y_pos", "row"),
    "on": ("on", "p", "ps", "pol", "polarity", "polarities"),
}
_LARGEST_SIDE = 1 << 14


def field_names(names: Iterable[str]) -> list[str] | None:
    """The names with those of the four columns replaced by "t", "x", "y" and "on"; None unless each occurs once."""
    known = [next((mine for mine, all_ in _NAMES.items() if name.lower() in all_), name) for name in names]
    return known if all(known.count(name) == 1 for name in _NAMES) else None


def columns_of(names: Iterable[str]) -> dict[str, str] | None:
    """For "t", "x", "y" and "on" the name that a file has for it; None unless it has one for each."""
    given = list(names)
    known = field_names(given)
    return None if known is None else {mine: given[known.index(mine)] for mine in _NAMES}


def microseconds(t: NDArray[Any]) -> NDArray[np.int64]:
    """Times as int64: whole numbers are microseconds, floating-point ones seconds."""
    if t.dtype.kind == "f":
        return np.rint(np.nan_to_num(t.astype(np.float64), posinf=0, neginf=0) * 1e6).astype(np.int64)
    return t.astype(np.int64)


def is_number(dtype: np.dtype[Any]) -> bool:
    """Whether a column of this type can be counted with."""
    return dtype.kind in "iufb"


def measured(chunks: Callable[[Note, Cursor], Iterator[RawChunk]]) -> tuple[SensorGeometry, tuple[str, ...]]:
    """The smallest sensor that holds all events, for a file that names none; reads it once. With a note to say so."""
    width = height = 1
    for chunk in chunks(lambda _: None, ()):
        for values, low in ((chunk.x, "width"), (chunk.y, "height")):
            sensible = values[(values >= 0) & (values < _LARGEST_SIDE)]
            side = int(sensible.max(initial=0)) + 1
            width, height = (max(width, side), height) if low == "width" else (width, max(height, side))
    return SensorGeometry(width, height), (f"the file names no sensor size: {width}x{height} holds all its events",)
