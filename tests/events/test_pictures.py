"""Colours, sizes and PNG pages of representations."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from evbench.errors import EvbenchError
from evbench.events.pictures import brightest, colours, resize, save_png, sheet


def test_shrinking_counts_loses_no_event():
    counts = np.random.default_rng(1).integers(0, 4, (2, 37, 53)).astype(np.uint8)
    assert resize("voxel", counts, 10, 8).sum() == counts.sum()


def test_shrinking_a_time_surface_keeps_the_newest():
    surface = np.array([[0.1, 0.9, 0.2, 0.3], [0.5, 0.4, 0, 0]], np.float32)
    assert resize("time-surface", surface, 2, 1).tolist() == pytest.approx(np.array([[0.9, 0.3]]))


def test_growing_an_image_repeats_its_pixels():
    counts = np.array([[1, 2], [3, 4]], np.uint8)
    assert resize("frame", counts, 4, 4)[0].tolist() == [1, 1, 2, 2]


def test_on_is_amber_off_is_blue_and_nothing_is_dark():
    one, none = np.array([9.0], np.float32), np.array([0.0], np.float32)
    on, off, empty = colours(none, one, 9)[0], colours(one, none, 9)[0], colours(none, none, 9)[0]
    assert on[0] > on[1] > on[2]
    assert off[2] > off[1] > off[0]
    assert empty.max() < 16


def test_a_single_event_is_visible_beside_a_hundred():
    counts = np.array([0, 1, 100], np.float32)
    brightness = colours(np.zeros(3, np.float32), counts, 100).sum(axis=1)
    assert brightness[1] > 2 * brightness[0]
    assert brightness[2] > brightness[1]


def test_both_polarities_in_one_pixel_are_brighter_than_either():
    one, none = np.array([4.0], np.float32), np.array([0.0], np.float32)
    both = colours(one, one, 8).sum()
    assert both > colours(one, none, 8).sum()
    assert both > colours(none, one, 8).sum()


def test_the_brightest_count_is_three_at_least_and_that_of_a_time_surface_is_now():
    single, busy = np.zeros((2, 1, 4, 4), np.uint8), np.full((2, 1, 4, 4), 9, np.uint8)
    single[0, 0, 0, 0] = 1
    assert (brightest("voxel", single), brightest("voxel", busy), brightest("time-surface", single)) == (3, 9, 1)


def test_a_page_shows_every_pixel_as_a_square_and_keeps_bins_apart(tmp_path):
    counts = np.zeros((2, 6, 8, 10), np.uint8)
    counts[1, 0, 2, 3] = counts[0, 5, 7, 9] = 3
    path = tmp_path / "page.png"
    save_png(sheet("voxel", counts, [f"bin {number}" for number in range(6)], "a window", 4), path)
    page = np.asarray(Image.open(path))
    three, none = np.array([3.0], np.float32), np.array([0.0], np.float32)
    on = (page == colours(none, three, 3)[0]).all(axis=2)
    off = (page == colours(three, none, 3)[0]).all(axis=2)
    for lit in (on, off):
        rows, columns = lit.nonzero()
        assert (np.ptp(rows), np.ptp(columns), lit.sum()) == (3, 3, 16)
    # The sixth bin begins the second row, under the first.
    dark = (page == colours(none, none, 3)[0]).all(axis=2)
    assert dark.sum() == 6 * 80 * 16 - 32
    assert off.nonzero()[0].min() > on.nonzero()[0].max()


def test_pixels_are_enlarged_by_whole_factors_that_fill_the_page():
    one, five = np.zeros((2, 1, 128, 128), np.uint8), np.zeros((2, 5, 128, 128), np.uint8)
    dark = colours(np.zeros(1, np.float32), np.zeros(1, np.float32), 1)[0]
    for images, factor in ((one, 4), (five, 2)):
        page = np.asarray(sheet("voxel", images, [""] * images.shape[1], ""))
        assert (page == dark).all(axis=2).sum() == images.shape[1] * (128 * factor) ** 2


def test_a_picture_that_cannot_be_written_says_where(tmp_path):
    page = sheet("frame", np.zeros((2, 1, 4, 4), np.uint8), ["now"], "a window")
    with pytest.raises(EvbenchError, match="cannot be written") as caught:
        save_png(page, tmp_path / "missing" / "page.png")
    assert str(tmp_path) in caught.value.where
    assert not list(tmp_path.iterdir())
