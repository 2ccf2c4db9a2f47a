"""Values before rounding, and how far float32 arithmetic may be off them: what a proof of a rounding tie needs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evbench.graph.execute import accumulate, convolve, real_grid, window_sums
from evbench.graph.model import (
    Add,
    AveragePool2d,
    Concat,
    Conv2d,
    GlobalAveragePool,
    IntegerGraph,
    Linear,
    Operator,
    Rescale,
)

UNIT = 2.0**-24  # largest relative error of one float32 rounding
SETUP = 8  # roundings of scales, weights, bias and requantisation on the way to one value


def rounding_point(
    graph: IntegerGraph, operator: Operator, inputs: list[NDArray[Any]]
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """The exact output in LSB before rounding, zero point left out, and a bound on float32's error; both [N, ...].

    The bound is that of a sum of n products rounded after every operation with independent errors,
    UNIT * (SETUP + 2 sqrt(n)) * sum |x w| (Higham and Mary, A New Approach to Probabilistic Rounding Error Analysis,
    2019, take sqrt(n) where the worst case has n). None for an operator that does not round.
    """
    sources = [graph.tensors[name] for name in operator.inputs]
    scale = float(graph.tensors[operator.output].scale)
    match operator:
        case Conv2d() | Linear():
            unit = sources[0].scale * operator.weight_scale.astype(np.float64) / scale
            if isinstance(operator, Conv2d):
                unit = unit[:, None, None]
            value = accumulate(graph, operator, inputs).astype(np.float64) * unit
            magnitude = _sum_of_magnitudes(graph, operator, inputs[0]) * unit
            terms = int(np.prod(operator.weight.shape[1:])) + 1
        case GlobalAveragePool():
            terms = int(np.prod(sources[0].shape[1:]))
            mean = sources[0].scale / (scale * terms)
            value = accumulate(graph, operator, inputs) * mean
            grid = np.abs(real_grid(inputs[0], sources[0], scaled=False)).astype(np.float64)
            magnitude = grid.sum(axis=(2, 3), keepdims=True) * mean
        case AveragePool2d():
            total, count = window_sums(graph, operator, inputs[0])
            unit = sources[0].scale / (scale * count.astype(np.float64))
            terms = int(np.prod(operator.kernel))
            value = total.astype(np.float64) * unit
            largest = terms * np.float64(np.abs(real_grid(inputs[0], sources[0], scaled=False)).max())
            magnitude = np.broadcast_to(largest * unit, value.shape)
        case Concat() | Rescale():
            parts = [
                (stored.astype(np.float64) - tensor.zero_point) * (tensor.scale / scale)
                for stored, tensor in zip(inputs, sources, strict=True)
            ]
            value, terms = np.concatenate(parts, axis=1), 1
            magnitude = np.abs(value)
        case Add():
            parts = [
                (stored.astype(np.float64) - tensor.zero_point) * (tensor.scale / scale)
                for stored, tensor in zip(inputs, sources, strict=True)
            ]
            value, magnitude, terms = parts[0] + parts[1], np.abs(parts[0]) + np.abs(parts[1]), 2
        case _:
            return None
    return value, UNIT * (SETUP + 2 * np.sqrt(terms)) * magnitude


def _sum_of_magnitudes(graph: IntegerGraph, operator: Conv2d | Linear, stored: NDArray[Any]) -> NDArray[np.float64]:
    """Sum over |input * weight| and |bias| for every output, in units of the accumulator."""
    grid = np.abs(real_grid(stored, graph.tensors[operator.inputs[0]], scaled=False)).astype(np.float64)
    weight, bias = np.abs(operator.weight.astype(np.float64)), np.abs(operator.bias.astype(np.float64))
    if isinstance(operator, Linear):
        return np.asarray(grid.reshape(len(grid), -1) @ weight.T + bias)
    return convolve(grid, weight, operator.stride, operator.padding, operator.groups) + bias[:, None, None]
