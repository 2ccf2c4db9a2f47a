"""What a network can be shown of a window: voxel counts, bilinear voxel grid, frame or time surface, by one call."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evbench.events.kinds import Kind
from evbench.events.stream import EventStream
from evbench.events.surfaces import bilinear_voxel_grid, time_surface
from evbench.events.voxel import voxelize

Images = NDArray[np.uint8] | NDArray[np.float32]
"""[polarity 2, images, H, W]: counts as uint8, shares of events and ages as float32."""


def represent(
    kind: Kind, stream: EventStream, *, t0: int, duration: int, bins: int, size: tuple[int, int] | None = None
) -> Images:
    """[2, images, H, W] of the events within [t0, t0 + duration), polarity OFF before ON.

    "voxel" and "bilinear" have `bins` images, "frame" and "time-surface" one. The time surface fades by a factor of e
    in half a window and is looked at from the window's end. size: (H, W), that of the sensor by default. Raises
    ValueError on a duration or a number of bins below one.
    """
    size = size or (stream.geometry.height, stream.geometry.width)
    t, x, y, on = stream.t, stream.x, stream.y, stream.on
    match kind:
        case "voxel":
            return voxelize(t, x, y, on, t0=t0, duration=duration, bins=bins, size=size)
        case "bilinear":
            return bilinear_voxel_grid(t, x, y, on, t0=t0, duration=duration, bins=bins, size=size)
        case "frame":
            return voxelize(t, x, y, on, t0=t0, duration=duration, bins=1, size=size)
        case "time-surface":
            end = t0 + duration
            part = stream if not len(t) or (t.min() >= t0 and t.max() < end) else stream[(t >= t0) & (t < end)]
            surface = time_surface(part.t, part.x, part.y, part.on, now=end, decay_us=duration / 2, size=size)
            return surface[:, None]


def joined(kind: Kind, images: Images) -> NDArray[np.float32]:
    """All images of a representation as one, float32 [2, H, W]: counts and shares add up, of times the newest stays."""
    return np.asarray(pooling(kind).reduce(images, axis=1, dtype=np.float32))


def pooling(kind: Kind) -> np.ufunc:
    """How the pixels of a representation become one: counts add up, of a time surface the newest stays."""
    return np.maximum if kind == "time-surface" else np.add
