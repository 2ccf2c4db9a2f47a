"""What the Voxels pane shows: one window of a recording in any representation, whole or enlarged."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from evbench.events.kinds import KINDS, Kind
from evbench.events.stream import SensorGeometry
from evbench.tui.state.recordings import RecordingState

if TYPE_CHECKING:
    from evbench.events.representations import Images

LENGTHS = (1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000)
"""Window lengths to choose from, microseconds."""

BINS = (1, 2, 3, 4, 5, 8, 10)
"""Numbers of time bins to choose from."""

_LARGEST_SIDE = 256
_ZOOMS = (1, 2, 4, 8)


@dataclass(frozen=True, slots=True)
class Zoom:
    """The part of the sensor that is looked at: one of `times` of its width and height about a point, (x, y) as shares
    of the sensor, that lets the part lie inside."""

    times: int = 1
    x: float = 0.5
    y: float = 0.5

    def nearer(self, steps: int = 1, at: tuple[float, float] | None = None) -> Zoom:
        """Some steps nearer, or farther for steps below zero, about a point; beyond the nearest it is whole again."""
        place = _ZOOMS.index(self.times) + steps
        times = _ZOOMS[place % len(_ZOOMS)] if steps > 0 else _ZOOMS[max(place, 0)]
        x, y = at or (self.x, self.y)
        return Zoom(times, _inside(x, times), _inside(y, times))

    def moved(self, right: float, down: float) -> Zoom:
        """Moved by parts of what is seen."""
        times = self.times
        return Zoom(times, _inside(self.x + right / times, times), _inside(self.y + down / times, times))

    def region(self, geometry: SensorGeometry) -> tuple[int, int, int, int]:
        """Left, top, width and height in pixels, one pixel at least."""
        width, height = max(geometry.width // self.times, 1), max(geometry.height // self.times, 1)
        left = min(max(round(self.x * geometry.width - width / 2), 0), geometry.width - width)
        top = min(max(round(self.y * geometry.height - height / 2), 0), geometry.height - height)
        return left, top, width, height

    def sensor_place(self, x: float, y: float) -> tuple[float, float]:
        """Where a point of what is seen, as shares of it, lies on the sensor."""
        return self.x + (x - 0.5) / self.times, self.y + (y - 0.5) / self.times


def _inside(place: float, times: int) -> float:
    return min(max(place, 0.5 / times), 1 - 0.5 / times)


@dataclass(frozen=True, slots=True)
class WindowLook:
    """How windows are looked at: their length in microseconds, time bins, representation and what part is enlarged."""

    length: int = 50_000
    bins: int = 5
    kind: Kind = "voxel"
    zoom: Zoom = field(default_factory=Zoom)

    def longer(self, steps: int) -> WindowLook:
        """With the next length of `LENGTHS`, or the one before for steps below zero."""
        return replace(self, length=LENGTHS[max(0, min(LENGTHS.index(self.length) + steps, len(LENGTHS) - 1))])

    def more_bins(self) -> WindowLook:
        """With the next number of bins."""
        return replace(self, bins=BINS[(BINS.index(self.bins) + 1) % len(BINS)])

    def next_kind(self) -> WindowLook:
        """In the next representation."""
        return replace(self, kind=KINDS[(KINDS.index(self.kind) + 1) % len(KINDS)])


@dataclass(frozen=True, slots=True, eq=False)
class WindowState:
    """The window [t0, t0 + look.length) of a recording as images [2, N, h, w], polarity OFF before ON.

    A pixel is a block of `block` x `block` of the sensor's. `events`, `on` and `zero_share`, the share of empty cells
    at full resolution, are those of the whole sensor whatever is enlarged.
    """

    path: Path
    t0: int
    look: WindowLook
    events: int
    on: int
    zero_share: float
    block: int
    images: Images


def read_window(recording: RecordingState, t0: int, look: WindowLook) -> WindowState:
    """The window that begins at `t0`, microseconds of the recording's clock."""
    from evbench.events.representations import represent
    from evbench.events.transforms import crop, downsample

    begin, end = np.searchsorted(recording.stream.t, [t0, t0 + look.length])
    part = recording.stream[int(begin) : int(end)]
    images = represent(look.kind, part, t0=t0, duration=look.length, bins=look.bins)
    zero_share = 1 - np.count_nonzero(images) / images.size
    left, top, width, height = look.zoom.region(recording.geometry)
    seen = part
    if look.zoom.times > 1:
        seen = crop(part, left, top, width, height)
    block = -(-max(height, width) // _LARGEST_SIDE)
    if block > 1:
        seen = downsample(seen, (-(-height // block), -(-width // block)))
    if seen is not part:
        images = represent(look.kind, seen, t0=t0, duration=look.length, bins=look.bins)
    return WindowState(recording.path, t0, look, len(part), int(np.count_nonzero(part.on)), zero_share, block, images)


def save_window(recording: RecordingState, t0: int, look: WindowLook, folder: Path) -> Path:
    """Writes the window's images at full resolution as a PNG into `folder`, named after recording, representation and
    time, and returns its path. Raises EvbenchError when it cannot be written."""
    from evbench.events.pictures import save_png, sheet
    from evbench.events.representations import represent
    from evbench.events.transforms import crop
    from evbench.jobs.looking import Look, WindowGrid

    begin, end = np.searchsorted(recording.stream.t, [t0, t0 + look.length])
    part = recording.stream[int(begin) : int(end)]
    left, top, width, height = look.zoom.region(recording.geometry)
    enlarged = f"-{width}x{height}+{left}+{top}" if look.zoom.times > 1 else ""
    if enlarged:
        part = crop(part, left, top, width, height)
    images = represent(look.kind, part, t0=t0, duration=look.length, bins=look.bins)
    grid = WindowGrid(
        recording.path,
        recording.window_at(t0, look.length),
        recording.windows(look.length),
        t0,
        len(part),
        Look(look.kind, look.length, look.bins, None, tuple(step.settings for step in recording.steps)),
        images,
        recording.steps,
    )
    seconds = (t0 - recording.t_first) / 1e6
    path = folder / f"{recording.path.stem}-{look.kind}-{look.length / 1000:g}ms-{seconds:.3f}s{enlarged}.png"
    save_png(sheet(look.kind, images, grid.labels, grid.headline), path)
    return path
