"""What is known of a quantised network's tensors, stored beside the model and read without torch.

Every activation and every weight tensor has its histogram, its grid and what that grid costs, measured on values as
they were before rounding; a training adds the scales it went through.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from evbench.quantize.archive import damaged, load_archive, save_archive
from evbench.quantize.histogram import BINS, EDGES, LogHistogram, bins_of, histogram_of
from evbench.quantize.movement import Movement, from_archive, no_movement, to_archive
from evbench.quantize.ranges import PERCENTILE, RULES, ema_range

FILE = "statistics.npz"
"""The file's name in a model folder."""

SCALES_FILE = "scales.npz"
"""The file's name in the folder of a training."""

Kind = Literal["input", "activation", "weight"]


@dataclass(frozen=True, slots=True)
class ObserverSettings:
    """What observers were told: see `QuantizeSettings`; `batch_size` is how many windows they saw at a time."""

    averaging_constant: float = 0.01
    percentile: float = PERCENTILE
    batch_size: int = 64


@dataclass(frozen=True, slots=True)
class RangeCost:
    """A range that an observer proposes, its scale, the signal to noise there in dB, and the share it clips.

    `sqnr_active` counts the active mode only. Both are None where nothing is lost or nothing but zeros was seen.
    """

    observer: str
    range: float
    scale: float
    sqnr: float | None
    sqnr_active: float | None
    clip_share: float


@dataclass(frozen=True, eq=False)
class TensorStatistics:
    """One tensor. Codes reach from `low` to `high`, a code times its scale is a value.

    scales: float64 [1], or one per output channel for weights; noise: float32 [BINS], squared rounding errors summed by
    the bin of the value's magnitude; `clipped` and `lost`: how many values the grid cuts off, and how many that were
    not zero it makes zero. channel_peaks: float64 [C], the largest magnitude of every channel; window_peaks: float64
    [N], of every window, none for weights. `observer` named the range; of the `batches` that it saw, `empty_batches`
    held nothing but zeros.
    """

    name: str
    kind: Kind
    low: int
    high: int
    scales: NDArray[np.float64]
    histogram: LogHistogram
    noise: NDArray[np.float32]
    clipped: float
    lost: float
    channel_peaks: NDArray[np.float64]
    window_peaks: NDArray[np.float64]
    observer: str
    batches: int = 0
    empty_batches: int = 0

    @property
    def scale(self) -> float:
        """The scale, the coarsest one where channels have their own."""
        return float(self.scales.max())

    @property
    def range(self) -> float:
        """The largest magnitude the grid holds."""
        return self.scale * self.high

    @property
    def zero_share(self) -> float:
        return self.histogram.zero_share

    @cached_property
    def bimodality(self) -> float | None:
        """Ashman's D of zero mass and active mode, see `LogHistogram.bimodality`; None for weights, which have one."""
        return None if self.kind == "weight" else self.histogram.bimodality()

    @cached_property
    def active_limit(self) -> float:
        """Where the active mode ends, see `LogHistogram.active_limit`."""
        return self.histogram.active_limit()

    @property
    def clip_share(self) -> float:
        """The share of the values that are not zero which lie above the grid."""
        return self.clipped / self.histogram.nonzero if self.histogram.nonzero else 0.0

    @property
    def lost_share(self) -> float:
        """The share of the values that are not zero which the grid rounds to zero."""
        return self.lost / self.histogram.nonzero if self.histogram.nonzero else 0.0

    @property
    def sqnr(self) -> float | None:
        """Signal to quantisation noise in dB, as measured; None where nothing is lost or nothing was seen."""
        return decibels(self.histogram.signal(), float(self.noise.sum(dtype=np.float64)))

    @property
    def sqnr_active(self) -> float | None:
        """The same of the active mode alone: an outlier that sets the range carries most of the signal of all values.

        Zeros have neither signal nor noise, so only outliers make this differ from `sqnr`.
        """
        limit = self.active_limit
        return decibels(self.histogram.signal(limit), float(self.noise[EDGES[:-1] < limit].sum(dtype=np.float64)))

    def costs(self, settings: ObserverSettings) -> list[RangeCost]:
        """What every observer would choose from what was seen, widest range first. Empty for weights and the input.

        The moving average runs over as many batches as the windows make, a training sees more of them. Errors are
        those of values spread evenly within each bin of the histogram.
        """
        if self.kind != "activation" or not self.histogram.nonzero:
            return []
        ranges = {name: rule(self.histogram, self.high, settings.percentile) for name, rule in RULES.items()}
        firsts = np.arange(0, len(self.window_peaks), settings.batch_size)
        batches = np.maximum.reduceat(self.window_peaks, firsts) if firsts.size else self.window_peaks
        ranges["ema-minmax"] = ema_range(batches, settings.averaging_constant)
        return [
            self._cost(name, ranges[name]) for name in sorted(ranges, key=lambda name: -ranges[name]) if ranges[name]
        ]

    def _cost(self, observer: str, range_: float) -> RangeCost:
        scale, limit = range_ / self.high, self.active_limit
        low = -self.high if self.low < 0 else 0
        noise, active = (
            float(self.histogram.error(np.array([scale]), low, self.high, end)[0]) for end in (np.inf, limit)
        )
        above = self.histogram.share_above((self.high + 0.5) * scale)
        return RangeCost(
            observer,
            range_,
            scale,
            decibels(self.histogram.signal(), noise),
            decibels(self.histogram.signal(limit), active),
            above,
        )


