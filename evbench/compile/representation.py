"""How a model's input is made from events, as constants for firmware/runtime/ev_stream.c."""

from __future__ import annotations

import json
from dataclasses import dataclass

from evbench.graph.model import IntegerGraph
from evbench.profiles import BackgroundActivity, FilterSettings, parse_filter

TIME_BYTES = 4
"""Of a time in microseconds on the board."""


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """How a board makes windows of a sensor's events: times in microseconds; keep_within is None without a filter."""

    window: int
    bins: int
    keep_within: int | None


def stream_settings(graph: IntegerGraph) -> StreamSettings | None:
    """How the board makes the model's input from a sensor's events itself; None where it cannot.

    It can where the metadata describes a voxel grid and the recipe filters background activity or nothing.
    """
    window, bins, filters = _described(graph)
    shape = graph.tensors[graph.inputs[0]].shape
    times = [entry.keep_within for entry in filters if isinstance(entry, BackgroundActivity)]
    known = len(times) == len(filters) <= 1 and len(shape) == 3 and shape[0] == 2 * bins and 0 < window * bins < 2**32
    return StreamSettings(window, bins, times[0] if times else None) if known else None


def stream_constants(graph: IntegerGraph) -> str:
    """C constants: whether the board can make the input from a sensor's events, grid, window, bins and noise filter.

    EV_MODEL_KEEP_WITHIN_US is the time of the recipe's background-activity filter, -1 without one. The board knows no
    other filter: where the recipe has one, or the metadata does not describe a voxel grid, EV_MODEL_READS_STREAM is 0.
    """
    settings = stream_settings(graph)
    shape = graph.tensors[graph.inputs[0]].shape
    _, height, width = shape if len(shape) == 3 else (0, 1, 1)
    values = {
        "READS_STREAM": int(settings is not None),
        "HEIGHT": height,
        "WIDTH": width,
        "BINS": settings.bins if settings else 1,
        "WINDOW_US": settings.window if settings else 1,
    }
    keep = -1 if settings is None or settings.keep_within is None else settings.keep_within
    lines = [f"#define EV_MODEL_{name} {value}u" for name, value in values.items()]
    return "\n".join([*lines, f"#define EV_MODEL_KEEP_WITHIN_US ({keep})"])


def filter_bytes(graph: IntegerGraph) -> int:
    """Bytes in which the board's noise filter keeps when each pixel last fired; 0 where it filters nothing."""
    settings = stream_settings(graph)
    if settings is None or settings.keep_within is None:
        return 0
    _, height, width = graph.tensors[graph.inputs[0]].shape
    return TIME_BYTES * (height + 2) * (width + 2)  # a border of one pixel


def _described(graph: IntegerGraph) -> tuple[int, int, list[FilterSettings]]:
    """Window in microseconds, bins and filters; (0, 0, []) where the metadata lacks one of them."""
    about = graph.metadata
    try:
        filters = [parse_filter(entry) for entry in json.loads(about.get("filters", "[]"))]
        return int(about["window_us"]), int(about["bins"]), filters
    except (KeyError, ValueError, TypeError):
        return 0, 0, []
