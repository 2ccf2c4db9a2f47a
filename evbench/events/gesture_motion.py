"""The eleven gestures as motions of two arms: where each wrist is at which phase, and how a person departs from it.

Right and left are the person's. Clockwise is as the camera sees it, because the original set's paper does not say.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from evbench.events.gesture_body import Arm, Body, Point, Pose, bend

RIGHT, LEFT = -1.0, 1.0
"""The side of an arm: the sign of x as the camera sees a person who faces it."""

OTHERS = ("flap", "punch", "wipe", "eight", "overhead clap", "lasso", "lift")
"""What people do when asked for a gesture of their own."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How a person moves. speed, size: against the usual; rush: how much of the tempo comes and goes, as a share;
    swell: the same of the size; sway: of the trunk, metres; follow: how far the trunk goes with the arms, metres;
    left_handed: plays the guitar the other way round; own: which of OTHERS is their own gesture."""

    speed: float
    size: float
    rush: float
    swell: float
    sway: float
    follow: float
    left_handed: bool
    own: str


@dataclass(frozen=True, slots=True)
class Moment:
    """One moment of a motion. phase: radians, 2 pi a repetition; size: against the usual; slow: radians of a motion
    that takes about four repetitions."""

    phase: float
    size: float
    slow: float


Motion = Callable[[Moment], "dict[float, Arm]"]
"""The arms that take part, by side, seen from a trunk that stands still."""


def poses(
    gesture: str, body: Body, manner: Manner, seconds: float, step_us: int, rng: np.random.Generator
) -> list[Pose]:
    """The body at time 0 and every `step_us` until `seconds`, repeating `gesture` as `manner` has it.

    What one performance differs in from the next (tempo, place, size, phase) comes from `rng`.
    """
    tempo, motion = _MOTIONS[gesture](body, manner, rng)
    tempo *= manner.speed
    start, slow_start, rush_at, sway_at, swell_at = (float(turn) for turn in rng.uniform(0.0, 2.0 * math.pi, 5))
    drift = rng.uniform(0.25, 0.45)
    found = []
    for step in range(round(seconds * 1e6) // step_us + 1):
        t = step * step_us / 1e6
        turning = 2.0 * math.pi * drift * t
        rush = manner.rush * math.sin(turning + rush_at) / (2.0 * math.pi * drift)
        moment = Moment(
            phase=start + 2.0 * math.pi * tempo * (t + rush),
            size=manner.size * (1.0 + manner.swell * math.sin(1.7 * turning + swell_at)),
            slow=slow_start + 0.5 * math.pi * tempo * t,
        )
        arms = motion(moment)
        together = sum(arm.wrist[0] for arm in arms.values()) / len(arms)
        sway = (
            manner.sway * math.sin(turning + sway_at) + manner.follow * together,
            0.4 * manner.sway * math.sin(1.3 * turning),
        )
        resting = [_hanging(body, side, turning + side) for side in (RIGHT, LEFT) if side not in arms]
        found.append(
            Pose(sway, tuple(_moved(arm, sway) for arm in arms.values()), tuple(_moved(arm, sway) for arm in resting))
        )
    return found


_Choice = Callable[[Body, Manner, np.random.Generator], "tuple[float, Motion]"]
"""Draws one performance: repetitions per second, and the motion."""


def _shoulder(body: Body, side: float) -> Point:
    return side * body.shoulder, 0.05, 0.0


def _reaching(body: Body, side: float, wrist: Point, pole: Point = (0.6, 1.0, -0.2)) -> Arm:
    """The arm with its wrist at `wrist`; the pole's x points away from the body."""
    return bend(_shoulder(body, side), wrist, (side * pole[0], pole[1], pole[2]), body.upper_arm, body.forearm)


def _hanging(body: Body, side: float, turning: float) -> Arm:
    x, y, _ = _shoulder(body, side)
    wrist = (x + side * (0.07 + 0.01 * math.sin(turning)), y + 0.96 * body.reach, 0.06 + 0.01 * math.cos(turning))
    return _reaching(body, side, wrist, (0.5, 0.0, -1.0))


def _moved(arm: Arm, sway: tuple[float, float]) -> Arm:
    right, down = sway

    def at(point: Point) -> Point:
        return point[0] + right, point[1] + down, point[2]

    return Arm(at(arm.shoulder), at(arm.elbow), at(arm.wrist))


