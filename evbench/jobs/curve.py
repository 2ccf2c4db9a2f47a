"""Cycles against events per window: where layers skip, a latency is a curve and not a number."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evbench.jobs.models import Model, by_occupied_cells, dataset_for, random_inputs, windows_of
from evbench.jobs.recorded import as_recorded

if TYPE_CHECKING:
    from evbench.boards.session import Window
    from evbench.events.windowset import WindowSet

RECORDED = 16
"""How many windows of the recordings lie on the curve, from the emptiest to the fullest."""

JOINED_EVENTS = (2_000, 5_000, 10_000, 20_000)
"""Where the curve goes on beyond the fullest window: windows that follow each other are added up to so many events."""


@dataclass(frozen=True, slots=True, eq=False)
class CurveWindow:
    """A window of the curve, and where it is from: "empty", "recorded", "joined" or "full"."""

    origin: str
    window: Window

    @property
    def grid(self) -> NDArray[np.uint8]:
        """Its voxel grid, uint8 [C, H, W]."""
        from evbench.boards.session import grid_of

        return grid_of(self.window)


def curve_windows(model: Model, recording: Path | None) -> list[CurveWindow]:
    """What a curve is measured on: nothing, windows as recorded, windows joined, and random counts in every cell.

    The last is the dense worst case. Raises RecordingError when the recordings hold no window with an event.
    """
    dataset = dataset_for(recording)
    windows = windows_of(model, dataset)
    rows = by_occupied_cells(windows, RECORDED)
    most = int(windows.dense(rows[-1:]).sum(dtype=np.int64))
    full = np.maximum(random_inputs(model.graph, 1)[0], 1)
    return [
        CurveWindow("empty", np.zeros_like(full)),
        *(CurveWindow("recorded", window) for window in as_recorded(model.graph, dataset, windows, rows)),
        *(CurveWindow("joined", grid) for grid in _joined(windows, most)),
        CurveWindow("full", full),
    ]


def curve_of(profile: dict[str, Any], windows: list[CurveWindow]) -> list[dict[str, Any]]:
    """The points of a curve from the JSON of a profile run on its windows."""
    return [
        {
            "origin": window.origin,
            "events": measured["events"],
            "cycles": measured["total_cycles"],
            "ms": 1e3 * measured["total_cycles"] / profile["core_hz"],
            "voxelising_cycles": measured["voxelising"]["cycles"],
            "cycles_per_event": measured["voxelising"]["cycles_per_event"],
        }
        for window, measured in zip(windows, profile["windows"], strict=True)
    ]


def _joined(windows: WindowSet, most: int) -> list[NDArray[np.uint8]]:
    """Sums of windows that follow each other from the fullest one on, one for each of `JOINED_EVENTS` above `most`."""
    wanted = [events for events in JOINED_EVENTS if events > most]
    total = np.zeros(windows.shape, np.uint8)
    found = []
    start = int(np.argmax(np.diff(windows.offsets)))
    for step in range(len(windows)):
        if not wanted:
            break
        grid = windows.dense([(start + step) % len(windows)])[0]
        total = np.minimum(total.astype(np.uint16) + grid, 255).astype(np.uint8)
        events = int(total.sum(dtype=np.int64))
        if events >= wanted[0]:
            found.append(total)
            wanted = [more for more in wanted if more > events]
    return found
