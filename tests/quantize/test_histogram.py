"""The histogram holds what it was shown, and answers what can be computed from the values themselves."""

from __future__ import annotations

import numpy as np
import pytest

from evbench.quantize.histogram import EDGES, EMPTY, STEPS, bins_of, histogram_of

RNG = np.random.default_rng(0)
NORMAL = RNG.normal(0, 1, 200_000).astype(np.float32)


def with_zeros(values: np.ndarray, share: float) -> np.ndarray:
    zeros = np.zeros(round(len(values) * share / (1 - share)), np.float32)
    return np.concatenate([zeros, values.astype(np.float32)])


def test_values_lie_in_the_bin_of_their_magnitude_and_zeros_apart() -> None:
    values = np.array([[0.0, -0.0, 1.0, -1.0], [1.04, 2.0, 1e-3, 3e5]], np.float32)
    histogram = histogram_of(values)
    assert (histogram.zeros, histogram.nonzero, histogram.zero_share) == (2, 6, 0.25)
    one = int(np.flatnonzero(EDGES == 1.0)[0])
    assert histogram.counts[:, one].tolist() == [1, 1]
    assert histogram.counts[1, one + 1] == 1
    assert histogram.counts[1, one + STEPS] == 1
    bins = bins_of(np.array([1e-3, 3e5], np.float32))
    assert np.all((EDGES[bins] <= [1e-3, 3e5]) & (EDGES[bins + 1] > [1e-3, 3e5]))
    assert (histogram.low, histogram.high) == (-1.0, 3e5)


def test_values_beyond_every_bin_and_values_that_are_none_are_counted() -> None:
    values = np.array([1e-45, 1e-30, -1e38, np.inf, -np.inf, np.nan, 0.0], np.float32)
    histogram = histogram_of(values)
    assert histogram.counts[1, 0] == 2
    assert histogram.counts[0, -1] == 1
    assert (histogram.undefined, histogram.zeros, histogram.nonzero) == (3, 1, 3)
    assert histogram.high == pytest.approx(1e-30)


def test_histograms_of_parts_add_up_to_that_of_the_whole_in_any_memory_order() -> None:
    values = NORMAL[:6000].reshape(2, 3, 10, 100)
    whole = histogram_of(values.transpose(0, 2, 3, 1))
    parts = histogram_of(values[0]).merged(histogram_of(values[1]))
    assert np.array_equal(parts.counts, whole.counts)
    assert (parts.low, parts.high, parts.zeros) == (whole.low, whole.high, whole.zeros)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99, 0.9999])
def test_quantiles_are_those_of_the_values(share: float) -> None:
    histogram, values = histogram_of(with_zeros(NORMAL, 0.6)), with_zeros(NORMAL, 0.6)
    assert histogram.quantile(share, of_nonzero=True) == pytest.approx(np.quantile(np.abs(NORMAL), share), rel=0.02)
    expected = np.quantile(np.abs(values), share)
    assert histogram.quantile(share, of_nonzero=False) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize(("scale", "low", "high"), [(0.02, -127, 127), (0.3, -7, 7), (0.01, 0, 255), (5.0, -127, 127)])
def test_the_squared_error_is_that_of_rounding_the_values(scale: float, low: int, high: int) -> None:
    rounded = np.clip(np.rint(NORMAL / np.float64(scale)), low, high) * scale
    expected = float(np.sum((NORMAL - rounded) ** 2))
    histogram = histogram_of(NORMAL)
    assert histogram.error(np.array([scale]), low, high)[0] == pytest.approx(expected, rel=0.01)
    assert histogram.signal() == pytest.approx(float(np.sum(NORMAL.astype(np.float64) ** 2)), rel=1e-3)


def test_the_largest_value_is_not_clipped_by_its_own_range() -> None:
    histogram = histogram_of(np.full(100, 1.0, np.float32))
    assert histogram.error(np.array([1 / 255]), 0, 255)[0] == pytest.approx(0.0, abs=1e-20)
    assert histogram.share_above(1.0) == 0.0


def test_the_active_mode_ends_below_a_detached_outlier_but_holds_a_second_mode() -> None:
    mode = np.abs(RNG.normal(5, 1, 50_000))
    with_outlier = histogram_of(with_zeros(np.append(mode, 1e4), 0.9))
    assert with_outlier.active_limit() == pytest.approx(mode.max(), rel=0.035)
    two_modes = histogram_of(np.append(mode, np.full(1000, 1e4)))
    assert two_modes.active_limit() == pytest.approx(1e4)
    assert EMPTY.active_limit() == 0.0


@pytest.mark.parametrize("zeros", [0.5, 0.99])
def test_bimodality_depends_on_how_far_the_active_mode_is_and_not_on_how_many_zeros_there_are(zeros: float) -> None:
    half_normal = histogram_of(with_zeros(np.abs(NORMAL), zeros)).bimodality()
    assert half_normal == pytest.approx(np.sqrt(2) * np.sqrt(2 / np.pi) / np.sqrt(1 - 2 / np.pi), rel=0.01)
    exponential = histogram_of(with_zeros(RNG.exponential(1, 100_000), zeros)).bimodality()
    assert exponential == pytest.approx(np.sqrt(2), rel=0.02)
    apart = histogram_of(with_zeros(RNG.normal(5, 1, 100_000), zeros)).bimodality()
    assert apart == pytest.approx(5 * np.sqrt(2), rel=0.02)


def test_bimodality_is_not_blurred_by_an_outlier_and_needs_two_modes() -> None:
    mode = RNG.normal(5, 1, 100_000)
    assert histogram_of(with_zeros(np.append(mode, 1e6), 0.9)).bimodality() == pytest.approx(7.07, rel=0.02)
    assert histogram_of(mode.astype(np.float32)).bimodality() is None
    assert histogram_of(np.zeros(10, np.float32)).bimodality() is None


def test_more_than_two_to_the_24_values_are_no_obstacle() -> None:
    values = np.zeros(2**24 + 1000, np.float32)
    values[-1000:] = np.linspace(1, 2, 1000)
    assert histogram_of(values).quantile(0.5, of_nonzero=True) == pytest.approx(1.5, rel=0.02)
