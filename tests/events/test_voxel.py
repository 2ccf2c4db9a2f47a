"""voxelize against a loop that says what a voxel grid is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evbench.events.voxel import accumulate_frame, voxelize


def by_hand(t, x, y, polarity, t0, duration, bins, size):
    grid = np.zeros((2, bins, *size), np.int64)
    for time, column, row, sign in zip(t, x, y, polarity, strict=True):
        if t0 <= time < t0 + duration and 0 <= row < size[0] and 0 <= column < size[1]:
            grid[int(sign > 0), (time - t0) * bins // duration, row, column] += 1
    return np.minimum(grid, 255).astype(np.uint8)


events = st.lists(st.tuples(st.integers(-20, 150), st.integers(-2, 9), st.integers(-2, 7), st.booleans()), max_size=60)


@given(events, st.integers(-5, 40), st.integers(1, 90), st.integers(1, 7))
def test_a_voxel_grid_counts_the_events_of_each_polarity_bin_and_pixel(rows, t0, duration, bins):
    t, x, y, on = (np.array([row[i] for row in rows], np.int64) for i in range(4))
    expected = by_hand(t, x, y, on, t0, duration, bins, (6, 8))
    grid = voxelize(t, x, y, on, t0=t0, duration=duration, bins=bins, size=(6, 8))
    np.testing.assert_array_equal(grid, expected)
    assert grid.dtype == np.uint8


@pytest.mark.parametrize(
    ("dtype", "off", "on"),
    [(np.bool_, False, True), (np.uint8, 0, 1), (np.int8, -1, 1), (np.int64, -1, 1), (np.int64, 0, 1), (float, -1, 1)],
)
def test_off_events_stay_off_whatever_the_polarity_is_made_of(dtype, off, on):
    polarity = np.array([off, on, off], dtype)
    grid = voxelize([0, 0, 0], [0, 1, 2], [0, 0, 0], polarity, t0=0, duration=1, bins=1, size=(1, 3))
    assert grid[0, 0, 0].tolist() == [1, 0, 1]
    assert grid[1, 0, 0].tolist() == [0, 1, 0]
    assert accumulate_frame([0, 1, 2], [0, 0, 0], polarity, size=(1, 3)).tolist() == [[[1, 0, 1]], [[0, 1, 0]]]


def test_unsigned_coordinates_of_a_sensor_do_not_wrap_in_the_index():
    x = np.array([639], np.uint16)
    grid = voxelize(np.array([49_999]), x, x - 160, [True], t0=0, duration=50_000, bins=5, size=(480, 640))
    assert grid[1, 4, 479, 639] == 1
    assert grid.sum() == 1


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint32, np.int64, np.uint64])
def test_coordinates_of_every_integer_type_count_alike(dtype):
    columns = (np.array([3, 9], dtype), np.array([1, 2], dtype), np.array([0, 4], dtype))
    grid = voxelize(*columns, [1, 0], t0=0, duration=10, bins=2, size=(6, 6))
    assert [int(cell) for cell in np.flatnonzero(grid)] == [1 * 36 + 4 * 6 + 2, 2 * 36 + 0 * 6 + 1]


def test_counts_stop_at_255():
    many = np.zeros(70_000, np.int64)
    assert voxelize(many, many, many, many, t0=0, duration=10, bins=2, size=(2, 2)).max() == 255


def test_times_near_the_epoch_in_microseconds_keep_their_bin():
    t0 = 1_718_924_384_950_000
    t = t0 + np.array([0, 9_999, 10_000, 49_999, 50_000])
    grid = voxelize(t, [0] * 5, [0] * 5, [1] * 5, t0=t0, duration=50_000, bins=5, size=(1, 1))
    assert grid[1, :, 0, 0].tolist() == [2, 1, 0, 0, 1]


def test_a_window_without_events_is_a_grid_of_zeros():
    grid = voxelize([], [], [], [], t0=0, duration=50_000, bins=5, size=(4, 3))
    assert grid.shape == (2, 5, 4, 3)
    assert not grid.any()


def test_columns_of_different_lengths_and_impossible_windows_are_refused():
    with pytest.raises(ValueError, match="one length"):
        voxelize([0, 1], [0], [0], [1], t0=0, duration=1, bins=1, size=(1, 1))
    with pytest.raises(ValueError, match="at least 1"):
        voxelize([0], [0], [0], [1], t0=0, duration=0, bins=1, size=(1, 1))
