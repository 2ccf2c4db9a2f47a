"""Filters that take noise out of a stream before windows are cut."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evbench.events.stream import EventStream

_NEIGHBOURS = tuple((dx, dy) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dx, dy) != (0, 0))


def background_activity(stream: EventStream, keep_within_us: int) -> NDArray[np.bool_]:
    """Which events to keep, [N] bool: those one of whose eight neighbours fired at most `keep_within_us` before.

    An event at t stays when, at one of the neighbouring pixels, the last event before it in the stream (either
    polarity, kept or not) has a time t' with 0 <= t - t' <= keep_within_us. The pixel's own events do not count. The
    rule is the background activity filter of Delbruck, "Frame-free dynamic digital vision" (2008). Every event finds
    its neighbour's last one by a binary search in the events sorted by pixel, so the whole stream needs no loop over
    events. Raises ValueError on a negative time.
    """
    if keep_within_us < 0:
        raise ValueError(f"keep_within_us must not be negative, it is {keep_within_us}")
    events = len(stream)
    # A border of one pixel makes every neighbour of a pixel of the sensor a pixel number of its own.
    row = stream.geometry.width + 2
    pixel = (stream.y.astype(np.int64) + 1) * row + stream.x + 1
    order = np.argsort(pixel, kind="stable")
    pixel, t = pixel[order], stream.t[order]
    place = pixel * events + order
    keep = np.zeros(events, np.bool_)
    undecided = np.arange(events)
    for dx, dy in _NEIGHBOURS:
        step = dy * row + dx
        # The queries ascend like the keys, which keeps the binary searches in the cache.
        before = np.searchsorted(place, place[undecided] + step * events) - 1
        found = np.maximum(before, 0)
        age = t[undecided] - t[found]
        supported = (before >= 0) & (pixel[found] == pixel[undecided] + step) & (age >= 0) & (age <= keep_within_us)
        keep[undecided[supported]] = True
        undecided = undecided[~supported]
    mask = np.empty(events, np.bool_)
    mask[order] = keep
    return mask


def hot_pixels(stream: EventStream, factor: float = 10.0) -> NDArray[np.bool_]:
    """Which pixels are hot, [H, W] bool: those that fired more than `factor` times as often as their neighbours.

    A pixel is measured by the mean of its eight neighbours' events plus one, so that a lone event is not hot. What
    moves excites neighbouring pixels alike; a pixel that leaks or oscillates stands alone. Raises ValueError on a
    factor of one or less.
    """
    if factor <= 1:
        raise ValueError(f"factor must be greater than 1, it is {factor}")
    height, width = stream.geometry.height, stream.geometry.width
    pixel = stream.y.astype(np.int64) * width + stream.x
    count = np.bincount(pixel, minlength=height * width).reshape(height, width)
    framed, ones = np.pad(count, 1), np.pad(np.ones_like(count), 1)
    around = sum(framed[1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width] for dx, dy in _NEIGHBOURS)
    there = sum(ones[1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width] for dx, dy in _NEIGHBOURS)
    return np.asarray(count > factor * (around / np.maximum(there, 1) + 1))


def outside_pixels(stream: EventStream, pixels: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which events to keep, [N] bool: those of no pixel marked in `pixels`, [H, W] bool."""
    return ~pixels[stream.y, stream.x]


def list_pixels(pixels: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """The (x, y) of every pixel marked in `pixels`, [H, W] bool, row by row."""
    return [(int(x), int(y)) for y, x in zip(*pixels.nonzero(), strict=True)]


def refractory_period(stream: EventStream, period_us: int) -> NDArray[np.bool_]:
    """Which events to keep, [N] bool: those at least `period_us` after the event of their pixel kept before.

    Either polarity counts, as in a sensor, whose pixel is blind for a while after each event. Events out of time order
    are judged in the order of their times. The loop goes over the events that the busiest pixel keeps, and each round
    finds the next one of every pixel. Raises ValueError on a negative time.
    """
    if period_us < 0:
        raise ValueError(f"period_us must not be negative, it is {period_us}")
    keep = np.zeros(len(stream), np.bool_)
    if not len(stream):
        return keep
    pixel = stream.y.astype(np.int64) * stream.geometry.width + stream.x
    order = np.lexsort((stream.t, pixel))
    pixel, t = pixel[order], stream.t[order]
    # One ascending key for pixel and time; a pixel's last time plus the period stays below the next pixel's first.
    start = int(t.min())
    key = pixel * (int(t.max()) - start + period_us + 1) + (t - start)
    now = np.concatenate([[0], (pixel[1:] != pixel[:-1]).nonzero()[0] + 1])
    while len(now):
        keep[order[now]] = True
        following = np.searchsorted(key, key[now] + period_us) if period_us else now + 1
        inside = following < len(key)
        now, following = now[inside], following[inside]
        now = following[pixel[following] == pixel[now]]
    return keep
