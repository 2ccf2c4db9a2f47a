"""Turns events into counts: voxel grids [polarity 2, bin B, y H, x W] and accumulated frames [polarity 2, y H, x W]."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_BLOCK = 1 << 16
"""Events per block, so that the intermediate arrays stay in the processor's caches."""

MAX_COUNT = 255
"""Counts saturate here: the grid is the unsigned 8-bit input of every network."""


def voxelize(
    t: Any, x: Any, y: Any, polarity: Any, *, t0: int, duration: int, bins: int, size: tuple[int, int]
) -> NDArray[np.uint8]:
    """Counts per cell, uint8 [2, bins, H, W], of the events within [t0, t0 + duration).

    t: [N] integer microseconds; x, y: [N] integer grid coordinates; polarity: [N] of any dtype, ON where it is
    greater than zero, so bool, 0/1 and -1/+1 mean what they say; size: (H, W). The bin of an event is
    (t - t0) * bins // duration. Events outside the window or the grid do not count, and counts stop at 255.
    Raises ValueError on a duration or a number of bins below one, or arrays of different lengths.
    """
    t, x, y, polarity = _columns(t, x, y, polarity)
    if duration < 1 or bins < 1:
        raise ValueError(f"duration ({duration}) and bins ({bins}) must be at least 1")
    height, width = size
    cells = 2 * bins * height * width
    if not len(t):
        return np.zeros((2, bins, height, width), np.uint8)
    cell = np.empty(len(t), np.intp)
    for begin in range(0, len(t), _BLOCK):
        block = slice(begin, begin + _BLOCK)
        cell[block] = _cells(t[block], x[block], y[block], polarity[block], t0, duration, bins, size)
    counts = np.bincount(cell, minlength=cells + 1)[:cells]
    return np.minimum(counts, MAX_COUNT).astype(np.uint8).reshape(2, bins, height, width)


def accumulate_frame(x: Any, y: Any, polarity: Any, *, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Counts per pixel and polarity, uint8 [2, H, W]: a voxel grid with one bin. Arguments as for `voxelize`."""
    x = np.asarray(x)
    t = np.zeros(len(x), np.int64)
    return voxelize(t, x, y, polarity, t0=0, duration=1, bins=1, size=size)[:, 0]


def _columns(*columns: Any) -> tuple[NDArray[Any], ...]:
    arrays = tuple(np.asarray(column) for column in columns)
    if any(array.ndim != 1 or len(array) != len(arrays[0]) for array in arrays):
        raise ValueError(f"t, x, y and polarity need one length, not {[array.shape for array in arrays]}")
    return arrays


def _cells(
    t: NDArray[Any],
    x: NDArray[Any],
    y: NDArray[Any],
    polarity: NDArray[Any],
    t0: int,
    duration: int,
    bins: int,
    size: tuple[int, int],
) -> NDArray[np.int64]:
    """Each event's flat cell in [2, bins, H, W], and the number of cells for events outside the window or the grid."""
    height, width = size
    bin_number = t.astype(np.int64)
    bin_number -= t0
    bin_number *= bins
    bin_number //= duration
    cell = np.multiply(polarity > 0, bins, dtype=np.int64)
    cell += bin_number
    cell *= height
    cell += y.astype(np.int64, copy=False)
    cell *= width
    cell += x.astype(np.int64, copy=False)
    # Looking at the extremes costs a tenth of a mask, and nearly every window has nothing outside.
    if _beyond(bin_number, bins) or _beyond(y, height) or _beyond(x, width):
        inside = (bin_number >= 0) & (bin_number < bins) & (x >= 0) & (x < width) & (y >= 0) & (y < height)
        cell[~inside] = 2 * bins * height * width
    return cell


def _beyond(values: NDArray[Any], limit: int) -> bool:
    return bool(values.min() < 0 or values.max() >= limit)
