"""Every rule finds the range that is known to be right for the distribution."""

from __future__ import annotations

import numpy as np
import pytest

from evbench.quantize.histogram import EMPTY, LogHistogram, histogram_of
from evbench.quantize.ranges import RULES, ema_range

RNG = np.random.default_rng(3)
SPARSE = np.concatenate([np.zeros(990_000), RNG.normal(5, 1, 10_000)]).astype(np.float32)
"""99 % zeros, then an active mode around 5 that ends near 9."""


def with_outlier() -> LogHistogram:
    return histogram_of(np.append(SPARSE, np.float32(1e4)))


@pytest.mark.parametrize("rule", RULES)
def test_a_tensor_of_zeros_alone_has_no_range(rule: str) -> None:
    assert RULES[rule](EMPTY, 255) == 0.0
    assert RULES[rule](histogram_of(np.zeros(10, np.float32)), 255) == 0.0


@pytest.mark.parametrize("rule", RULES)
def test_an_even_distribution_needs_all_of_its_range(rule: str) -> None:
    histogram = histogram_of(RNG.uniform(0, 1, 100_000).astype(np.float32))
    assert RULES[rule](histogram, 255) == pytest.approx(1.0, rel=0.01)


@pytest.mark.parametrize("rule", RULES)
def test_a_single_value_is_its_own_range(rule: str) -> None:
    assert RULES[rule](histogram_of(np.array([3.0], np.float32)), 255) == pytest.approx(3.0)


def test_the_smallest_squared_error_of_a_normal_and_a_laplace_distribution_is_where_theory_has_it() -> None:
    """Optimal clipping at 8 bits: 3.92 sigma and 9.89 b (Banner et al., NeurIPS 2019, table of ACIQ)."""
    normal = histogram_of(RNG.normal(0, 1, 1_000_000).astype(np.float32))
    laplace = histogram_of(RNG.laplace(0, 1, 1_000_000).astype(np.float32))
    assert RULES["mse"](normal, 127) == pytest.approx(3.92, rel=0.04)
    assert RULES["mse"](laplace, 127) == pytest.approx(9.89, rel=0.04)


def test_the_smallest_squared_error_is_that_of_trying_every_range_on_the_values() -> None:
    values = np.abs(RNG.standard_t(3, 20_000)).astype(np.float32)

    def error(limit: float) -> float:
        scale = limit / 255
        return float(np.sum((values - np.clip(np.rint(values / scale), 0, 255) * scale) ** 2))

    tried = np.geomspace(1, values.max(), 400)
    best = min(error(limit) for limit in tried)
    assert error(RULES["mse"](histogram_of(values), 255)) <= 1.01 * best


@pytest.mark.parametrize("rule", ["mse", "kl", "zero-aware", "nonzero-percentile", "minmax"])
def test_zeros_move_no_rule_but_the_percentile_of_all_values(rule: str) -> None:
    dense = histogram_of(SPARSE[SPARSE != 0])
    assert RULES[rule](histogram_of(SPARSE), 255) == pytest.approx(RULES[rule](dense, 255))


def test_the_percentile_of_all_values_clips_the_more_the_emptier_a_tensor_is() -> None:
    active = SPARSE[SPARSE != 0]
    found = RULES["percentile"](histogram_of(SPARSE), 255, 99.9)
    assert found == pytest.approx(np.quantile(active, 0.9), rel=0.02)
    kept = RULES["nonzero-percentile"](histogram_of(SPARSE), 255, 99.9)
    assert kept == pytest.approx(np.quantile(active, 0.999), rel=0.03)


def test_a_percentile_inside_the_zero_mass_falls_back_to_the_largest_value() -> None:
    assert RULES["percentile"](histogram_of(SPARSE), 255, 98.0) == pytest.approx(float(SPARSE.max()))


def test_one_outlier_owns_minmax_and_none_of_the_robust_rules() -> None:
    histogram = with_outlier()
    assert RULES["minmax"](histogram, 255) == 1e4
    for rule in ("zero-aware", "nonzero-percentile", "kl"):
        assert 7.5 < RULES[rule](histogram, 255) < 11.0, rule


def test_the_squared_error_keeps_an_outlier_where_cutting_it_off_costs_more_than_it_saves() -> None:
    values = RNG.uniform(0, 1, 1_000_000).astype(np.float32)
    histogram = histogram_of(np.append(values, np.float32(3.0)))
    limits = np.geomspace(0.9, 3.0, 300)
    brute = limits[np.argmin([histogram.error(np.array([limit / 255]), 0, 255)[0] for limit in limits])]
    assert RULES["mse"](histogram, 255) == pytest.approx(brute, rel=0.02)
    assert 1.0 < RULES["mse"](histogram, 255) < 3.0


def test_the_divergence_keeps_the_whole_of_an_exponential_within_a_few_percent_of_its_mass() -> None:
    values = RNG.exponential(1, 200_000).astype(np.float32)
    chosen = RULES["kl"](histogram_of(values), 255)
    assert np.mean(values > chosen) < 0.001
    assert chosen <= values.max()


def test_the_moving_average_is_bias_corrected_and_ignores_empty_windows() -> None:
    assert ema_range(np.array([0.0, 100.0, 0.0, np.inf]), 0.01) == pytest.approx(100.0)
    assert ema_range(np.array([100.0] + 50 * [10.0]), 0.01) == pytest.approx(11.4, abs=0.05)
    assert ema_range(np.zeros(3), 0.1) == 0.0
