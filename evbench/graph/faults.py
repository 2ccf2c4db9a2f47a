"""Which fault in one layer's arithmetic explains what an execution gave: dropped bias, rounding, saturation, scale.

Every kind of fault is computed: the layer is run again with the fault in it, on the inputs the execution really had,
and the fault is named when that gives what was found. A scale is estimated first, by least squares, channel by channel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from evbench.graph.execute import multipliers, run_operator, scaled_output, stored_output
from evbench.graph.fixed_point import fixed_point_output
from evbench.graph.model import Conv2d, IntegerGraph, Linear, Operator

EXPLAINS = 0.99
"""Share of the differing elements that a fault must give exactly before it is named."""

SCALE_EXPLAINS = 0.9
"""As much of an estimated scale, whose last digits are not known."""

WINDOWS = 4
"""Differing windows that are looked at; more say nothing new."""

PLACES = 256
"""Differing positions at which sums are added pair by pair."""

_ROUNDINGS: dict[str, Callable[[NDArray[np.float32]], NDArray[np.float32]]] = {
    "halves are rounded up, not to even": lambda x: np.floor(x + np.float32(0.5)),
    "halves are rounded away from zero, not to even": lambda x: np.trunc(x + np.copysign(np.float32(0.5), x)),
    "halves are rounded towards zero, not to even": lambda x: np.copysign(np.ceil(np.abs(x) - np.float32(0.5)), x),
    "values are cut off towards zero, not rounded": np.trunc,
    "values are rounded down": np.floor,
    "values are rounded up": np.ceil,
}


@dataclass(frozen=True, slots=True)
class Fault:
    """A kind of fault by name, the layer it is in, a sentence about it, and the share of differences it explains."""

    kind: str
    layer: str
    text: str
    explained: float


_Guess = tuple[str, str, NDArray[Any], float]
"""Kind, sentence, what the layer gives with the fault, and the share it must explain."""


def recognise(
    graph: IntegerGraph, operator: Operator, inputs: Sequence[NDArray[Any]], found: NDArray[Any]
) -> Fault | None:
    """The fault that explains `found`, an execution's output [N, ...] of a layer for its own `inputs` [N, ...].

    None when the layer gave what it should, or when no kind of fault known here explains the difference.
    """
    expected = run_operator(graph, operator, list(inputs))
    rows = np.flatnonzero((found != expected).reshape(len(found), -1).any(axis=1))[:WINDOWS]
    if not len(rows):
        return None
    chosen = [stored[rows] for stored in inputs]
    found, expected = found[rows], expected[rows]
    differs = found != expected
    best: Fault | None = None
    for kind, text, given, least in _guesses(graph, operator, chosen, expected, found):
        wrong = np.count_nonzero(~_equal(given, found))
        explained = 1.0 - float(wrong) / float(np.count_nonzero(differs))
        if explained >= least and (best is None or explained > best.explained):
            best = Fault(kind, operator.name, text, explained)
    return best


def _equal(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.bool_]:
    if a.dtype.kind != "f":
        return np.asarray(a == b)
    size = float(np.abs(b[np.isfinite(b)]).max(initial=0.0))
    return np.asarray(np.isclose(a, b, rtol=1e-5, atol=1e-6 * size))


def _guesses(
    graph: IntegerGraph, operator: Operator, inputs: list[NDArray[Any]], expected: NDArray[Any], found: NDArray[Any]
) -> Iterator[_Guess]:
    """Faults from the plainest to the most flexible, so that equal explanations go to the plainer one."""
    if np.all(found == found.flat[0]):
        yield "constant", f"every value is {found.flat[0]:g}: the output was never written", found, EXPLAINS
        return
    if isinstance(operator, Conv2d | Linear) and operator.bias.any():
        bare = run_operator(graph, replace(operator, bias=np.zeros_like(operator.bias)), inputs)
        given, channels = _by_channel(expected, bare, found)
        yield "dropped bias", f"the bias is missing in {channels}", given, EXPLAINS
    if not graph.tensors[operator.output].dtype.is_float:
        yield from _roundings(graph, operator, inputs)
        yield from _saturations(expected, found)
    if isinstance(operator, Conv2d | Linear) and operator.weight.dtype.kind != "f" and inputs[0].dtype == np.uint8:
        yield from _saturated_sums(graph, operator, inputs[0], expected, found)
    yield from _scales(graph, operator, inputs, expected, found)


def _by_channel(expected: NDArray[Any], faulty: NDArray[Any], found: NDArray[Any]) -> tuple[NDArray[Any], str]:
    """`faulty` in the channels where something differs, `expected` in the others; and those channels in words."""
    axes = tuple(axis for axis in range(found.ndim) if axis != 1)
    hit = (found != expected).any(axis=axes)
    shape = (1, -1, *(1,) * (found.ndim - 2))
    return np.where(hit.reshape(shape), faulty, expected), _channels(np.flatnonzero(hit), len(hit))


def _channels(hit: NDArray[np.int64], count: int) -> str:
    if len(hit) == count:
        return "every channel"
    names = ", ".join(map(str, hit[:6])) + (f" and {len(hit) - 6} more" if len(hit) > 6 else "")
    return f"channel{'s' * (len(hit) != 1)} {names}"


def _roundings(graph: IntegerGraph, operator: Operator, inputs: list[NDArray[Any]]) -> Iterator[_Guess]:
    scaled = scaled_output(graph, operator, inputs)
    if scaled is None:
        return
    for text, rounding in _ROUNDINGS.items():
        yield "rounding", text, stored_output(graph, operator, rounding(scaled)), EXPLAINS
    fixed = fixed_point_output(graph, operator, inputs)
    if fixed is not None:
        yield (
            "rounding",
            "it is requantised in fixed point with two roundings, as CMSIS-NN does by default",
            fixed,
            EXPLAINS,
        )


def _saturations(expected: NDArray[Any], found: NDArray[Any]) -> Iterator[_Guess]:
    """Values that end where the type does not: at the largest or smallest that was found."""
    low, high = found.min(), found.max()
    ends = []
    if expected.max() > high:
        ends.append(f"above {high}")
    if expected.min() < low:
        ends.append(f"below {low}")
    if ends:
        yield "saturation", f"values saturate {' and '.join(ends)}", np.clip(expected, low, high), EXPLAINS


def _saturated_sums(
    graph: IntegerGraph, operator: Conv2d | Linear, stored: NDArray[Any], expected: NDArray[Any], found: NDArray[Any]
) -> Iterator[_Guess]:
    """Products added two by two in 16 bits that saturate, as vpmaddubsw does on an x86 CPU without VNNI."""
    if operator.weight.ndim == 4 and operator.groups != 1:  # type: ignore[union-attr]
        return
    places = np.argwhere((found != expected).any(axis=1))[:PLACES]
    taps, weight = _taps(graph, operator, stored, places)
    zero = graph.tensors[operator.inputs[0]].zero_point
    bias = operator.bias.astype(np.int64) - zero * weight.reshape(len(weight), -1).sum(axis=1)
    scale = multipliers(graph, operator)
    for order in (_channels_last, _channels_first):
        products = _pair_sums(order(taps), order(weight))
        if products is None:
            continue
        given = expected.copy()
        scaled = (products + bias).astype(np.float32) * scale
        at = (places[:, 0], slice(None), *places[:, 1:].T)
        whole = stored_output(graph, operator, scaled) if found.dtype.kind != "f" else scaled
        given[at] = whole
        here = np.zeros(found.shape, bool)
        here[at] = True
        text = "pairs of products saturate at 16 bits, as vpmaddubsw does on an x86 CPU without VNNI"
        yield "saturation", text, np.where(here, given, found), EXPLAINS


def _taps(
    graph: IntegerGraph, operator: Conv2d | Linear, stored: NDArray[Any], places: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Stored inputs under the kernel at some places [P, I, kH, kW], and the weights [O, I, kH, kW]."""
    weight = operator.weight.astype(np.int64)
    if isinstance(operator, Linear):
        shape = stored.shape[1:] if stored.ndim == 4 else (weight.shape[1], 1, 1)
        return stored[places[:, 0]].reshape(-1, *shape).astype(np.int64), weight.reshape(-1, *shape)
    top, left, bottom, right = operator.padding
    zero = graph.tensors[operator.inputs[0]].zero_point
    sides = ((0, 0), (0, 0), (top, bottom), (left, right))
    padded = np.pad(stored.astype(np.int64), sides, constant_values=zero)
    patches = sliding_window_view(padded, weight.shape[2:], axis=(2, 3))
    rows, columns = places[:, 1] * operator.stride[0], places[:, 2] * operator.stride[1]
    return np.asarray(patches[places[:, 0], :, rows, columns]), weight


