"""A histogram of magnitudes on a fixed logarithmic scale, the zero mass apart: what ranges and statistics are made of.

The bins are the same for every tensor and every batch, 32 of them per octave, cut straight out of the float32 bits:
exponent and first five mantissa bits. Histograms of two batches are therefore added, never rescaled, and an outlier
does not make the bins coarser where the other values lie.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

STEPS = 32
"""Bins per octave; a bin is 1.6 to 3.1 % wide."""

BINS = 64 * STEPS
_LOWEST_OCTAVE = -40
_MANTISSA_BITS = 5
_SHIFT = 23 - _MANTISSA_BITS
_FIRST = (127 + _LOWEST_OCTAVE) << _MANTISSA_BITS
_NOT_FINITE = 255 << _MANTISSA_BITS
_PER_SIGN = 256 << _MANTISSA_BITS

EDGES: NDArray[np.float64] = np.concatenate(
    [2.0**octave * (1 + np.arange(STEPS) / STEPS) for octave in range(_LOWEST_OCTAVE, _LOWEST_OCTAVE + 64)]
    + [np.array([2.0 ** (_LOWEST_OCTAVE + 64)])]
)
"""float64 [BINS + 1]: bin i holds magnitudes from EDGES[i] up to EDGES[i + 1]; the outer bins hold what lies beyond."""

DETACHED_SHARE = 1e-3
"""At most this share of the non-zero values can be outliers; more of them are a mode of their own."""

_FORGOTTEN = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class LogHistogram:
    """Values of one tensor. counts: float64 [2, BINS], of negative and of positive values; zeros: how many were 0.

    `low` and `high` are the exact extremes of what was finite, `undefined` counts what was not.
    """

    counts: NDArray[np.float64]
    zeros: float = 0.0
    low: float = 0.0
    high: float = 0.0
    undefined: float = 0.0

    @property
    def nonzero(self) -> float:
        """How many values were finite and not zero."""
        return float(self.counts.sum())

    @property
    def total(self) -> float:
        """How many values were finite."""
        return self.nonzero + self.zeros

    @property
    def zero_share(self) -> float:
        """The share of zeros among finite values; 0 for a tensor without any."""
        return self.zeros / self.total if self.total else 0.0

    @property
    def largest(self) -> float:
        """The largest magnitude seen."""
        return max(-self.low, self.high)

    @property
    def magnitudes(self) -> NDArray[np.float64]:
        """Counts of both signs together, float64 [BINS]."""
        return np.asarray(self.counts.sum(axis=0))

    def merged(self, other: LogHistogram, keep: float = 1.0) -> LogHistogram:
        """Both together; what is in this one counts `keep` times as much as before."""
        return replace(
            self,
            counts=keep * self.counts + other.counts,
            zeros=keep * self.zeros + other.zeros,
            low=min(self.low, other.low),
            high=max(self.high, other.high),
            undefined=keep * self.undefined + other.undefined,
        )

    def quantile(self, share: float, *, of_nonzero: bool) -> float:
        """The magnitude below which `share` of all values lie, or of those that are not zero; 0 in the zero mass."""
        counts = self.magnitudes
        wanted = share * self.nonzero if of_nonzero else share * self.total - self.zeros
        if wanted <= 0 or not counts.any():
            return 0.0
        reached = np.cumsum(counts)
        bin_ = min(int(np.searchsorted(reached, wanted)), int(np.flatnonzero(counts)[-1]))
        inside = 1.0 - min(max(float(reached[bin_] - wanted) / float(counts[bin_]), 0.0), 1.0)
        return min(float(EDGES[bin_] + inside * (EDGES[bin_ + 1] - EDGES[bin_])), self.largest)

    def share_above(self, limit: float) -> float:
        """The share of the non-zero values whose magnitude is above `limit`."""
        lower, upper, counts, _ = self._parts(np.inf, exact=True)
        if not counts.size:
            return 0.0
        whole = np.where(upper > lower, upper - lower, 1.0)
        above = np.where(lower >= limit, 1.0, np.clip((upper - limit) / whole, 0.0, 1.0))
        return float(counts @ np.where(upper > limit, above, 0.0)) / self.nonzero

    def active_limit(self) -> float:
        """The largest magnitude of the active mode; 0 when nothing but zeros was seen.

        The active mode is what is not zero, without outliers: values above an octave in which nothing lies are
        outliers as long as all of them together are at most `DETACHED_SHARE` of the non-zero values.
        """
        counts = self.magnitudes
        occupied = np.flatnonzero(counts > _FORGOTTEN * counts.sum())
        if not occupied.size:
            return 0.0
        above = np.cumsum(counts[::-1])[::-1]
        top = occupied[-1]
        for lower, upper in zip(occupied[-2::-1], occupied[:0:-1], strict=True):
            if above[upper] > DETACHED_SHARE * above[0]:
                break
            if upper - lower > STEPS:
                top = lower
        return min(float(EDGES[top + 1]), self.largest)

    def bimodality(self) -> float | None:
        """How far the active mode stands apart from the zero mass, by Ashman's D; None where one of them is missing.

        D = sqrt(2) |m1 - m2| / sqrt(s1^2 + s2^2), above 2 for two modes that are clearly apart (Ashman, Bird and Zepf,
        Astronomical Journal 108, 1994, equation 1), here with m = s = 0 for the zero mass and magnitudes for the other.
        Both modes are known, so nothing is fitted, and D says the same at 50 % zeros as at 99 %. That is what the
        usual measures do not do on zero-inflated data: Sarle's coefficient rises with the zero share alone, towards
        0.85 for any half of a normal distribution, and Hartigan's dip is at most half the share of the smaller mode.
        """
        lower, upper, counts, _ = self._parts(self.active_limit())
        if not counts.size or not self.zeros:
            return None
        share = counts / counts.sum()
        mean = float(share @ (lower + upper)) / 2
        square = float(share @ (lower**2 + lower * upper + upper**2)) / 3
        return float(np.sqrt(2.0) * mean / np.sqrt(max(square - mean**2, np.finfo(np.float64).tiny)))

    def signal(self, limit: float = np.inf) -> float:
        """Sum of the squares of the values whose magnitude's bin begins below `limit`."""
        lower, upper, counts, _ = self._parts(limit, exact=True)
        return float(counts @ (lower**2 + lower * upper + upper**2)) / 3

    def error(self, scales: NDArray[np.float64], low: int, high: int, limit: float = np.inf) -> NDArray[np.float64]:
        """Sum of squared errors after rounding to low … high codes of each of `scales` [S] -> float64 [S].

        Exact for values spread evenly within each bin, clipping included. `limit` as in `signal`.
        """
        lower, upper, counts, negative = self._parts(limit, exact=True)
        if not counts.size:
            return np.zeros(len(scales))
        scale = np.asarray(scales, np.float64)[:, None]
        codes = np.where(negative, -low, high)
        narrow = upper - lower <= 1e-6 * upper
        from_, to = _accumulated(lower / scale, codes), _accumulated(upper / scale, codes)
        spread = scale**3 * (to - from_) / np.where(narrow, 1.0, upper - lower)
        point = (upper - scale * np.minimum(np.rint(upper / scale), codes)) ** 2
        return np.asarray(np.where(narrow, point, spread) @ counts)

    def _parts(
        self, limit: float, exact: bool = False
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Lower and upper edge, count and sign of every bin that holds something and begins below `limit`.

        With `exact` no bin reaches beyond the extreme of its sign.
        """
        sign, bin_ = np.nonzero(self.counts)
        inside = EDGES[bin_] < limit
        sign, bin_ = sign[inside], bin_[inside]
        lower, upper = EDGES[bin_], EDGES[bin_ + 1]
        if exact:
            upper = np.minimum(upper, np.where(sign == 0, -self.low, self.high))
            lower = np.minimum(lower, upper)
        return lower, upper, self.counts[sign, bin_], sign == 0


def _accumulated(codes: NDArray[np.float64], largest: NDArray[np.int64]) -> NDArray[np.float64]:
    """The integral of (t - min(rint(t), largest))^2 from 0 to `codes`: 1/12 for every whole step."""
    nearest = np.minimum(np.rint(codes), largest)
    return np.asarray(nearest / 12 + (codes - nearest) ** 3 / 3)


EMPTY = LogHistogram(np.zeros((2, BINS)))


def histogram_of(values: NDArray[np.float32]) -> LogHistogram:
    """The histogram of a tensor of any shape; infinite and undefined values are counted and otherwise left out."""
    flat = np.ravel(np.asarray(values, np.float32), order="K")
    raw = np.bincount(flat.view(np.uint32) >> _SHIFT, minlength=2 * _PER_SIGN).reshape(2, _PER_SIGN)
    undefined = float(raw[:, _NOT_FINITE:].sum())
    zeros = flat.size - int(np.count_nonzero(flat))
    raw = raw[:, :_NOT_FINITE]
    raw[0, 0] += raw[1, 0] - zeros  # numbers too small for a normal float32 share their bits' place with both zeros
    raw[1, 0] = 0
    finite = flat[np.isfinite(flat)] if undefined else flat
    extremes = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    return LogHistogram(_fold(raw)[::-1].copy(), float(zeros), min(extremes[0], 0.0), max(extremes[1], 0.0), undefined)


def bins_of(values: NDArray[np.float32]) -> NDArray[np.int64]:
    """The bin of each value's magnitude, int64 of the same shape; zeros have the first."""
    raw = np.asarray(values, np.float32).view(np.uint32) & np.uint32(0x7FFFFFFF)
    return np.clip((raw >> _SHIFT).astype(np.int64) - _FIRST, 0, BINS - 1)


def _fold(raw: NDArray[np.int64]) -> NDArray[np.float64]:
    """[2, every exponent] -> float64 [2, BINS]; what lies outside is counted in the outer bins."""
    kept = raw[:, _FIRST : _FIRST + BINS].astype(np.float64)
    kept[:, 0] += raw[:, :_FIRST].sum(axis=1)
    kept[:, -1] += raw[:, _FIRST + BINS :].sum(axis=1)
    return kept
