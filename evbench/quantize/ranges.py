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

_COARSE, _FINE = 96, 32


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

    Migacz, "8-bit inference with TensorRT", GTC 2017: the reference has what is clipped in its last bin, the
    quantised distribution spreads each step's mass evenly over the bins it came from. Here on logarithmic bins, of
    magnitudes that are not zero: with 2048 linear bins up to the largest value an outlier would leave the active mode
    in one of them.
    """
    counts = histogram.magnitudes
    bins = np.flatnonzero(counts)
    ranges = _candidates(histogram, _COARSE)
    if not ranges.size:
        return 0.0
    centre, width, counts = (EDGES[bins] + EDGES[bins + 1]) / 2, EDGES[bins + 1] - EDGES[bins], counts[bins]
    divergences = [_divergence(counts, centre, width, float(limit), codes) for limit in ranges]
    return float(ranges[int(np.argmin(divergences))])


def _divergence(
    counts: NDArray[np.float64], centre: NDArray[np.float64], width: NDArray[np.float64], limit: float, codes: int
) -> float:
    """sum p ln(p / q) over the bins [n] up to `limit`."""
    inside = max(int(np.searchsorted(centre, limit, side="right")), 1)
    kept, spread = counts[:inside], width[:inside]
    reference = kept.copy()
    reference[-1] += counts[inside:].sum()
    step = np.rint(centre[:inside] * (codes / limit)).astype(np.int64)
    _, step = np.unique(step, return_inverse=True)
    density = np.bincount(step, weights=kept) / np.bincount(step, weights=spread)
    quantised = density[step] * spread
    p, q = reference / reference.sum(), quantised / quantised.sum()
    return float(np.sum(p * np.log(p / q)))


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


def ema_range(peaks: NDArray[np.floating], averaging_constant: float) -> float:
    """The bias-corrected moving average of the largest magnitudes [n] of successive batches; empty ones do not count.

    Kingma and Ba, "Adam", ICLR 2015, section 3, for the correction.
    """
    seen = np.asarray(peaks, np.float64)
    seen = seen[np.isfinite(seen) & (seen > 0)]
    if not seen.size:
        return 0.0
    weights = (1 - averaging_constant) ** np.arange(len(seen) - 1, -1, -1)
    return float(weights @ seen / weights.sum())
