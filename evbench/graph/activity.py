"""How much of a network its calibration windows excite, layer by layer; kept in the graph's metadata.

What compiles the network chooses by these figures which layers skip. They change no result.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from evbench.errors import ModelError
from evbench.graph.background import activity
from evbench.graph.execute import execute
from evbench.graph.model import Conv2d, IntegerGraph

KEY = "activity"


@dataclass(frozen=True, slots=True)
class LayerActivity:
    """What a convolution meets: median share of its outputs that are active, and in their receptive fields the mean
    share of inputs that are not stored as 0.
    """

    sites: float
    nonzero: float


def measure_activity(graph: IntegerGraph, windows: NDArray[np.uint8]) -> dict[str, LayerActivity]:
    """The activity of every convolution by layer name on windows [N, C, H, W]."""
    values, active = execute(graph, windows), activity(graph, windows)
    found = {}
    for operator in graph.operators:
        if isinstance(operator, Conv2d) and operator.output in active:
            outputs = active[operator.output]
            taps = _nonzero_taps(operator, values[operator.inputs[0]])[outputs]
            share = float(np.median(outputs.reshape(len(outputs), -1).mean(axis=1)))
            found[operator.name] = LayerActivity(share, float(taps.mean()) if taps.size else 0.0)
    return found


def with_activity(graph: IntegerGraph, windows: NDArray[np.uint8]) -> IntegerGraph:
    """The same network with its activity on `windows` in the metadata."""
    found = {
        name: [round(layer.sites, 4), round(layer.nonzero, 4)]
        for name, layer in measure_activity(graph, windows).items()
    }
    return replace(graph, metadata={**graph.metadata, KEY: json.dumps({"windows": len(windows), "layers": found})})


def recorded_activity(graph: IntegerGraph) -> tuple[int, dict[str, LayerActivity]]:
    """How many windows `with_activity` was given and what it found; (0, {}) when the graph holds none.

    Raises ModelError when the metadata is damaged.
    """
    if KEY not in graph.metadata:
        return 0, {}
    try:
        about = json.loads(graph.metadata[KEY])
        layers = {name: LayerActivity(float(sites), float(share)) for name, (sites, share) in about["layers"].items()}
        return int(about["windows"]), layers
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(
            "The model's record of its activity is damaged",
            where=f"'{graph.name}', metadata '{KEY}': {error}",
            remedy="Export the model again",
        ) from None


def _nonzero_taps(operator: Conv2d, values: NDArray[np.generic]) -> NDArray[np.float32]:
    """The share of each output's taps, [N, H, W], that are not stored as 0; taps outside the image count as 0."""
    top, left, bottom, right = operator.padding
    share = (values != 0).mean(axis=1, dtype=np.float32)
    padded = np.pad(share, ((0, 0), (top, bottom), (left, right)))
    height, width = operator.weight.shape[2:]
    windows = sliding_window_view(padded, (height, width), axis=(1, 2))
    strided = windows[:, :: operator.stride[0], :: operator.stride[1]]
    return np.asarray(strided.mean(axis=(3, 4), dtype=np.float32))
