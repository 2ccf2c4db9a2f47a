"""Turns events into counts: voxel grids [polarity 2, bin B, y H, x W] and accumulated frames [polarity 2, y H, x W]."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_BLOCK = 1 << 15
"""Events per block, so that the intermediate arrays stay in the processor's second-level cache."""

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
    inside = _inside_grid(x, y, size)
    index = np.empty(len(t), np.intp)
    for begin in range(0, len(t), _BLOCK):
        part = slice(begin, begin + _BLOCK)
        bin_number = t[part].astype(np.int64)
        bin_number -= t0
        bin_number *= bins
        bin_number //= duration
        cell = index[part]
        np.multiply(polarity[part] > 0, bins, out=cell)
        cell += bin_number
        cell *= height
        cell += y[part]
        cell *= width
        cell += x[part]
        outside = (bin_number < 0) | (bin_number >= bins)
        if inside is not None:
            outside |= ~inside[part]
        if outside.any():
            cell[outside] = cells
    return _saturate(index, cells).reshape(2, bins, height, width)


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


def _inside_grid(x: NDArray[Any], y: NDArray[Any], size: tuple[int, int]) -> NDArray[np.bool_] | None:
    """Which events lie in the grid, [N] bool, or None where all do."""
    height, width = size
    if x.min() >= 0 and y.min() >= 0 and x.max() < width and y.max() < height:
        return None
    inside: NDArray[np.bool_] = (x >= 0) & (y >= 0) & (x < width) & (y < height)
    return inside


def _saturate(index: NDArray[np.intp], cells: int) -> NDArray[np.uint8]:
    counts = np.bincount(index, minlength=cells + 1)[:cells]
    return np.minimum(counts, MAX_COUNT).astype(np.uint8)
