"""The picture of a person's upper body: limbs are capsules, drawn where they are and smoothed at their edges.

Places in the body are metres from the base of the neck: x to the right as the camera sees it, y down, z towards the
camera. The picture is luminance, 1 for white in full light.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evbench.events.stream import SensorGeometry

GEOMETRY = SensorGeometry(128, 128)
TRUNK_STEPS = 5
"""The trunk sways slowly: it is drawn once in so many frames, and the frames between are blended."""

_CAMERA_M = 2.4
"""How far away the camera is: what is nearer looks larger."""

Point = tuple[float, float, float]
"""x, y, z in metres."""

Picture = NDArray[np.float32]
"""Luminance [H, W]."""

_Segment = tuple[Point, Point, float, float, float, int]
"""Both ends, the radius in metres at either, the reflectance, and how many stripes lie across it."""


@dataclass(frozen=True, slots=True)
class Body:
    """A person's measures in metres and place in the picture. shoulder: from the neck's base outwards; girth: thickness
    of all limbs against the usual; scale: pixels per metre at the body's distance; neck: its base in pixels."""

    upper_arm: float
    forearm: float
    hand: float
    shoulder: float
    girth: float
    scale: float
    neck: tuple[float, float]

    @property
    def reach(self) -> float:
        """From the shoulder to the wrist of a straight arm, metres."""
        return self.upper_arm + self.forearm


@dataclass(frozen=True, slots=True)
class Look:
    """Reflectances from 0 to 1, of skin, of the shirt's trunk and sleeves, of hair; whether sleeves reach the wrist;
    stripes per limb, 0 for plain cloth; light: of the room, 1 for what the camera is set up for; slant: how much
    brighter the right edge of the picture is than the left and the lower than the upper, as shares; edge: how many
    pixels the lens smears an edge over; wall: the background's reflectance [H, W]."""

    skin: float
    shirt: float
    sleeve: float
    hair: float
    long_sleeves: bool
    stripes: int
    light: float
    slant: tuple[float, float]
    edge: float
    wall: Picture


@dataclass(frozen=True, slots=True)
class Arm:
    """Where an arm is."""

    shoulder: Point
    elbow: Point
    wrist: Point


@dataclass(frozen=True, slots=True)
class Pose:
    """Where the body is at one moment. sway: of the trunk from where it stands, metres right and down; moving: arms
    in fast motion; resting: arms that move no faster than the trunk."""

    sway: tuple[float, float]
    moving: tuple[Arm, ...]
    resting: tuple[Arm, ...]


def pictures(body: Body, look: Look, poses: Sequence[Pose]) -> Iterator[Picture]:
    """The luminance of each pose in turn, as a camera before the person sees it; float32 [H, W]."""
    light = _lighting(look)
    trunk = ahead = np.empty(0, np.float32)
    change = trunk
    for number, pose in enumerate(poses):
        if number % TRUNK_STEPS == 0:
            trunk = ahead if number else _trunk(body, look, pose)
            ahead = _trunk(body, look, poses[min(number + TRUNK_STEPS, len(poses) - 1)])
            change = (ahead - trunk) * np.float32(1.0 / TRUNK_STEPS)
            frame = trunk.copy()
        else:
            trunk = trunk + change
            frame = trunk.copy()
        _draw_arms(frame, body, look, pose.moving)
        frame *= light
        yield frame


def draw_wall(rng: np.random.Generator) -> Picture:
    """The reflectance of a room behind the person: a tone, and some boxes (shelves, windows, posters) of others."""
    tone = rng.uniform(0.25, 0.75)
    wall = np.full((GEOMETRY.height, GEOMETRY.width), tone, np.float32)
    contrast = rng.uniform(0.0, 0.5)
    for _ in range(int(rng.integers(0, 7))):
        x, y = (int(corner) for corner in rng.integers(-20, 118, 2))
        width, height = (int(side) for side in rng.integers(10, 60, 2))
        wall[max(y, 0) : max(y + height, 0), max(x, 0) : max(x + width, 0)] = tone * (
            1.0 + rng.uniform(-1, 1) * contrast
        )
    for _ in range(3):
        wall[:, 1:-1] = 0.25 * wall[:, :-2] + 0.5 * wall[:, 1:-1] + 0.25 * wall[:, 2:]
        wall[1:-1] = 0.25 * wall[:-2] + 0.5 * wall[1:-1] + 0.25 * wall[2:]
    return wall


