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
