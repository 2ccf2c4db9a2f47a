"""Where events go when the picture is turned, mirrored, cropped or made smaller."""

from __future__ import annotations

import numpy as np
import pytest

from evbench.events.stream import EventStream, SensorGeometry
from evbench.events.transforms import crop, downsample, merge_polarities, mirror, rotate


def picture(stream):
    """Event numbers, from 1, where they lie on the sensor."""
    grid = np.zeros((stream.geometry.height, stream.geometry.width), int)
    grid[stream.y, stream.x] = stream.t + 1
    return grid


@pytest.fixture
def every_pixel():
    y, x = np.divmod(np.arange(20), 5)
    return EventStream.from_arrays(np.arange(20), x, y, np.arange(20) % 2, SensorGeometry(5, 4))


@pytest.mark.parametrize("quarters", [0, 1, 2, 3, 4])
def test_a_quarter_turn_goes_clockwise(every_pixel, quarters):
    turned = rotate(every_pixel, quarters)
    np.testing.assert_array_equal(picture(turned), np.rot90(picture(every_pixel), -quarters))
    assert turned.x.dtype == np.uint16


def test_mirroring_swaps_the_sides_named(every_pixel):
    grid = picture(every_pixel)
    np.testing.assert_array_equal(picture(mirror(every_pixel, "left-right")), grid[:, ::-1])
    np.testing.assert_array_equal(picture(mirror(every_pixel, "top-bottom")), grid[::-1])


def test_cropping_keeps_a_rectangle_and_makes_its_corner_the_origin(every_pixel):
    np.testing.assert_array_equal(picture(crop(every_pixel, 1, 2, 3, 2)), picture(every_pixel)[2:4, 1:4])


@pytest.mark.parametrize("box", [(0, 0, 6, 1), (0, 3, 1, 2), (-1, 0, 2, 2), (0, 0, 0, 1)])
def test_a_rectangle_beyond_the_sensor_is_refused(every_pixel, box):
    with pytest.raises(ValueError, match="do not lie on a 5x4 sensor"):
        crop(every_pixel, *box)


def test_downsampling_keeps_every_event(every_pixel):
    small = downsample(every_pixel, (2, 2))
    assert small.geometry == SensorGeometry(2, 2)
    assert small.x.tolist()[:5] == [0, 0, 0, 1, 1]
    assert small.y.tolist()[::5] == [0, 0, 1, 1]
    with pytest.raises(ValueError, match="brought down"):
        downsample(every_pixel, (5, 5))


def test_merged_polarities_are_all_on(every_pixel):
    assert merge_polarities(every_pixel).on.all()
    assert not every_pixel.on.all()
