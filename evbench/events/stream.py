"""Events in memory: when, where and in which direction the light changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class SensorGeometry:
    """The size of a sensor in pixels."""

    width: int
    height: int


@dataclass(frozen=True, slots=True, eq=False)
class EventStream:
    """Events in the order they were recorded; the four arrays have one entry per event.

    t: [N] int64, microseconds; x, y: [N] uint16, pixels from the left and from the top; on: [N] bool, brighter.
    """

    t: NDArray[np.int64]
    x: NDArray[np.uint16]
    y: NDArray[np.uint16]
    on: NDArray[np.bool_]
    geometry: SensorGeometry

    @classmethod
    def from_arrays(cls, t: Any, x: Any, y: Any, polarity: Any, geometry: SensorGeometry) -> Self:
        """A stream from array-likes; `polarity` of any dtype is ON where it is greater than zero."""
        return cls(
            np.asarray(t, np.int64),
            np.asarray(x, np.uint16),
            np.asarray(y, np.uint16),
            np.asarray(polarity) > 0,
            geometry,
        )

    def __len__(self) -> int:
        return len(self.t)

    def __getitem__(self, chosen: slice | NDArray[Any]) -> EventStream:
        return EventStream(self.t[chosen], self.x[chosen], self.y[chosen], self.on[chosen], self.geometry)