def _clap(body: Body, manner: Manner, rng: np.random.Generator) -> tuple[float, Motion]:
    middle, height, forward = rng.uniform(-0.04, 0.04), rng.uniform(0.10, 0.30), rng.uniform(0.22, 0.38)
    gap, tilt = rng.uniform(0.11, 0.20), rng.uniform(-0.3, 0.3)

    def motion(now: Moment) -> dict[float, Arm]:
        open_by = 0.035 + gap * now.size * (0.5 - 0.5 * math.cos(now.phase))
        return {
            side: _reaching(
                body, side, (middle + side * open_by, height + side * tilt * open_by, forward), (1.0, 0.8, 0.0)
            )
            for side in (RIGHT, LEFT)
        }

    return rng.uniform(1.5, 2.8), motion


def _wave(side: float) -> _Choice:
    def choose(body: Body, manner: Manner, rng: np.random.Generator) -> tuple[float, Motion]:
        away, lowered, forward = rng.uniform(0.25, 0.75), rng.uniform(0.35, 0.95), rng.uniform(0.1, 0.4)
        lean, swing, toward = rng.uniform(-0.15, 0.35), rng.uniform(0.35, 0.75), rng.uniform(0.1, 0.4)

        def motion(now: Moment) -> dict[float, Arm]:
            shoulder = _shoulder(body, side)
            angle = lean + swing * now.size * math.sin(now.phase)
            outward = away + 0.05 * math.sin(now.phase)
            share = body.upper_arm / math.sqrt(outward**2 + lowered**2 + forward**2)
            elbow = (
                shoulder[0] + side * share * outward,
                shoulder[1] + share * lowered,
                shoulder[2] + share * forward,
            )
            up = math.cos(angle) * math.sqrt(1.0 - toward * toward)
            across = math.sin(angle) * math.sqrt(1.0 - toward * toward)
            wrist = (
                elbow[0] + side * body.forearm * across,
                elbow[1] - body.forearm * up,
                elbow[2] + body.forearm * toward,
            )
            return {side: Arm(shoulder, elbow, wrist)}

        return rng.uniform(1.0, 2.2), motion

    return choose


def _circle(side: float, turn: float) -> _Choice:
    """The whole arm turns before the shoulder; `turn` is 1 for clockwise."""

    def choose(body: Body, manner: Manner, rng: np.random.Generator) -> tuple[float, Motion]:
        out, down, forward = rng.uniform(0.1, 0.4), rng.uniform(-0.15, 0.20), rng.uniform(0.25, 0.55)
        wide, high, tilt = rng.uniform(0.38, 0.60), rng.uniform(0.40, 0.65), rng.uniform(-0.2, 0.2)

        def motion(now: Moment) -> dict[float, Arm]:
            shoulder, reach = _shoulder(body, side), body.reach
            right, lower = math.cos(turn * now.phase), math.sin(turn * now.phase)
            wrist = (
                shoulder[0] + reach * (side * out + now.size * wide * right),
                shoulder[1] + reach * (down + now.size * (high * lower + tilt * right)),
                reach * (forward - 0.1 * lower),
            )
            return {side: _reaching(body, side, wrist)}

        return rng.uniform(0.6, 1.2), motion

    return choose


def _roll(body: Body, manner: Manner, rng: np.random.Generator) -> tuple[float, Motion]:
    height, forward, past = rng.uniform(0.12, 0.30), rng.uniform(0.24, 0.36), rng.uniform(0.0, 0.07)
    radius, turn = rng.uniform(0.08, 0.13), 1.0 if rng.random() < 0.7 else -1.0

    def motion(now: Moment) -> dict[float, Arm]:
        arms = {}
        for side in (RIGHT, LEFT):
            angle = turn * now.phase + (0.0 if side == RIGHT else math.pi)
            around = radius * now.size
            wrist = (-side * past, height + around * math.sin(angle), forward + around * math.cos(angle))
            arms[side] = _reaching(body, side, wrist, (1.0, 0.35, 0.0))
        return arms

    return rng.uniform(1.1, 2.2), motion


