"""Real-valued pictures of a window beside the counts that are quantised: bilinear voxel grid and time surface."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def bilinear_voxel_grid(
    t: Any, x: Any, y: Any, polarity: Any, *, t0: int, duration: int, bins: int, size: tuple[int, int]
) -> NDArray[np.float32]:
    """Float32 [2, bins, H, W]: each event of [t0, t0 + duration) shared between the two bins nearest to it in time.

    An event at t lies at (bins - 1) * (t - t0) / duration and gives each bin one minus its distance, as in Zhu et al.,
    "Unsupervised event-based learning of optical flow, depth, and egomotion" (2019), but with a grid for each polarity
    (OFF, ON) where they add signs. Arguments as for `voxelize`. Raises ValueError on a duration or bins below one.
    """
    if duration < 1 or bins < 1:
        raise ValueError(f"duration ({duration}) and bins ({bins}) must be at least 1")
    height, width = size
    t, x, y, on = _inside(t, x, y, polarity, t0, t0 + duration, size)
    place = (t - t0) * ((bins - 1) / duration)
    first = np.minimum(place.astype(np.int64), bins - 1)
    share = place - first
    grid = np.zeros(2 * bins * height * width)
    for bin_number, weight in ((first, 1 - share), (np.minimum(first + 1, bins - 1), share)):
        cell = ((on * bins + bin_number) * height + y) * width + x
        grid += np.bincount(cell, weights=weight, minlength=len(grid))
    return grid.astype(np.float32).reshape(2, bins, height, width)


def time_surface(
    t: Any, x: Any, y: Any, polarity: Any, *, now: int, decay_us: float, size: tuple[int, int]
) -> NDArray[np.float32]:
    """Float32 [2, H, W]: exp(-(now - t) / decay_us) for the last event at each pixel and polarity, 0 where none was.

    The time surface of Lagorce et al., "HOTS: a hierarchy of event-based time-surfaces" (2017), over the whole sensor.
    Events later than `now`, microseconds, do not count. Raises ValueError on a decay that is not positive.
    """
    if decay_us <= 0:
        raise ValueError(f"decay_us must be positive, it is {decay_us}")
    height, width = size
    t, x, y, on = _inside(t, x, y, polarity, None, now + 1, size)
    never = np.iinfo(np.int64).min
    last = np.full(2 * height * width, never)
    np.maximum.at(last, (on * height + y) * width + x, t)
    surface = np.where(last == never, 0, np.exp((np.maximum(last, now - 10**12) - now) / decay_us))
    return surface.astype(np.float32).reshape(2, height, width)


def _inside(
    t: Any, x: Any, y: Any, polarity: Any, begin: int | None, end: int, size: tuple[int, int]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """t, x, y and polarity (0 or 1) as int64 of the events within the times and the grid."""
    t, x, y = (np.asarray(column).astype(np.int64) for column in (t, x, y))
    on = (np.asarray(polarity) > 0).astype(np.int64)
    height, width = size
    keep = (t < end) & (x >= 0) & (x < width) & (y >= 0) & (y < height)
    if begin is not None:
        keep &= t >= begin
    return t[keep], x[keep], y[keep], on[keep]
