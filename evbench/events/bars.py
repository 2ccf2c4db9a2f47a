"""The simulated-bars set: six motions of a bar seen by a simulated DVS128, so that everything runs without data.

A recording shows several takes of one motion, each with another bar: width, length, speed, place, tilt and contrast are
left to chance. Most bars are brighter than the background, some darker. A bright bar on its way right and a dark one on
its way left leave the same picture of ON and OFF events; only their order in time tells them apart, which is what voxel
bins are for.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evbench.events.camera import Camera, record
from evbench.events.stream import EventStream, SensorGeometry
from evbench.events.windows import join

GEOMETRY = SensorGeometry(128, 128)
MOTIONS = ("right", "left", "up", "down", "clockwise", "counter-clockwise")
"""The classes, as seen on a screen whose y axis points down."""

TRAIN_SUBJECTS = range(8)
VALIDATION_SUBJECTS = range(8, 10)
TEST_SUBJECTS = range(10, 12)

RECORDING_US = 2_000_000
TAKE_US = 100_000
STEP_US = 5_000
_SEED = 20_260_101
_BRIGHT_SHARE = 0.75
_EDGE_PX = 2.0
_HEADINGS = {"right": 0.0, "down": 90.0, "left": 180.0, "up": 270.0}


@dataclass(frozen=True, slots=True)
class Bar:
    """One take's scene. heading: degrees from right towards down, None when the bar turns; speed: pixels per
    second, or radians per second (clockwise positive) when it turns; width, length, spacing of one bar to the next:
    pixels; centre: x, y; contrast: log intensity against the background, negative for a dark bar; wobble: how much of
    the speed comes and goes, as a share; start: pixels or radians."""

    heading: float | None
    speed: float
    width: float
    length: float
    spacing: float
    centre: tuple[float, float]
    contrast: float
    wobble: float
    start: float


def simulate(subject: int, motion: str, *, duration_us: int = RECORDING_US) -> EventStream:
    """One subject's recording of one motion, `duration_us` long and always the same: all chance comes from the two.

    A shorter recording is the beginning of the longer one where it holds whole takes of 100 ms.
    """
    rng = np.random.default_rng([_SEED, subject, MOTIONS.index(motion)])
    camera = Camera(
        GEOMETRY,
        noise_hz=rng.uniform(0.03, 0.25),
        hot_pixels=int(rng.integers(0, 6)),
        seed=_SEED + subject,
    )
    takes = []
    for start in range(0, duration_us, TAKE_US):
        frames = scene(draw_bar(motion, rng), min(TAKE_US, duration_us - start))
        takes.append(record(camera, frames, STEP_US, rng, start_us=start))
    return join(takes)


def recording_name(subject: int, motion: str) -> str:
    """The name by which `simulate_by_name` knows a recording."""
    return f"subject-{subject:02d}/{motion}"


@functools.lru_cache(maxsize=128)
def simulate_by_name(name: str) -> EventStream:
    """The recording that `recording_name` names; a process simulates each once (the whole set is about 30 MB)."""
    subject, _, motion = name.removeprefix("subject-").partition("/")
    return simulate(int(subject), motion)


def draw_bar(motion: str, rng: np.random.Generator) -> Bar:
    """A bar of the given motion with everything else left to chance."""
    turns = motion not in _HEADINGS
    heading = None if turns else math.radians(_HEADINGS[motion] + rng.uniform(-15.0, 15.0))
    speed = rng.uniform(2.2, 4.5) if turns else rng.uniform(50.0, 110.0)
    if motion == "counter-clockwise":
        speed = -speed
    sign = 1.0 if rng.random() < _BRIGHT_SHARE else -1.0
    return Bar(
        heading=heading,
        speed=speed,
        width=rng.uniform(4.0, 12.0),
        length=rng.uniform(60.0, 90.0) if turns else rng.uniform(25.0, 60.0),
        spacing=rng.uniform(70.0, 100.0),
        centre=(64.0 + rng.uniform(-12.0, 12.0), 64.0 + rng.uniform(-12.0, 12.0)),
        contrast=sign * rng.uniform(0.3, 0.5),
        wobble=rng.uniform(0.0, 0.4),
        start=rng.uniform(0.0, 90.0),
    )


def scene(bar: Bar, duration_us: int) -> Iterator[NDArray[np.float32]]:
    """The bar's log intensity [H, W] float32 every STEP_US, the first at time 0, the last at `duration_us`."""
    x = np.arange(GEOMETRY.width, dtype=np.float32)[None, :] - np.float32(bar.centre[0])
    y = np.arange(GEOMETRY.height, dtype=np.float32)[:, None] - np.float32(bar.centre[1])
    across = _turning(bar, x, y) if bar.heading is None else _passing(bar, x, y)
    half_length = np.float32(bar.length / 2)
    along = np.sqrt(x * x + y * y) if bar.heading is None else np.abs(_rotated(x, y, bar.heading + math.pi / 2))
    window = np.float32(bar.contrast) * _soft(half_length - along)
    for step in range(duration_us // STEP_US + 1):
        seconds = step * STEP_US / 1e6
        # One wobble a second, which never turns the motion round because the speed stays above 1 - wobble of itself.
        travelled = bar.start + bar.speed * (seconds + bar.wobble * math.sin(2 * math.pi * seconds) / (2 * math.pi))
        distance = across(travelled)
        np.subtract(np.float32(bar.width / 2), np.abs(distance, out=distance), out=distance)
        yield _soft(distance) * window


_Across = Callable[[float], NDArray[np.float32]]
"""From how far the bar has moved to each pixel's distance from its middle line."""


def _passing(bar: Bar, x: NDArray[np.float32], y: NDArray[np.float32]) -> _Across:
    assert bar.heading is not None
    place, spacing = _rotated(x, y, bar.heading), np.float32(bar.spacing)

    def across(travelled: float) -> NDArray[np.float32]:
        distance = place - np.float32(math.fmod(travelled, bar.spacing))
        distance -= spacing * np.rint(distance / spacing)
        return distance

    return across


def _turning(bar: Bar, x: NDArray[np.float32], y: NDArray[np.float32]) -> _Across:
    def across(travelled: float) -> NDArray[np.float32]:
        return _rotated(x, y, travelled + math.pi / 2)

    return across


def _rotated(x: NDArray[np.float32], y: NDArray[np.float32], angle: float) -> NDArray[np.float32]:
    """Each pixel's coordinate along the direction `angle`, radians from right towards down."""
    return x * np.float32(math.cos(angle)) + y * np.float32(math.sin(angle))


def _soft(inside: NDArray[np.float32]) -> NDArray[np.float32]:
    """1 within, 0 without, a slope two pixels wide at the border; `inside` is the distance from it in pixels."""
    inside *= np.float32(1.0 / _EDGE_PX)
    inside += np.float32(0.5)
    return np.clip(inside, 0.0, 1.0, out=inside)
