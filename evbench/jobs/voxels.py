"""One window of a recording as a voxel grid, with the figures that describe it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evbench.errors import ProfileError, RecordingError
from evbench.profiles import parse_duration


@dataclass(frozen=True, slots=True, eq=False)
class WindowGrid:
    """A window and its voxel grid, uint8 [2, B, H, W]; times in microseconds."""

    recording: Path
    number: int
    windows: int
    t0: int
    duration: int
    events: int
    grid: NDArray[np.uint8]

    @property
    def headline(self) -> str:
        share = np.count_nonzero(self.grid) / self.grid.size
        return (
            f"{self.recording.name}  window {self.number} of {self.windows}  "
            f"{self.t0 / 1e6:.3f} s + {self.duration / 1e3:g} ms  {self.events:,} events  "
            f"{100 * share:.2f} % of cells occupied"
        )

    def to_json(self) -> dict[str, Any]:
        """The figures without the grid: counts per bin, [OFF, ON]."""
        occupied = int(np.count_nonzero(self.grid))
        return {
            "window": self.number,
            "windows": self.windows,
            "t0_us": self.t0,
            "duration_us": self.duration,
            "events": self.events,
            "shape": list(self.grid.shape),
            "counts_per_bin": self.grid.sum(axis=(2, 3), dtype=np.int64).T.tolist(),
            "occupied": occupied,
            "sparsity": 1 - occupied / self.grid.size,
            "largest_count": int(self.grid.max()),
        }


def window_of(path: Path, number: int, length: str, bins: int) -> WindowGrid:
    """Window `number` of a recording, on the whole sensor. `length` is a duration such as "50 ms".

    Raises RecordingError when the recording cannot be read, has fewer windows, or the window has no event.
    """
    from evbench.events.recording import open_recording
    from evbench.events.voxel import voxelize

    try:
        duration = parse_duration(length)
    except ValueError as error:
        raise ProfileError(str(error), where=f"--length {length}") from None
    recording = open_recording(path)
    chosen, count = None, 0
    for window in recording.windows(duration):
        if count == number:
            chosen = window
        count += 1
    if chosen is None:
        raise RecordingError(
            f"There is no window {number}", where=f"{path} has {count}", remedy=f"Choose from 0 to {count - 1}"
        )
    stream = chosen.stream
    if not len(stream):
        raise RecordingError(
            f"Window {number} has no events",
            where=f"{path}, {chosen.t0 / 1e6:.3f} s + {duration / 1e3:g} ms",
            remedy="Choose another window or a greater length",
        )
    size = (recording.geometry.height, recording.geometry.width)
    grid = voxelize(stream.t, stream.x, stream.y, stream.on, t0=chosen.t0, duration=duration, bins=bins, size=size)
    return WindowGrid(path, number, count, chosen.t0, duration, len(stream), grid)
