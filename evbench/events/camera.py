"""A simulated DVS pixel array: light in, events out, with mismatch, bandwidth, refractory period, leak and noise.

The pixel is that of Lichtsteiner, Posch and Delbruck, "A 128x128 120 dB 15 µs latency asynchronous temporal contrast
vision sensor", IEEE J. Solid-State Circuits 43(2), 2008: it sends an event each time the log intensity has moved by its
threshold since its last one. Between two frames log intensity moves linearly, as in ESIM (Rebecq, Gehrig and
Scaramuzza, CoRL 2018). Light-dependent bandwidth, leak and shot noise follow v2e (Hu, Liu and Delbruck, CVPR workshop
2021). Only additions, multiplications and comparisons touch the pixels (logarithms come from a table), so a seed gives
the same bytes on every processor.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evbench.events.stream import EventStream, SensorGeometry

BRIGHTEST = 4.0
"""The luminance at which a pixel saturates; 1 is a white surface in the light the camera is set up for."""

REBOUND_ON = 0.4
"""How often an OFF event follows an ON event at once, against ON after OFF."""

_LEVELS = 1 << 16
_DARK = 0.02
"""What the dark current adds to the luminance, so that black is not minus infinity."""
_SLOWEST = 0.07
"""The luminance below which a pixel gets no slower: v2e's 20 of 275 grey levels."""
_DARK_NOISE = 4.0
"""How much more often shot noise fires a black pixel than a white one: v2e's SHOT_NOISE_INTEN_FACTOR of 0.25."""


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera's pixels.

    threshold: of ON events, natural log units (DVS128: 0.1 to 0.5 as biased); off_ratio: OFF threshold as a multiple of
    it; mismatch: standard deviation of the pixels' thresholds as a share of them (DVS128: 2.1 % contrast at a threshold
    of 0.2); refractory_us: how long a pixel rests after an event; refractory_spread: how far, as a share, the shortest
    and the longest rest of a pixel are from that; bandwidth_hz: cut-off of the photoreceptor at
    luminance 1, in proportion to the light below; leak_hz: ON events per pixel and second that the reset switch's leak
    causes (v2e: 0.1); noise_hz: noise events per pixel and second, ON as often as OFF; hot_pixels, hot_hz: pixels that
    fire on their own, and how often; jitter_us: standard deviation of the delay to the time stamp; echo: share of the
    events that the readout sends twice within a microsecond; rebound, rebound_us: share of the OFF events that an ON
    event of the same pixel follows as it leaves reset, and how much later on average (an OFF event follows an ON event
    REBOUND_ON times as often); seed: which camera of its kind. Echo and rebound are in no published model: real
    recordings of DVS128 show 5 to 14 % of the one and 40 to 70 % of the other.
    """

    geometry: SensorGeometry
    threshold: float = 0.22
    mismatch: float = 0.08
    refractory_us: int = 500
    noise_hz: float = 0.1
    hot_pixels: int = 4
    hot_hz: float = 20.0
    seed: int = 0
    off_ratio: float = 1.0
    bandwidth_hz: float = 300.0
    leak_hz: float = 0.0
    jitter_us: float = 0.0
    echo: float = 0.0
    refractory_spread: float = 0.0
    rebound: float = 0.0
    rebound_us: float = 900.0


def film(
    camera: Camera, frames: Iterable[NDArray[np.float32]], step_us: int, rng: np.random.Generator, *, start_us: int = 0
) -> EventStream:
    """The events of a lit scene: `record` behind a `photoreceptor`, with more shot noise where the scene is dark.

    frames: luminance [H, W] float32, 0 to BRIGHTEST, every `step_us` microseconds.
    """
    rest = iter(frames)
    first = next(rest)
    darkness = np.float32(1.0) / (np.float32(1.0) + np.float32(_DARK_NOISE - 1.0) * np.minimum(first, np.float32(1.0)))
    light = photoreceptor(camera, _again(first, rest), step_us)
    return record(camera, light, step_us, rng, start_us=start_us, noisiness=darkness)


def photoreceptor(camera: Camera, frames: Iterable[NDArray[np.float32]], step_us: int) -> Iterator[NDArray[np.float32]]:
    """Log intensity [H, W] float32 behind the photoreceptor's first-order low-pass, whose cut-off grows with the light.

    frames: luminance [H, W] float32, 0 to BRIGHTEST. The array yielded is overwritten by the next.
    """
    log, gain = _response(camera.bandwidth_hz, step_us)
    state = np.empty(0, np.float32)
    for number, frame in enumerate(frames):
        scaled = frame * np.float32((_LEVELS - 1) / BRIGHTEST)
        code = np.clip(scaled, 0.0, _LEVELS - 1, out=scaled).astype(np.uint16)
        level = log.take(code)
        if number == 0:
            state = level
        else:
            level -= state
            level *= gain.take(code)
            state += level
        yield state


def record(
    camera: Camera,
    frames: Iterable[NDArray[np.float32]],
    step_us: int,
    rng: np.random.Generator,
    *,
    start_us: int = 0,
    noisiness: NDArray[np.float32] | None = None,
) -> EventStream:
    """The events of a scene in time order, the first frame at `start_us`.

    frames: log intensity [H, W] float32 every `step_us` microseconds; between two frames each pixel changes linearly,
    so an event's time is that of the threshold's crossing. `rng` makes the noise, `camera.seed` the mismatch.
    noisiness: [H, W] float32, how the shot noise spreads over the pixels, 1 where it is `camera.noise_hz`; 1 is the
    most it may be.
    """
    shape = (camera.geometry.height, camera.geometry.width)
    pixels = shape[0] * shape[1]
    own = np.random.default_rng(camera.seed)
    spread = np.clip(own.standard_normal(pixels), -2.5, 2.5) * camera.mismatch
    threshold = (camera.threshold * (1.0 + spread)).astype(np.float32)
    hot = own.integers(0, pixels, camera.hot_pixels)
    rest = np.full(pixels, camera.refractory_us, np.int64)
    if camera.refractory_spread:
        rest += np.floor((2.0 * own.random(pixels) - 1.0) * camera.refractory_spread * camera.refractory_us).astype(int)
    off_ratio = np.float32(camera.off_ratio)
    caught: list[_Caught] = []
    before = reference = np.empty(0, np.float32)
    last = -rest
    moved = np.empty(pixels, np.float32)
    falling = np.empty(pixels, np.float32)
    leak = threshold * np.float32(camera.leak_hz * step_us / 1e6)
    steps = 0
    for number, frame in enumerate(frames):
        level = frame.reshape(-1)
        if number == 0:
            # Where in its range a pixel starts is chance, else all would fire together.
            reference = level + (own.random(pixels, np.float32) - np.float32(0.5)) * threshold
        else:
            if camera.leak_hz:
                reference -= leak
            np.subtract(level, reference, out=moved)
            np.multiply(moved, np.float32(-1.0) / off_ratio, out=falling)
            np.maximum(moved, falling, out=moved)
            crossing = np.flatnonzero(moved >= threshold)
            if len(crossing):
                start = (number - 1) * step_us
                caught += _crossings(crossing, before, level, reference, threshold, off_ratio, start, step_us)
        before = level.copy()
        steps = number
    duration = steps * step_us
    caught = [_rested(events, last, rest) for events in caught]
    caught += _noise(np.arange(pixels), camera.noise_hz, duration, rng, noisiness)
    caught += _noise(hot, camera.hot_hz, duration, rng)
    return _merge(_read_out(caught, camera, duration, rng), camera.geometry, start_us)


_Caught = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]
"""Times, pixels and polarities of some events."""


def _again(first: NDArray[np.float32], rest: Iterator[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
    yield first
    yield from rest


@functools.lru_cache(maxsize=4)
def _response(bandwidth_hz: float, step_us: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """By luminance: its logarithm, and the share of a change that gets through the low-pass within a step."""
    light = [code * BRIGHTEST / (_LEVELS - 1) for code in range(_LEVELS)]
    radians = -2.0 * math.pi * bandwidth_hz * step_us / 1e6
    log = np.array([math.log(level + _DARK) for level in light], np.float32)
    return log, np.array([1.0 - math.exp(radians * (level + _SLOWEST)) for level in light], np.float32)


def _crossings(
    pixel: NDArray[np.int64],
    before: NDArray[np.float32],
    level: NDArray[np.float32],
    reference: NDArray[np.float32],
    threshold: NDArray[np.float32],
    off_ratio: np.float32,
    start_us: int,
    step_us: int,
) -> list[_Caught]:
    """Every crossing of a threshold within one step, in groups that name no pixel twice; moves `reference`."""
    caught: list[_Caught] = []
    while len(pixel):
        own, goal, since = reference[pixel], level[pixel], before[pixel]
        rising = goal > own
        bound = threshold[pixel]
        crossed = own + np.where(rising, bound, -bound * off_ratio)
        reference[pixel] = crossed
        change = goal - since
        share = np.divide(crossed - since, change, out=np.zeros_like(change), where=change != 0)
        t = start_us + np.floor(np.clip(share, 0.0, 1.0) * np.float32(step_us)).astype(np.int64)
        caught.append((t, pixel, rising))
        left = goal - crossed
        pixel = pixel[np.maximum(left, left * (np.float32(-1.0) / off_ratio)) >= bound]
    return caught


def _rested(events: _Caught, last: NDArray[np.int64], rest: NDArray[np.int64]) -> _Caught:
    """The events whose pixel has rested since its last one; moves `last`. The pixel's memory follows the light either
    way, because a resting pixel is held in reset."""
    t, pixel, on = events
    fires = t - last[pixel] >= rest[pixel]
    t, pixel, on = t[fires], pixel[fires], on[fires]
    last[pixel] = t
    return t, pixel, on


def _noise(
    pixels: NDArray[np.int64],
    rate_hz: float,
    duration_us: int,
    rng: np.random.Generator,
    noisiness: NDArray[np.float32] | None = None,
) -> list[_Caught]:
    """Events without cause, evenly over the time and both polarities, and over the pixels unless `noisiness` is given:
    then events are made as often as in the noisiest pixel and thinned out where it is lower."""
    if not len(pixels) or duration_us < 1:
        return []
    events = int(rng.poisson(rate_hz * len(pixels) * duration_us / 1e6))
    t = rng.integers(0, duration_us, events)
    pixel, on = pixels[rng.integers(0, len(pixels), events)], rng.random(events) < 0.5
    if noisiness is None:
        return [(t, pixel, on)]
    kept = rng.random(events, np.float32) < noisiness.reshape(-1)[pixel]
    return [(t[kept], pixel[kept], on[kept])]


def _read_out(caught: list[_Caught], camera: Camera, duration_us: int, rng: np.random.Generator) -> list[_Caught]:
    """What the reset and the readout make of the events: followed by their opposite, late, sent twice."""
    if camera.rebound:
        caught = caught + [_rebounds(events, camera, duration_us, rng) for events in caught]
    if camera.jitter_us:
        late = [np.abs(rng.standard_normal(len(t))) * camera.jitter_us for t, _, _ in caught]
        caught = [
            (np.minimum(t + np.floor(delay).astype(np.int64), duration_us), pixel, on)
            for (t, pixel, on), delay in zip(caught, late, strict=True)
        ]
    if camera.echo:
        twice = [rng.random(len(t)) < camera.echo for t, _, _ in caught]
        caught = caught + [
            (t[again] + rng.integers(0, 2, int(again.sum())), pixel[again], on[again])
            for (t, pixel, on), again in zip(caught, twice, strict=True)
        ]
    return caught


def _rebounds(events: _Caught, camera: Camera, duration_us: int, rng: np.random.Generator) -> _Caught:
    t, pixel, on = events
    follows = rng.random(len(t)) < np.where(on, REBOUND_ON * camera.rebound, camera.rebound)
    shortest = camera.rebound_us / 3
    delay = shortest + (camera.rebound_us - shortest) * rng.standard_gamma(2.0, len(t)) / 2.0
    later = t + np.floor(delay).astype(np.int64)
    follows &= later < duration_us
    return later[follows], pixel[follows], ~on[follows]


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
