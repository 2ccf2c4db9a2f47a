"""The rules by which a histogram proposes a range: the largest magnitude that the 8-bit grid shall hold.

Observers of torch programs follow them while a network is calibrated or trained, and the workbench applies them to
stored histograms, so that what an observer would have chosen can be seen without running anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from evbench.quantize.histogram import EDGES, LogHistogram

PERCENTILE = 99.99
"""The default of both percentile rules."""

_COARSE, _FINE = 48, 16
_LINEAR_BINS = 2048
_LOST = 20.0
"""ln(p / q) of what is clipped into a bin that was empty; infinite by the formula, too large to be chosen by this."""


class Rule(Protocol):
    """A range for `histogram` on a grid whose largest code is `codes`; 0 when nothing but zeros was seen."""

    def __call__(self, histogram: LogHistogram, codes: int, percentile: float = PERCENTILE) -> float: ...


def minmax_range(histogram: LogHistogram, codes: int, percentile: float = PERCENTILE) -> float:
    """The largest magnitude: nothing is clipped, one outlier decides."""
    return histogram.largest


def percentile_range(histogram: LogHistogram, codes: int, percentile: float = PERCENTILE) -> float:
    """The percentile of all values, zeros among them: the sparser a tensor, the more of what is left gets clipped.

    A percentile inside the zero mass proposes nothing, and the largest magnitude is taken.
    """
    return histogram.quantile(percentile / 100, of_nonzero=False) or histogram.largest


def nonzero_percentile_range(histogram: LogHistogram, codes: int, percentile: float = PERCENTILE) -> float:
    """The percentile of the values that are not zero: the same share of them is clipped at any sparsity."""
    return histogram.quantile(percentile / 100, of_nonzero=True)


def zero_aware_range(histogram: LogHistogram, codes: int, percentile: float = PERCENTILE) -> float:
    """The end of the active mode: neither the zero mass nor detached outliers have a say."""
    return histogram.active_limit()


def mse_range(histogram: LogHistogram, codes: int, percentile: float = PERCENTILE) -> float:
    """The range with the smallest mean squared error, rounding and clipping together.

    Zeros are exact on every grid with zero point 0, so the zero mass moves nothing here.
    """

    def best(ranges: NDArray[np.float64]) -> int:
        return int(np.argmin(histogram.error(ranges / codes, -codes, codes)))

    coarse = _candidates(histogram, _COARSE)
    if not coarse.size:
        return 0.0
    at = best(coarse)
    fine = np.geomspace(coarse[max(at - 1, 0)], coarse[min(at + 1, len(coarse) - 1)], _FINE)
    return float(fine[best(fine)])


def kl_range(histogram: LogHistogram, codes: int, percentile: float = PERCENTILE) -> float:
    """The range that keeps most of the distribution: the smallest Kullback-Leibler divergence after quantising.

    Migacz, "8-bit inference with TensorRT", GTC 2017: of 2048 linear bins the reference has what is clipped in its
    last one, and the quantised distribution spreads each step's mass evenly over the bins it came from. Here of
    magnitudes that are not zero, and up to the end of the active mode instead of the largest value, because an outlier
    would leave the whole mode in a few bins.
    """
    limit = histogram.active_limit()
    if not limit:
        return 0.0
    below = np.append(0.0, np.cumsum(histogram.magnitudes))
    mass = np.diff(np.interp(np.linspace(0, limit, _LINEAR_BINS + 1), np.minimum(EDGES, histogram.largest), below))
    mass[-1] += max(below[-1] - mass.sum(), 0.0)
    ends = np.unique(np.rint(_candidates(histogram, _COARSE) / limit * _LINEAR_BINS).astype(int))
    ends = np.unique(np.append(ends[(ends >= codes) & (ends <= _LINEAR_BINS)], _LINEAR_BINS))
    best = int(np.argmin([_divergence(mass, end, codes) for end in ends]))
    return float(ends[best]) / _LINEAR_BINS * limit


def _divergence(mass: NDArray[np.float64], end: int, codes: int) -> float:
    """sum p ln(p / q) over the first `end` bins of `mass` [2048]."""
    reference = mass[:end].copy()
    reference[-1] += mass[end:].sum()
    step = np.rint((np.arange(end) + 0.5) * (codes / end)).astype(np.int64)
    occupied = mass[:end] > 0
    share = np.bincount(step, weights=mass[:end]) / np.maximum(np.bincount(step, weights=occupied), 1)
    quantised = np.where(occupied, share[step], 0.0)
    both = (reference > 0) & (quantised > 0)
    p, q = reference / reference.sum(), quantised / quantised.sum()
    lost = p[(reference > 0) & ~both].sum()
    return float(np.sum(p[both] * np.log(p[both] / q[both])) + lost * _LOST)


def _candidates(histogram: LogHistogram, count: int) -> NDArray[np.float64]:
    """Ranges between the median of the values that are not zero and the largest of them, evenly on a log scale."""
    bins = np.flatnonzero(histogram.magnitudes)
    if not bins.size:
        return np.zeros(0)
    largest = min(float(EDGES[bins[-1] + 1]), histogram.largest)
    return np.geomspace(min(histogram.quantile(0.5, of_nonzero=True), largest), largest, count)


RULES: Mapping[str, Rule] = {
    "minmax": minmax_range,
    "percentile": percentile_range,
    "nonzero-percentile": nonzero_percentile_range,
    "mse": mse_range,
    "kl": kl_range,
    "zero-aware": zero_aware_range,
}
"""By the names that recipes use for observers."""


def ema_range(peaks: NDArray[np.float64], averaging_constant: float) -> float:
    """The bias-corrected moving average of the largest magnitudes [n] of successive batches; empty ones do not count.

    Kingma and Ba, "Adam", ICLR 2015, section 3, for the correction.
    """
    seen = np.asarray(peaks, np.float64)
    seen = seen[np.isfinite(seen) & (seen > 0)]
    if not seen.size:
        return 0.0
    weights = (1 - averaging_constant) ** np.arange(len(seen) - 1, -1, -1)
    return float(weights @ seen / weights.sum())
