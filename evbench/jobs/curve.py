"""Cycles against events per window: where layers skip, a latency is a curve and not a number."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evbench.jobs.models import Model, from_emptiest_to_fullest, random_inputs, windows_for

if TYPE_CHECKING:
    from evbench.events.windowset import WindowSet

RECORDED = 16
"""How many windows of the recordings lie on the curve, from the emptiest to the fullest."""

JOINED_EVENTS = (2_000, 5_000, 10_000, 20_000)
"""Where the curve goes on beyond the fullest window: windows that follow each other are added up to so many events."""


@dataclass(frozen=True, slots=True, eq=False)
class CurveWindow:
    """A window of the curve, uint8 [C, H, W], and where it is from: "empty", "recorded", "joined" or "full"."""

    origin: str
    grid: NDArray[np.uint8]


def curve_windows(model: Model, recording: Path | None) -> list[CurveWindow]:
    """What a curve is measured on: nothing, windows as recorded, windows joined, and random counts in every cell.

    The last is the dense worst case. Raises RecordingError when the recordings hold no window with an event.
    """
    windows = windows_for(model, recording)
    recorded = from_emptiest_to_fullest(windows, RECORDED)
    full = np.maximum(random_inputs(model.graph, 1)[0], 1)
    return [
        CurveWindow("empty", np.zeros_like(full)),
        *(CurveWindow("recorded", grid) for grid in recorded),
        *(CurveWindow("joined", grid) for grid in _joined(windows, int(recorded[-1].sum(dtype=np.int64)))),
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
