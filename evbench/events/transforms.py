"""Moves a stream's events to other pixels: crop, rotate, mirror, downsample; and merges its polarities."""

from __future__ import annotations

from typing import Literal

import numpy as np

from evbench.events.stream import EventStream, SensorGeometry


def merge_polarities(stream: EventStream) -> EventStream:
    """The stream with every event ON."""
    return EventStream(stream.t, stream.x, stream.y, np.ones(len(stream), np.bool_), stream.geometry)


def crop(stream: EventStream, left: int, top: int, width: int, height: int) -> EventStream:
    """The events of a rectangle of pixels, whose upper left corner becomes (0, 0).

    Raises ValueError where the rectangle is empty or reaches beyond the sensor.
    """
    geometry = stream.geometry
    if min(width, height) < 1 or min(left, top) < 0 or left + width > geometry.width or top + height > geometry.height:
        raise ValueError(
            f"{width}x{height} pixels from ({left}, {top}) do not lie on a {geometry.width}x{geometry.height} sensor"
        )
    x, y = stream.x.astype(np.int64) - left, stream.y.astype(np.int64) - top
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    return EventStream.from_arrays(
        stream.t[inside], x[inside], y[inside], stream.on[inside], SensorGeometry(width, height)
    )


def rotate(stream: EventStream, quarters: int) -> EventStream:
    """The stream turned clockwise by quarter turns; an odd number of them swaps the sensor's sides."""
    x, y = stream.x.astype(np.int64), stream.y.astype(np.int64)
    width, height = stream.geometry.width, stream.geometry.height
    for _ in range(quarters % 4):
        x, y, width, height = height - 1 - y, x, height, width
    return EventStream.from_arrays(stream.t, x, y, stream.on, SensorGeometry(width, height))


def mirror(stream: EventStream, swap: Literal["left-right", "top-bottom"]) -> EventStream:
    """The stream with left and right, or top and bottom, in each other's place."""
    x, y = stream.x.astype(np.int64), stream.y.astype(np.int64)
    if swap == "left-right":
        x = stream.geometry.width - 1 - x
    else:
        y = stream.geometry.height - 1 - y
    return EventStream.from_arrays(stream.t, x, y, stream.on, stream.geometry)


def downsample(stream: EventStream, size: tuple[int, int]) -> EventStream:
    """The stream on a sensor of `size`, (height, width): pixel x becomes x * width // old width; all events stay.

    Raises ValueError where the size is larger than the sensor or has no pixel.
    """
    height, width = size
    geometry = stream.geometry
    if not (0 < height <= geometry.height and 0 < width <= geometry.width):
        raise ValueError(f"a {geometry.width}x{geometry.height} sensor cannot be brought down to {width}x{height}")
    x = stream.x.astype(np.int64) * width // geometry.width
    y = stream.y.astype(np.int64) * height // geometry.height
    return EventStream.from_arrays(stream.t, x, y, stream.on, SensorGeometry(width, height))