def bend(shoulder: Point, wrist: Point, pole: Point, upper: float, fore: float) -> Arm:
    """The arm whose wrist is at `wrist`, or as far in its direction as the arm reaches; the elbow points to `pole`.

    The two-bone chain's inverse kinematics by the law of cosines. Lengths in metres.
    """
    way = _minus(wrist, shoulder)
    distance = max(_length(way), 1e-6)
    reached = min(max(distance, abs(upper - fore) + 0.02), upper + fore - 0.005)
    along = _times(way, 1.0 / distance)
    wrist = _plus(shoulder, _times(along, reached))
    side = _minus(pole, _times(along, _dot(pole, along)))
    side = _times(side, 1.0 / max(_length(side), 1e-6))
    foot = (upper * upper - fore * fore + reached * reached) / (2.0 * reached)
    height = math.sqrt(max(upper * upper - foot * foot, 0.0))
    elbow = _plus(shoulder, _plus(_times(along, foot), _times(side, height)))
    return Arm(shoulder, elbow, wrist)


def draw_capsule(
    frame: Picture,
    a: tuple[float, float],
    b: tuple[float, float],
    radii: tuple[float, float],
    tone: float,
    edge: float,
    stripes: int = 0,
) -> None:
    """Draws a rounded limb from `a` to `b` (pixels) into `frame`, darker towards its sides, smooth over `edge` pixels.

    How much of a pixel is covered follows from its distance to the segment, which is exact for straight sides.
    """
    thickest = max(radii) + edge
    x0, x1 = max(int(min(a[0], b[0]) - thickest), 0), min(int(max(a[0], b[0]) + thickest) + 2, frame.shape[1])
    y0, y1 = max(int(min(a[1], b[1]) - thickest), 0), min(int(max(a[1], b[1]) + thickest) + 2, frame.shape[0])
    if x0 >= x1 or y0 >= y1:
        return
    box = frame[y0:y1, x0:x1]
    dx, dy = b[0] - a[0], b[1] - a[1]
    scale = 1.0 / max(dx * dx + dy * dy, 1e-6)
    x = np.arange(x0, x1, dtype=np.float32) - np.float32(a[0])
    y = np.arange(y0, y1, dtype=np.float32)[:, None] - np.float32(a[1])
    along = x * np.float32(dx * scale) + y * np.float32(dy * scale)
    np.clip(along, 0.0, 1.0, out=along)
    across = x - along * np.float32(dx)
    across *= across
    down = y - along * np.float32(dy)
    down *= down
    across += down
    radius = along * np.float32(radii[1] - radii[0])
    radius += np.float32(radii[0])
    shade = across / radius
    shade /= radius
    np.sqrt(across, out=across)
    radius -= across
    radius *= np.float32(1.0 / edge)
    radius += np.float32(0.5)
    cover = np.clip(radius, 0.0, 1.0, out=radius)
    np.minimum(shade, 1.0, out=shade)
    shade *= np.float32(-_RIM * tone)
    shade += np.float32(tone)
    if stripes:
        phase = along * np.float32(stripes)
        phase -= np.floor(phase)
        phase -= np.float32(0.5)
        np.abs(phase, out=phase)
        shade *= phase * np.float32(2.0 * _STRIPE) + np.float32(1.0 - 0.5 * _STRIPE)
    shade -= box
    shade *= cover
    box += shade


_RIM = 0.5
"""How much darker a limb's outline is than its middle."""
_STRIPE = 0.7
"""How far a stripe is from the cloth beside it, as a share."""