def _channels_last(values: NDArray[np.int64]) -> NDArray[np.int64]:
    return values.transpose(0, 2, 3, 1).reshape(len(values), -1)


def _channels_first(values: NDArray[np.int64]) -> NDArray[np.int64]:
    return values.reshape(len(values), -1)


def _pair_sums(taps: NDArray[np.int64], weight: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """Sums [P, O] of neighbouring products added in 16 bits; None where no pair saturates."""
    total = np.zeros((len(taps), len(weight)), np.int64)
    saturated = False
    for first in range(0, taps.shape[1], 2):
        pair = taps[:, first : first + 2] @ weight[:, first : first + 2].T
        clipped = np.clip(pair, -(2**15), 2**15 - 1)
        saturated |= bool((clipped != pair).any())
        total += clipped
    return total if saturated else None


def _scales(
    graph: IntegerGraph, operator: Operator, inputs: list[NDArray[Any]], expected: NDArray[Any], found: NDArray[Any]
) -> Iterator[_Guess]:
    """A scale that is a multiple of what it should be, in every channel or in some."""
    output = graph.tensors[operator.output]
    scaled = expected.astype(np.float32) if output.dtype.is_float else scaled_output(graph, operator, inputs)
    if scaled is None:
        return
    axes = tuple(axis for axis in range(found.ndim) if axis != 1)
    real = found.astype(np.float64) - output.zero_point
    inside = real != 0
    if not output.dtype.is_float:
        info = np.iinfo(output.dtype.numpy)
        inside &= (found > info.min) & (found < info.max)
    power = np.where(inside, scaled.astype(np.float64) ** 2, 0).sum(axis=axes)
    product = np.where(inside, scaled * real, 0).sum(axis=axes)
    ratio = np.divide(product, power, out=np.ones_like(product), where=power > 0)
    hit = (found != expected).any(axis=axes)
    if hit.sum() > 1 and np.allclose(ratio[hit], np.median(ratio[hit]), rtol=0.02):
        ratio[hit] = product[hit].sum() / power[hit].sum()
    ratio[~hit] = 1.0
    shape = (1, -1, *(1,) * (found.ndim - 2))
    wrong = scaled * ratio.reshape(shape).astype(np.float32)
    given = wrong if output.dtype.is_float else stored_output(graph, operator, wrong)
    times = sorted({f"{value:.3g}" for value in ratio[hit]}, key=float)
    factor = times[0] if len(times) == 1 else f"{times[0]} to {times[-1]}"
    channels = _channels(np.flatnonzero(hit), len(hit))
    text = f"the scale is about {factor} times what it should be in {channels}"
    yield "corrupted scale", text, given, EXPLAINS if output.dtype.is_float else SCALE_EXPLAINS
