"""Applies a recipe's filters to a stream, one after the other, and says what each of them did."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from evbench.errors import ProfileError
from evbench.events.filter_text import filter_text
from evbench.events.filters import background_activity, hot_pixels, list_pixels, outside_pixels, refractory_period
from evbench.events.stream import EventStream, SensorGeometry
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


@dataclass(frozen=True, slots=True)
class FilterStep:
    """What one filter did: events before and after it; `hot` are the pixels, (x, y), that it found hot and masked."""

    settings: FilterSettings
    before: int
    after: int
    hot: tuple[tuple[int, int], ...] = ()

    @property
    def kept(self) -> float:
        """The share of the events that it kept."""
        return self.after / self.before if self.before else 1.0

    def to_json(self) -> dict[str, Any]:
        """The filter as in a recipe, with `events_before`, `events_after` and, if it looks for it, `hot_pixels`."""
        found = {"hot_pixels": [list(pixel) for pixel in self.hot]} if isinstance(self.settings, HotPixels) else {}
        table = self.settings.model_dump(mode="json")
        return {**table, "events_before": self.before, "events_after": self.after, **found}


@dataclass(frozen=True, slots=True, eq=False)
class Cleaned:
    """A stream behind its filters, and what each of them did."""

    stream: EventStream
    steps: tuple[FilterStep, ...]


def filter_stream(stream: EventStream, filters: Iterable[FilterSettings]) -> EventStream:
    """The stream behind a recipe's filters. Raises ProfileError where one does not suit the sensor."""
    return clean(stream, filters).stream


def clean(stream: EventStream, filters: Iterable[FilterSettings]) -> Cleaned:
    """The stream behind filters and what each of them did. Raises ProfileError where one does not suit the sensor."""
    steps = []
    for settings in filters:
        before = len(stream)
        try:
            stream, hot = _filtered(stream, settings)
        except ValueError as error:
            raise ProfileError(
                f"The filter {settings.name} does not suit the recording: {error}",
                where=filter_text(settings),
                remedy="Change it or leave it out",
            ) from None
        steps.append(FilterStep(settings, before, len(stream), hot))
    return Cleaned(stream, tuple(steps))


def filters_to_try(geometry: SensorGeometry) -> tuple[FilterSettings, ...]:
    """One filter of every kind, noise before geometry, with settings to begin with on a sensor of this size: the
    inner half, half the resolution."""
    width, height = geometry.width, geometry.height
    half_w, half_h = max(width // 2, 1), max(height // 2, 1)
    return (
        HotPixels(name="hot-pixels"),
        Refractory(name="refractory", period=1_000),
        BackgroundActivity(name="background-activity", keep_within=30_000),
        PolarityMerge(name="polarity-merge"),
        Crop(name="crop", left=width // 4, top=height // 4, width=half_w, height=half_h),
        Rotate(name="rotate"),
        Mirror(name="mirror"),
        Downsample(name="downsample", size=(half_h, half_w)),
    )


def _filtered(stream: EventStream, settings: FilterSettings) -> tuple[EventStream, tuple[tuple[int, int], ...]]:
    """The stream behind one filter, and the pixels it found hot."""
    match settings:
        case BackgroundActivity():
            return stream[background_activity(stream, settings.keep_within)], ()
        case HotPixels():
            hot = hot_pixels(stream, settings.factor)
            return stream[outside_pixels(stream, hot)], tuple(list_pixels(hot))
        case Refractory():
            return stream[refractory_period(stream, settings.period)], ()
        case PolarityMerge():
            return merge_polarities(stream), ()
        case Crop():
            return crop(stream, settings.left, settings.top, settings.width, settings.height), ()
        case Rotate():
            return rotate(stream, settings.quarters), ()
        case Mirror():
            return mirror(stream, settings.swap), ()
        case Downsample():
            return downsample(stream, settings.size), ()
