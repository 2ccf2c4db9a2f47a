"""A simulated DVS pixel array: log intensity in, events out, with mismatch, refractory period and noise.

The pixel is that of Lichtsteiner, Posch and Delbruck, "A 128x128 120 dB 15 µs latency asynchronous temporal contrast
vision sensor" (2008): it sends an event each time the log intensity has moved by its threshold since its last one.
Only additions, multiplications and comparisons touch the pixels, so a seed gives the same bytes on every processor.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evbench.events.stream import EventStream, SensorGeometry


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera's pixels. threshold: natural log units; mismatch: standard deviation of the pixels' thresholds as a
    share of it; refractory_us: how long a pixel rests after an event; noise_hz: noise events per pixel and second;
    hot_pixels, hot_hz: pixels that fire on their own, and how often; seed: which camera of its kind it is."""

    geometry: SensorGeometry
    threshold: float = 0.22
    mismatch: float = 0.08
    refractory_us: int = 500
    noise_hz: float = 0.1
    hot_pixels: int = 4
    hot_hz: float = 20.0
    seed: int = 0


def record(
    camera: Camera,
    frames: Iterable[NDArray[np.float32]],
    step_us: int,
    rng: np.random.Generator,
    *,
    start_us: int = 0,
) -> EventStream:
    """The events of a scene in time order, the first frame at `start_us`.

    frames: log intensity [H, W] float32 every `step_us` microseconds; between two frames each pixel changes linearly,
    so an event's time is that of the threshold's crossing. `rng` makes the noise, `camera.seed` the mismatch.
    """
    shape = (camera.geometry.height, camera.geometry.width)
    pixels = shape[0] * shape[1]
    own = np.random.default_rng(camera.seed)
    spread = np.clip(own.standard_normal(pixels), -2.5, 2.5) * camera.mismatch
    threshold = (camera.threshold * (1.0 + spread)).astype(np.float32)
    hot = own.integers(0, pixels, camera.hot_pixels)
    caught: list[_Caught] = []
    before = reference = np.empty(0, np.float32)
    last = np.full(pixels, -camera.refractory_us, np.int64)
    moved = np.empty(pixels, np.float32)
    steps = 0
    for number, frame in enumerate(frames):
        level = frame.reshape(-1)
        if number == 0:
            # Where in its range a pixel starts is chance, else all would fire together.
            reference = level + (own.random(pixels, np.float32) - np.float32(0.5)) * threshold
        else:
            np.subtract(level, reference, out=moved)
            np.abs(moved, out=moved)
            crossing = np.flatnonzero(moved >= threshold)
            if len(crossing):
                caught += _crossings(crossing, before, level, reference, threshold, (number - 1) * step_us, step_us)
        before = level.copy()
        steps = number
    caught = [_rested(events, last, camera.refractory_us) for events in caught]
    caught += _noise(np.arange(pixels), camera.noise_hz, steps * step_us, rng)
    caught += _noise(hot, camera.hot_hz, steps * step_us, rng)
    return _merge(caught, camera.geometry, start_us)


_Caught = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]
"""Times, pixels and polarities of some events."""


def _crossings(
    pixel: NDArray[np.int64],
    before: NDArray[np.float32],
    level: NDArray[np.float32],
    reference: NDArray[np.float32],
    threshold: NDArray[np.float32],
    start_us: int,
    step_us: int,
) -> list[_Caught]:
    """Every crossing of a threshold within one step, in groups that name no pixel twice; moves `reference`."""
    caught: list[_Caught] = []
    while len(pixel):
        rising = level[pixel] > reference[pixel]
        crossed = reference[pixel] + np.where(rising, threshold[pixel], -threshold[pixel])
        reference[pixel] = crossed
        change = level[pixel] - before[pixel]
        share = np.divide(crossed - before[pixel], change, out=np.zeros_like(change), where=change != 0)
        t = start_us + np.floor(np.clip(share, 0.0, 1.0) * np.float32(step_us)).astype(np.int64)
        caught.append((t, pixel, rising))
        pixel = pixel[np.abs(level[pixel] - reference[pixel]) >= threshold[pixel]]
    return caught


def _rested(events: _Caught, last: NDArray[np.int64], refractory_us: int) -> _Caught:
    """The events whose pixel has rested since its last one; moves `last`. The pixel's memory follows the light either
    way, because a resting pixel is held in reset."""
    t, pixel, on = events
    fires = t - last[pixel] >= refractory_us
    t, pixel, on = t[fires], pixel[fires], on[fires]
    last[pixel] = t
    return t, pixel, on


def _noise(pixels: NDArray[np.int64], rate_hz: float, duration_us: int, rng: np.random.Generator) -> list[_Caught]:
    """Events without cause, evenly over the pixels, the time and both polarities."""
    if not len(pixels) or duration_us < 1:
        return []
    events = int(rng.poisson(rate_hz * len(pixels) * duration_us / 1e6))
    t = rng.integers(0, duration_us, events)
    return [(t, pixels[rng.integers(0, len(pixels), events)], rng.random(events) < 0.5)]


def _merge(caught: list[_Caught], geometry: SensorGeometry, start_us: int) -> EventStream:
    if not caught:
        nothing = np.empty(0, np.int64)
        return EventStream.from_arrays(nothing, nothing, nothing, nothing, geometry)
    t = np.concatenate([events[0] for events in caught])
    pixel = np.concatenate([events[1] for events in caught])
    on = np.concatenate([events[2] for events in caught])
    order = np.argsort(t, kind="stable")
    y, x = np.divmod(pixel[order], geometry.width)
    return EventStream.from_arrays(start_us + t[order], x, y, on[order], geometry)
