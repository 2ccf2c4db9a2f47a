"""What is wrong with a quantised tensor, in a plain sentence, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from evbench.quantize.statistics import ModelStatistics, ScaleRecord, TensorStatistics

AlarmKind = Literal["collapse", "saturation", "outlier", "dead", "empty", "oscillation"]

SATURATED_SHARE = 0.01
"""Of the values that are not zero; more than that above the grid is called saturation."""

OUTLIER_FACTOR = 4.0
"""How many times wider than its active mode a grid is when outliers own it: two of its eight bits are theirs."""

OSCILLATION = 0.05
"""Standard deviation of the logarithm of a scale about its trend; 5 % move a large code by a dozen steps."""

_FEWEST_STEPS = 8


@dataclass(frozen=True, slots=True)
class Alarm:
    """One thing that is wrong: its kind, the tensor's name, a sentence and the remedy."""

    kind: AlarmKind
    tensor: str
    sentence: str
    remedy: str


def alarms_of(statistics: ModelStatistics) -> list[Alarm]:
    """Everything that is wrong with a model's tensors, in the order of its layers.

    Batches of zeros are said of the layer where they begin: behind it nearly everything is zero as well.
    """
    found, most_empty = [], 0
    for tensor in statistics.tensors:
        for alarm in tensor_alarms(tensor, statistics.scales):
            if alarm.kind != "empty" or tensor.empty_batches > most_empty:
                found.append(alarm)
        most_empty = max(most_empty, tensor.empty_batches)
    return found


def tensor_alarms(tensor: TensorStatistics, scales: ScaleRecord) -> list[Alarm]:
    """What is wrong with one tensor."""
    candidates = (
        _collapse(tensor) or _saturation(tensor),
        _outlier(tensor),
        _dead_channels(tensor),
        _empty_batches(tensor),
        _oscillation(tensor, scales.of(tensor.name)),
    )
    return [alarm for alarm in candidates if alarm is not None]


def _collapse(tensor: TensorStatistics) -> Alarm | None:
    if tensor.kind != "activation" or not tensor.histogram.nonzero:
        return None
    median = tensor.histogram.quantile(0.5, of_nonzero=True)
    if tensor.range >= median:
        return None
    return Alarm(
        "collapse",
        tensor.name,
        f"The range has collapsed: the grid ends at {tensor.range:.3g}, half of the values that are not zero lie "
        f"above {median:.3g}",
        'Set quantize.observer = "zero-aware", and calibrate on windows with as many events as those in use',
    )


def _saturation(tensor: TensorStatistics) -> Alarm | None:
    if tensor.clip_share <= SATURATED_SHARE:
        return None
    if tensor.kind == "input":
        remedy = "Make windows shorter or use more bins, so that a cell counts fewer than 256 events"
    else:
        remedy = 'Set quantize.observer = "mse" or "minmax", or calibrate on fuller windows'
    return Alarm(
        "saturation",
        tensor.name,
        f"{100 * tensor.clip_share:.1f} % of the values that are not zero lie above the grid, which ends at "
        f"{tensor.range:.3g}; the largest is {tensor.histogram.largest:.3g}",
        remedy,
    )


def _outlier(tensor: TensorStatistics) -> Alarm | None:
    limit = tensor.active_limit
    has_own_grids = tensor.scales.size > 1
    if tensor.kind == "input" or has_own_grids or not limit or tensor.range < OUTLIER_FACTOR * limit:
        return None
    outliers = round(tensor.histogram.nonzero * tensor.histogram.share_above(limit))
    who = (
        f"{outliers} outlier{'s' * (outliers != 1)} up to {tensor.histogram.largest:.3g}" if outliers else "An outlier"
    )
    owns = "own" if outliers > 1 else "owns"
    return Alarm(
        "outlier",
        tensor.name,
        f"{who} {owns} the range: the other values end at {limit:.3g} and use {limit / tensor.scale:.0f} of "
        f"{tensor.high} steps",
        "Lower train.learning_rate or clip this layer's weights"
        if tensor.kind == "weight"
        else 'Set quantize.observer = "zero-aware" or "nonzero-percentile"',
    )


def _dead_channels(tensor: TensorStatistics) -> Alarm | None:
    if tensor.kind == "input" or not tensor.channel_peaks.size:
        return None
    smallest = np.broadcast_to(tensor.scales, tensor.channel_peaks.shape) / 2
    dead = np.flatnonzero(tensor.channel_peaks <= (smallest if tensor.kind == "activation" else 0.0))
    if not dead.size:
        return None
    named = ", ".join(map(str, dead[:8])) + (" …" if dead.size > 8 else "")
    return Alarm(
        "dead",
        tensor.name,
        f"{dead.size} of {tensor.channel_peaks.size} channels are dead: they are zero in all "
        f"{tensor.window_peaks.size} windows ({named})"
        if tensor.kind == "activation"
        else f"{dead.size} of {tensor.channel_peaks.size} output channels have only weights of zero ({named})",
        "Take these channels out of the network, or train with a lower train.learning_rate",
    )


def _empty_batches(tensor: TensorStatistics) -> Alarm | None:
    if not tensor.empty_batches:
        return None
    if tensor.empty_batches == tensor.batches:
        sentence = f"None of {tensor.batches} batches held anything but zeros: the scale {tensor.scale:g} is a guess"
    else:
        sentence = f"{tensor.empty_batches} of {tensor.batches} batches held nothing but zeros and said nothing"
    return Alarm(
        "empty",
        tensor.name,
        sentence,
        "Leave windows without events out of the training set, or raise train.batch_size or representation.window",
    )


def _oscillation(tensor: TensorStatistics, scales: NDArray[np.float64]) -> Alarm | None:
    moved = oscillation(scales)
    if moved is None or moved <= OSCILLATION:
        return None
    late = scales[len(scales) // 2 :]
    return Alarm(
        "oscillation",
        tensor.name,
        f"The scale does not settle: it moves by {100 * moved:.0f} % about its trend in the second half of training, "
        f"between {late.min():.3g} and {late.max():.3g}",
        "Lower quantize.averaging_constant, to 0.01 from 0.1",
    )


def oscillation(scales: NDArray[np.float64]) -> float | None:
    """Standard deviation of ln(scale) about a straight line through the second half of `scales` [n].

    None for fewer than eight scales in that half.
    """
    late = scales[len(scales) // 2 :]
    if len(late) < _FEWEST_STEPS:
        return None
    logarithm, step = np.log(late), np.arange(len(late))
    trend = np.polynomial.Polynomial.fit(step, logarithm, 1)
    return float(np.std(logarithm - trend(step)))