def _drums(body: Body, manner: Manner, rng: np.random.Generator) -> tuple[float, Motion]:
    height, forward, apart = rng.uniform(0.22, 0.38), rng.uniform(0.22, 0.36), rng.uniform(0.12, 0.24)
    stroke, offset, wander = rng.uniform(0.14, 0.26), rng.uniform(0.8, 1.2) * math.pi, rng.uniform(0.0, 0.06)

    def motion(now: Moment) -> dict[float, Arm]:
        arms = {}
        for side in (RIGHT, LEFT):
            phase = now.phase + (0.0 if side == RIGHT else offset)
            # Lifted slowly and struck fast.
            lifted = 0.5 - 0.5 * math.cos(phase + 0.6 * math.sin(phase))
            wrist = (
                side * (apart + wander * math.sin(now.slow + side)),
                height - stroke * now.size * lifted,
                forward - 0.08 * lifted,
            )
            arms[side] = _reaching(body, side, wrist, (0.7, 1.0, -0.3))
        return arms

    return rng.uniform(1.3, 2.6), motion


def _guitar(body: Body, manner: Manner, rng: np.random.Generator) -> tuple[float, Motion]:
    strums = LEFT if manner.left_handed else RIGHT
    neck, lift, slide = rng.uniform(0.34, 0.46), rng.uniform(0.00, 0.16), rng.uniform(0.02, 0.07)
    belly, swing = rng.uniform(0.28, 0.38), rng.uniform(0.07, 0.13)

    def motion(now: Moment) -> dict[float, Arm]:
        sliding = slide * math.sin(now.slow)
        fret = (-strums * (neck + sliding), lift - 0.3 * sliding + 0.006 * math.sin(2 * now.phase), 0.24)
        beat = swing * now.size * math.sin(now.phase)
        strum = (strums * (0.03 - 0.25 * beat), belly + beat, 0.22)
        return {
            strums: _reaching(body, strums, strum, (1.0, 0.3, -0.3)),
            -strums: _reaching(body, -strums, fret, (0.3, 1.0, 0.0)),
        }

    return rng.uniform(1.6, 3.0), motion


def _other(body: Body, manner: Manner, rng: np.random.Generator) -> tuple[float, Motion]:
    a, b, c = (float(share) for share in rng.uniform(0.0, 1.0, 3))
    reach = body.reach
    lasso = RIGHT if rng.random() < 0.5 else LEFT

    def target(side: float, now: Moment) -> Point:
        x, y, _ = _shoulder(body, side)
        wave, cross = math.sin(now.phase), math.cos(now.phase)
        if manner.own == "flap":
            angle = (0.1 + 0.3 * a) + (0.5 + 0.3 * b) * now.size * wave
            return x + side * reach * 0.93 * math.cos(angle), y - reach * 0.93 * math.sin(angle), 0.1
        if manner.own == "punch":
            out = 0.5 + 0.5 * math.sin(now.phase if side == RIGHT else now.phase + math.pi)
            return side * (0.16 - 0.12 * out), 0.16 - 0.08 * out + 0.1 * a, reach * (0.25 + 0.65 * out * now.size)
        if manner.own == "wipe":
            return side * 0.12 + (0.20 + 0.1 * a) * now.size * wave, 0.05 + 0.2 * b, 0.30
        if manner.own == "eight":
            return side * 0.24 + 0.15 * now.size * wave, 0.12 + 0.12 * (1 + a) * now.size * wave * cross, 0.30
        if manner.own == "overhead clap":
            open_by = 0.04 + (0.18 + 0.12 * a) * now.size * (0.5 - 0.5 * cross)
            return side * open_by, -0.36 + 0.5 * open_by, 0.12
        if manner.own == "lasso":
            return x + side * 0.05 + 0.16 * now.size * wave, -0.32 - 0.05 * cross, 0.12 + 0.16 * cross
        return side * (0.14 + 0.1 * b), 0.20 - (0.20 + 0.1 * c) * now.size * wave, 0.30

    def motion(now: Moment) -> dict[float, Arm]:
        sides = (lasso,) if manner.own == "lasso" else (RIGHT, LEFT)
        return {side: _reaching(body, side, target(side, now), (0.8, 0.8, -0.2)) for side in sides}

    return rng.uniform(0.8, 1.6), motion


_MOTIONS: dict[str, _Choice] = {
    "hand_clapping": _clap,
    "right_hand_wave": _wave(RIGHT),
    "left_hand_wave": _wave(LEFT),
    "right_arm_clockwise": _circle(RIGHT, 1.0),
    "right_arm_counter_clockwise": _circle(RIGHT, -1.0),
    "left_arm_clockwise": _circle(LEFT, 1.0),
    "left_arm_counter_clockwise": _circle(LEFT, -1.0),
    "arm_roll": _roll,
    "air_drums": _drums,
    "air_guitar": _guitar,
    "other_gestures": _other,
}

GESTURES = tuple(_MOTIONS)
"""The classes in the order of DVS128 Gesture."""
