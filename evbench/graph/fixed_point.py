"""Requantisation in fixed point, as TensorFlow Lite's reference kernels and CMSIS-NN do it: to explain their results.

A real multiplier is q * 2^shift with q in 32 bits. The product with the accumulator is rounded at bit 31, halves away
from zero, and what is left is rounded again when it is shifted right: tensorflow/lite/kernels/internal/common.h,
SaturatingRoundingDoublingHighMul and RoundingDivideByPOT (gemmlowp's). Rounding once, half to even, as this project
does, gives another integer where the first rounding carries a value onto or over a half: the fewer bits lie between
the two roundings, the more often.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evbench.graph.execute import accumulate
from evbench.graph.model import Conv2d, GlobalAveragePool, IntegerGraph, Linear, Operator

_BITS = 31


def quantised_multiplier(real: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Multipliers, any shape, as integers of 32 bits and shifts: real = q * 2^(shift - 31)."""
    mantissa, shift = np.frexp(real)
    integer = np.floor(mantissa * 2.0**_BITS + 0.5).astype(np.int64)
    full = integer == 1 << _BITS
    return np.where(full, integer // 2, integer), (shift + full).astype(np.int64)


def multiply(
    accumulator: NDArray[np.int64], multiplier: NDArray[np.int64], shift: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The accumulator times q * 2^(shift - 31), rounded twice; arrays that broadcast."""
    product = accumulator * (1 << np.maximum(shift, 0)) * multiplier
    nudged = product + np.where(product >= 0, 1 << (_BITS - 1), 1 - (1 << (_BITS - 1)))
    high = np.where(nudged >= 0, nudged >> _BITS, -(-nudged >> _BITS))  # divides towards zero, as C does
    right = np.maximum(-shift, 0)
    mask = (1 << right) - 1
    return np.asarray((high >> right) + ((high & mask) > (mask >> 1) + (high < 0)))


def fixed_point_output(graph: IntegerGraph, operator: Operator, inputs: list[NDArray[Any]]) -> NDArray[Any] | None:
    """What a layer gives for stored inputs [N, ...] when it requantises in fixed point, as stored [N, ...].

    None for layers whose arithmetic is not described here: all but convolutions, matrix products and global means to
    integers.
    """
    output = graph.tensors[operator.output]
    if output.dtype.is_float:
        return None
    found = _multiplier(graph, operator)
    if found is None:
        return None
    value = multiply(accumulate(graph, operator, inputs).astype(np.int64), *found)
    limits = np.iinfo(output.dtype.numpy)
    low = max(limits.min, output.zero_point) if getattr(operator, "relu", False) else limits.min
    return np.clip(value + output.zero_point, low, limits.max).astype(output.dtype.numpy)


def bits_between(graph: IntegerGraph, operator: Operator) -> int | None:
    """The fewest bits between the two roundings of a layer's channels; None as for `fixed_point_output`."""
    found = _multiplier(graph, operator)
    return None if found is None else int(np.maximum(-found[1], 0).min())


def _multiplier(graph: IntegerGraph, operator: Operator) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """A layer's multipliers and shifts, broadcasting to its output [N, ...]."""
    given, made = graph.tensors[operator.inputs[0]], graph.tensors[operator.output]
    match operator:
        case Conv2d() | Linear():
            real = given.scale * operator.weight_scale.astype(np.float64) / made.scale
            return quantised_multiplier(real.reshape(-1, *[1] * (len(made.shape) - 1)))
        case GlobalAveragePool():
            count = int(np.prod(given.shape[1:]))
            return _over(*quantised_multiplier(np.asarray(given.scale / made.scale)), count)
        case _:
            return None


def _over(
    multiplier: NDArray[np.int64], shift: NDArray[np.int64], count: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """A multiplier divided by `count` in integers, as QuantizedMeanOrSum does it: the quotient is cut off."""
    spare = np.minimum(min(count.bit_length() - 1, 32), _BITS + shift)
    return (multiplier << spare) // count, shift - spare
