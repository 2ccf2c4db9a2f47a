from __future__ import annotations

import numpy as np

from evbench.tui import numbers
from evbench.tui.drawing import bar, columns, half_blocks, layout


def test_a_half_block_carries_the_upper_pixel_in_front_and_the_lower_behind() -> None:
    image = np.array([[[1, 2, 3]], [[4, 5, 6]]], np.uint8)
    ((segment,),) = half_blocks(image)
    assert segment.text == "▀"
    assert segment.style is not None
    assert segment.style.color is not None
    assert segment.style.color.triplet == (1, 2, 3)
    assert segment.style.bgcolor is not None
    assert segment.style.bgcolor.triplet == (4, 5, 6)


def test_neighbours_of_one_colour_share_a_segment() -> None:
    image = np.zeros((2, 6, 3), np.uint8)
    image[:, 4:] = 200
    assert [segment.text for segment in half_blocks(image)[0]] == ["▀▀▀▀", "▀▀"]


def test_five_images_take_the_arrangement_that_shows_them_largest() -> None:
    wide = layout(5, None, (120, 20), (64, 64))
    square = layout(5, None, (70, 60), (64, 64))
    assert wide is not None
    assert (wide.columns, wide.rows) == (5, 1)
    assert square is not None
    assert (square.columns, square.rows) == (2, 3)


def test_no_arrangement_is_given_where_nothing_fits() -> None:
    assert layout(5, None, (6, 2), (64, 64)) is None


def test_a_bar_is_filled_in_eighths_and_never_empty_for_something() -> None:
    assert bar(0.5, 4) == "██  "
    assert bar(1.7, 4) == "████"
    assert bar(0.0, 4) == "    "
    assert bar(1e-6, 4) == "▏   "


def test_columns_keep_a_peak_that_is_narrower_than_a_cell() -> None:
    values = np.zeros(1000)
    values[513] = 8.0
    assert columns(values, 10, 1) == ["     █    "]


def test_numbers_have_three_significant_digits_and_units() -> None:
    assert numbers.scaled(1_234_567, "ev/s") == "1.23 Mev/s"
    assert numbers.scaled(803) == "803"
    assert numbers.size(217_088) == "212 KiB"
    assert numbers.duration(2_900) == "2.90 ms"
    assert numbers.duration(75_000_000) == "1 min 15 s"
    assert numbers.significant(0.7) == "0.700"
    assert numbers.elapsed(3_723) == "1:02:03"
