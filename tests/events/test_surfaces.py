"""Bilinear voxel grids and time surfaces against sums written out event by event."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evbench.events.surfaces import bilinear_voxel_grid, time_surface

rows = st.lists(st.tuples(st.integers(-5, 120), st.integers(-1, 4), st.integers(-1, 3), st.booleans()), max_size=40)


def columns(rows):
    return [np.array([row[i] for row in rows]) for i in range(4)]


@given(rows, st.integers(1, 5))
def test_each_event_is_shared_between_the_two_nearest_bins(rows, bins):
    expected = np.zeros((2, bins, 3, 4))
    for t, x, y, on in rows:
        if 0 <= t < 100 and 0 <= x < 4 and 0 <= y < 3:
            place = (bins - 1) * t / 100
            for number in range(bins):
                expected[int(on), number, y, x] += max(0, 1 - abs(number - place))
    grid = bilinear_voxel_grid(*columns(rows), t0=0, duration=100, bins=bins, size=(3, 4))
    assert grid.dtype == np.float32
    np.testing.assert_allclose(grid, expected, atol=1e-5)


@given(rows)
def test_a_time_surface_fades_from_each_pixels_last_event(rows):
    expected = np.zeros((2, 3, 4))
    for t, x, y, on in rows:
        if t <= 100 and 0 <= x < 4 and 0 <= y < 3:
            expected[int(on), y, x] = max(expected[int(on), y, x], math.exp((t - 100) / 30))
    surface = time_surface(*columns(rows), now=100, decay_us=30, size=(3, 4))
    assert surface.dtype == np.float32
    np.testing.assert_allclose(surface, expected, atol=1e-6)


def test_settings_without_meaning_are_refused():
    with pytest.raises(ValueError, match="at least 1"):
        bilinear_voxel_grid([], [], [], [], t0=0, duration=0, bins=1, size=(1, 1))
    with pytest.raises(ValueError, match="positive"):
        time_surface([], [], [], [], now=0, decay_us=0, size=(1, 1))
