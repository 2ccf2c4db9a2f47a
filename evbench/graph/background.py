"""What a network makes of an empty window, and where a window makes it differ: the arithmetic behind skipping.

A site (y, x) of a tensor is active when its receptive field holds an event. Every other site holds the background, the
value that the empty window gives it: zero padding is not background, so it differs between corners, edges and inside.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from evbench.graph.execute import execute
from evbench.graph.model import Add, AveragePool2d, Concat, Conv2d, IntegerGraph, MaxPool2d, Operator, Rescale


@dataclass(frozen=True, slots=True, eq=False)
class Background:
    """A tensor on an empty window, each kind of row once.

    rows: [row classes, W, C], the tensor's dtype; classes: [H] uint8 says which row is of which class.
    """

    rows: NDArray[Any]
    classes: NDArray[np.uint8]

    @property
    def values(self) -> NDArray[Any]:
        """The whole tensor, [C, H, W]."""
        return np.ascontiguousarray(self.rows[self.classes].transpose(2, 0, 1))


def backgrounds(graph: IntegerGraph) -> dict[str, Background]:
    """The background of every tensor of shape (C, H, W)."""
    empty = np.zeros((1, *graph.tensors[graph.inputs[0]].shape), graph.tensors[graph.inputs[0]].dtype.numpy)
    return {name: classify(values[0]) for name, values in execute(graph, empty).items() if values.ndim == 4}


def classify(values: NDArray[Any]) -> Background:
    """Finds the rows of [C, H, W] that are equal; they are numbered in the order of their first appearance."""
    rows = np.ascontiguousarray(values.transpose(1, 2, 0))
    numbers: dict[bytes, int] = {}
    classes = [numbers.setdefault(row.tobytes(), len(numbers)) for row in rows]
    first = [classes.index(number) for number in range(len(numbers))]
    return Background(rows[first], np.array(classes, np.uint8))


def activity(graph: IntegerGraph, windows: NDArray[np.uint8]) -> dict[str, NDArray[np.bool_]]:
    """Which sites of each tensor are active on `windows`, [N, C, H, W] uint8: bool [N, H, W] by tensor.

    Tensors without sites (vectors) are left out.
    """
    active = {graph.inputs[0]: (windows != 0).any(axis=1)}
    for operator in graph.operators:
        if all(name in active for name in operator.inputs) and len(graph.tensors[operator.output].shape) == 3:
            active[operator.output] = spread(graph, operator, [active[name] for name in operator.inputs])
    return active


def spread(graph: IntegerGraph, operator: Operator, inputs: list[NDArray[np.bool_]]) -> NDArray[np.bool_]:
    """Which outputs of `operator` see an active input: bool [N, H, W] from bool [N, H, W] per input."""
    height, width = graph.tensors[operator.output].shape[1:]
    match operator:
        case Conv2d():
            return _seen(inputs[0], operator.weight.shape[2:], operator.stride, operator.padding, (height, width))
        case MaxPool2d() | AveragePool2d():
            return _seen(inputs[0], operator.kernel, operator.stride, operator.padding, (height, width))
        case Add() | Concat() | Rescale():
            return reduce(np.logical_or, inputs)
        case _:
            return np.broadcast_to(inputs[0].any(axis=(1, 2), keepdims=True), (len(inputs[0]), height, width))


def _seen(
    active: NDArray[np.bool_],
    kernel: tuple[int, ...],
    stride: tuple[int, int],
    padding: tuple[int, int, int, int],
    size: tuple[int, int],
) -> NDArray[np.bool_]:
    top, left, bottom, right = padding
    padded = np.pad(active, ((0, 0), (top, bottom), (left, right)))
    windows = sliding_window_view(padded, kernel, axis=(1, 2))[:, :: stride[0], :: stride[1]]
    seen: NDArray[np.bool_] = np.any(windows, axis=(3, 4))
    return seen[:, : size[0], : size[1]]