def _lighting(look: Look) -> Picture:
    x = np.linspace(-0.5, 0.5, GEOMETRY.width, dtype=np.float32)
    y = np.linspace(-0.5, 0.5, GEOMETRY.height, dtype=np.float32)[:, None]
    return np.float32(look.light) * (1.0 + np.float32(look.slant[0]) * x + np.float32(look.slant[1]) * y)


def _trunk(body: Body, look: Look, pose: Pose) -> Picture:
    """Wall, trunk, head and the arms at rest."""
    frame = look.wall.copy()
    x, y = pose.sway
    girth, width = body.girth, body.shoulder

    def at(right: float, down: float) -> Point:
        return x + right, y + down, 0.0

    head_x = 0.4 * x
    parts: list[_Segment] = [
        (at(head_x, -0.27), at(head_x, -0.22), 0.095, 0.100, look.hair, 0),
        (at(0.0, -0.12), at(0.0, 0.02), 0.050, 0.060, look.skin * 0.8, 0),
        (at(-width + 0.05, 0.06), at(width - 0.05, 0.06), 0.060 * girth, 0.060 * girth, look.shirt, 0),
        (at(0.0, 0.20), at(0.0, 1.30), 0.175 * girth, 0.165 * girth, look.shirt, 4 * look.stripes),
        (at(head_x, -0.22), at(head_x, -0.15), 0.080, 0.065, look.skin, 0),
        (at(head_x - 0.03, -0.20), at(head_x - 0.03, -0.20), 0.013, 0.013, 0.3 * look.skin, 0),
        (at(head_x + 0.03, -0.20), at(head_x + 0.03, -0.20), 0.013, 0.013, 0.3 * look.skin, 0),
    ]
    for part in parts:
        _draw(frame, body, look, part)
    _draw_arms(frame, body, look, pose.resting)
    return frame


def _draw_arms(frame: Picture, body: Body, look: Look, arms: Sequence[Arm]) -> None:
    """All segments of the arms, the farthest first."""
    segments: list[_Segment] = []
    girth = body.girth
    below = look.sleeve if look.long_sleeves else look.skin
    for arm in arms:
        forward = _times(_minus(arm.wrist, arm.elbow), body.hand / body.forearm)
        segments += [
            (arm.shoulder, arm.elbow, 0.058 * girth, 0.046 * girth, look.sleeve, look.stripes),
            (arm.elbow, arm.wrist, 0.045 * girth, 0.032 * girth, below, look.stripes if look.long_sleeves else 0),
            (_plus(arm.wrist, _times(forward, 0.3)), _plus(arm.wrist, forward), 0.038, 0.044, look.skin, 0),
        ]
    for segment in sorted(segments, key=lambda one: one[0][2] + one[1][2]):
        _draw(frame, body, look, segment)


def _draw(frame: Picture, body: Body, look: Look, segment: _Segment) -> None:
    a, b, radius_a, radius_b, tone, stripes = segment
    near_a, near_b = (body.scale * _CAMERA_M / (_CAMERA_M - end[2]) for end in (a, b))
    draw_capsule(
        frame,
        (body.neck[0] + near_a * a[0], body.neck[1] + near_a * a[1]),
        (body.neck[0] + near_b * b[0], body.neck[1] + near_b * b[1]),
        (near_a * radius_a, near_b * radius_b),
        tone,
        look.edge,
        stripes,
    )


def _plus(a: Point, b: Point) -> Point:
    return a[0] + b[0], a[1] + b[1], a[2] + b[2]


def _minus(a: Point, b: Point) -> Point:
    return a[0] - b[0], a[1] - b[1], a[2] - b[2]


def _times(a: Point, factor: float) -> Point:
    return a[0] * factor, a[1] * factor, a[2] * factor


def _dot(a: Point, b: Point) -> float:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _length(a: Point) -> float:
    return math.sqrt(_dot(a, a))
