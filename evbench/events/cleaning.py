"""Applies a recipe's filters to a stream, one after the other."""

from __future__ import annotations

from collections.abc import Iterable

from evbench.errors import ProfileError
from evbench.events.filters import background_activity, hot_pixels, outside_pixels, refractory_period
from evbench.events.stream import EventStream
from evbench.events.transforms import crop, downsample, merge_polarities, mirror, rotate
from evbench.profiles import (
    BackgroundActivity,
    Crop,
    Downsample,
    FilterSettings,
    HotPixels,
    Mirror,
    PolarityMerge,
    Refractory,
    Rotate,
)


def filter_stream(stream: EventStream, filters: Iterable[FilterSettings]) -> EventStream:
    """The stream behind a recipe's filters. Raises ProfileError where one does not suit the sensor."""
    for number, settings in enumerate(filters):
        try:
            stream = _filtered(stream, settings)
        except ValueError as error:
            raise ProfileError(
                f"The filter {settings.name} does not suit the recording: {error}",
                where=f"representation.filters.{number}",
                remedy="Change it in the recipe",
            ) from None
    return stream


def _filtered(stream: EventStream, settings: FilterSettings) -> EventStream:
    match settings:
        case BackgroundActivity():
            return stream[background_activity(stream, settings.keep_within)]
        case HotPixels():
            return stream[outside_pixels(stream, hot_pixels(stream, settings.factor))]
        case Refractory():
            return stream[refractory_period(stream, settings.period)]
        case PolarityMerge():
            return merge_polarities(stream)
        case Crop():
            return crop(stream, settings.left, settings.top, settings.width, settings.height)
        case Rotate():
            return rotate(stream, settings.quarters)
        case Mirror():
            return mirror(stream, settings.swap)
        case Downsample():
            return downsample(stream, settings.size)