def decibels(signal: float, noise: float) -> float | None:
    """10 log10 of the ratio; None where either is zero."""
    return float(10 * np.log10(signal / noise)) if signal > 0 and noise > 0 else None


class Collector:
    """Adds up one tensor's statistics, batch by batch. `scales`: [1], or [O] of weights with a scale per channel."""

    def __init__(self, name: str, kind: Kind, low: int, high: int, scales: NDArray[Any], observer: str) -> None:
        self._about = (name, kind, low, high, np.asarray(scales, np.float64).reshape(-1), observer)
        self._histogram = LogHistogram(np.zeros((2, BINS)))
        self._noise = np.zeros(BINS)
        self._clipped = self._lost = 0.0
        self._channels: NDArray[np.float64] | None = None
        self._windows: list[NDArray[np.float64]] = []

    def add(self, values: NDArray[np.float32], rounded: NDArray[np.float32]) -> None:
        """Take in values before and after rounding: [N, C, ...] of activations, [O, ...] of weights."""
        _, kind, low, high, scales, _ = self._about
        self._histogram = self._histogram.merged(histogram_of(values))
        finite = np.where(np.isfinite(values), values, 0)
        error = finite.astype(np.float64) - rounded
        self._noise += np.bincount(bins_of(finite).reshape(-1), weights=(error**2).reshape(-1), minlength=BINS)
        scale = scales.reshape(-1, *[1] * (values.ndim - 1))
        outside = (finite > (high + 0.5) * scale) | (finite < (low - 0.5) * scale)
        self._clipped += float(np.count_nonzero(outside))
        self._lost += float(np.count_nonzero((rounded == 0) & (finite != 0)))
        peaks = np.abs(finite).astype(np.float64)
        if kind == "weight":
            self._channels = peaks.reshape(len(peaks), -1).max(axis=1)
            return
        by_channel = peaks.reshape(*peaks.shape[:2], -1).max(axis=2)
        self._windows.append(by_channel.max(axis=1))
        largest = by_channel.max(axis=0)
        self._channels = largest if self._channels is None else np.maximum(self._channels, largest)

    def finish(self, batches: int = 0, empty_batches: int = 0) -> TensorStatistics:
        """What was collected, with what the observer says of the batches it saw."""
        name, kind, low, high, scales, observer = self._about
        return TensorStatistics(
            name=name,
            kind=kind,
            low=low,
            high=high,
            scales=scales,
            histogram=self._histogram,
            noise=self._noise.astype(np.float32),
            clipped=self._clipped,
            lost=self._lost,
            channel_peaks=np.zeros(0) if self._channels is None else self._channels,
            window_peaks=np.concatenate(self._windows) if self._windows else np.zeros(0),
            observer=observer,
            batches=batches,
            empty_batches=empty_batches,
        )


