"""How a model's input is made from events, as constants for firmware/runtime/ev_stream.c."""

from __future__ import annotations

import json

from evbench.graph.model import IntegerGraph
from evbench.profiles import BackgroundActivity, FilterSettings, parse_filter


def stream_constants(graph: IntegerGraph) -> str:
    """C constants: whether the board can make the input from a sensor's events, grid, window, bins and noise filter.

    EV_MODEL_KEEP_WITHIN_US is the time of the recipe's background-activity filter, -1 without one. The board knows no
    other filter: where the recipe has one, or the metadata does not describe a voxel grid, EV_MODEL_READS_STREAM is 0.
    """
    shape = graph.tensors[graph.inputs[0]].shape
    channels, height, width = shape if len(shape) == 3 else (graph.tensors[graph.inputs[0]].size, 1, 1)
    window, bins, filters = _described(graph)
    times = [entry.keep_within for entry in filters if isinstance(entry, BackgroundActivity)]
    known = len(times) == len(filters) <= 1 and channels == 2 * bins and 0 < window * bins < 2**32
    keep = times[0] if times and known else -1
    values = {
        "READS_STREAM": int(known),
        "HEIGHT": height,
        "WIDTH": width,
        "BINS": bins if known else 1,
        "WINDOW_US": window if known else 1,
    }
    lines = [f"#define EV_MODEL_{name} {value}u" for name, value in values.items()]
    return "\n".join([*lines, f"#define EV_MODEL_KEEP_WITHIN_US ({keep})"])


def _described(graph: IntegerGraph) -> tuple[int, int, list[FilterSettings]]:
    """Window in microseconds, bins and filters; (0, 0, []) where the metadata lacks one of them."""
    about = graph.metadata
    try:
        filters = [parse_filter(entry) for entry in json.loads(about.get("filters", "[]"))]
        return int(about["window_us"]), int(about["bins"]), filters
    except (KeyError, ValueError, TypeError):
        return 0, 0, []
