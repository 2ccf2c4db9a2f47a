"""Requantisation in fixed point against the same steps in plain Python integers."""

from __future__ import annotations

import math

import numpy as np
import pytest

from evbench.graph.execute import execute
from evbench.graph.fixed_point import bits_between, fixed_point_output, multiply, quantised_multiplier
from tests.graph.networks import random_graph, sparse_windows


def slowly(accumulator: int, real: float) -> int:
    """gemmlowp's steps, one number at a time."""
    mantissa, shift = math.frexp(real)
    q = math.floor(mantissa * 2**31 + 0.5)
    if q == 2**31:
        q, shift = q // 2, shift + 1
    product = accumulator * 2 ** max(shift, 0) * q
    nudged = product + (2**30 if product >= 0 else 1 - 2**30)
    high = abs(nudged) // 2**31 * (1 if nudged >= 0 else -1)
    right = max(-shift, 0)
    remainder = high % 2**right
    threshold = (2**right - 1) // 2 + (1 if high < 0 else 0)
    return high // 2**right + (1 if remainder > threshold else 0)


@pytest.mark.parametrize("real", [0.75, 0.5, 0.00731, 1.9e-5, 3.3, 1.0 - 2.0**-40])
def test_vectors_are_rounded_as_single_numbers_are(real: float) -> None:
    rng = np.random.default_rng(0)
    accumulators = np.concatenate([rng.integers(-100_000, 100_000, 400), np.arange(-40, 40)])
    found = multiply(accumulators, *quantised_multiplier(np.asarray(real)))
    assert found.tolist() == [slowly(int(accumulator), real) for accumulator in accumulators]


def test_a_multiplier_and_its_shift_are_the_real_number() -> None:
    real = np.array([1e-6, 0.3, 0.5, 1.0, 7.9])
    multiplier, shift = quantised_multiplier(real)
    assert (multiplier >= 2**30).all()
    assert (multiplier < 2**31).all()
    np.testing.assert_allclose(multiplier * 2.0 ** (shift - 31), real, rtol=2.0**-31)


def test_a_value_just_below_a_half_is_carried_over_it_by_the_first_rounding() -> None:
    # 59 * 0.0084 = 0.4956: six bits before the last rounding make 31.7 / 64 of it, which is rounded to 32 / 64.
    assert multiply(np.array([59]), *quantised_multiplier(np.asarray(0.0084))).tolist() == [1]


def test_layers_to_integers_are_within_one_step_of_the_reference() -> None:
    graph = random_graph(0)
    values = execute(graph, sparse_windows(1, 2, graph.tensors["input"].shape))
    differing = 0
    for operator in graph.operators:
        found = fixed_point_output(graph, operator, [values[name] for name in operator.inputs])
        if graph.tensors[operator.output].dtype.is_float:
            assert found is None
            continue
        assert found is not None
        distance = np.abs(found.astype(int) - values[operator.output])
        assert distance.max() <= 1
        assert bits_between(graph, operator) >= 0
        differing += int(distance.sum())
    assert differing > 0