# --- scales over training ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class ScaleRecord:
    """Scales at some steps of a training. steps: int64 [n], ascending; scales: float64 [n, T] of tensors `names`."""

    names: tuple[str, ...]
    steps: NDArray[np.int64]
    scales: NDArray[np.float64]

    def of(self, name: str) -> NDArray[np.float64]:
        """The scales of one tensor [n]; none for a tensor that was not followed."""
        return self.scales[:, self.names.index(name)] if name in self.names else np.zeros(0)

    def with_step(self, step: int, scales: Sequence[float]) -> ScaleRecord:
        """One step more; what an interrupted training had recorded from `step` on is replaced."""
        before = self.steps < step
        return ScaleRecord(
            self.names,
            np.append(self.steps[before], step),
            np.concatenate([self.scales[before], np.asarray(scales, np.float64)[None]]),
        )


def no_scales(names: Sequence[str] = ()) -> ScaleRecord:
    """A record in which no step was taken."""
    return ScaleRecord(tuple(names), np.zeros(0, np.int64), np.zeros((0, len(names))))


@dataclass(frozen=True, slots=True, eq=False)
class ModelStatistics:
    """A model's tensors in the order of its layers, the settings of its observers, and its training as tensors saw it:
    scales at every tenth step, and some looks at everything.
    """

    tensors: tuple[TensorStatistics, ...]
    settings: ObserverSettings
    scales: ScaleRecord
    movement: Movement = field(default_factory=no_movement)


# --- files ------------------------------------------------------------------------------------------------------------

_ARRAYS = ("scales", "noise", "channel_peaks", "window_peaks")
_PLAIN = ("name", "kind", "low", "high", "clipped", "lost", "observer", "batches", "empty_batches")
_EXTREMES = ("zeros", "low", "high", "undefined")


def save_statistics(statistics: ModelStatistics, path: Path) -> None:
    """Write everything as one .npz; `path` appears whole or not at all."""
    moved, looks = to_archive(statistics.movement)
    arrays: dict[str, NDArray[Any]] = _scale_arrays(statistics.scales) | looks
    entries = []
    for number, tensor in enumerate(statistics.tensors):
        arrays |= {f"{number}.{name}": getattr(tensor, name) for name in _ARRAYS}
        arrays[f"{number}.counts"] = tensor.histogram.counts
        extremes = {name: getattr(tensor.histogram, name) for name in _EXTREMES}
        entries.append({**{name: getattr(tensor, name) for name in _PLAIN}, "histogram": extremes})
    about = {
        "settings": asdict(statistics.settings),
        "tensors": entries,
        "followed": statistics.scales.names,
        **moved,
    }
    save_archive(path, about, arrays)


def load_statistics(path: Path) -> ModelStatistics:
    """Read what `save_statistics` wrote. Raises ModelError when the file is missing, damaged or of another version."""
    about, arrays = load_archive(path)
    try:
        tensors = tuple(_tensor(number, entry, arrays) for number, entry in enumerate(about["tensors"]))
        settings, scales = ObserverSettings(**about["settings"]), _scale_record(about, arrays)
        return ModelStatistics(tensors, settings, scales, from_archive(about, arrays))
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(path, error) from None


def _tensor(number: int, entry: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> TensorStatistics:
    values: dict[str, Any] = {name: entry[name] for name in _PLAIN}
    values |= {name: arrays[f"{number}.{name}"] for name in _ARRAYS}
    counts = np.asarray(arrays[f"{number}.counts"], np.float64).reshape(2, BINS)
    return TensorStatistics(**values, histogram=LogHistogram(counts, **entry["histogram"]))


def save_scales(record: ScaleRecord, path: Path) -> None:
    """Write the scales of a training as .npz; `path` appears whole or not at all."""
    save_archive(path, {"followed": record.names}, _scale_arrays(record))


def load_scales(path: Path) -> ScaleRecord:
    """Read what `save_scales` wrote; no steps where there is no file. Raises ModelError when it is damaged."""
    if not path.is_file():
        return no_scales()
    about, arrays = load_archive(path)
    try:
        return _scale_record(about, arrays)
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(path, error) from None


def _scale_arrays(record: ScaleRecord) -> dict[str, NDArray[Any]]:
    return {"followed_steps": record.steps, "followed_scales": record.scales}


def _scale_record(about: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> ScaleRecord:
    names = tuple(about["followed"])
    steps = np.asarray(arrays["followed_steps"], np.int64)
    return ScaleRecord(names, steps, np.asarray(arrays["followed_scales"], np.float64).reshape(len(steps), len(names)))
