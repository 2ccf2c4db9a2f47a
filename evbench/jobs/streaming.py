"""Windows that follow each other, or overlap, as a board in the field gets them: latency, and what reuse saves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from evbench.boards.sensor import SensorWindow
    from evbench.boards.session import BoardSession

STREAMED = 50
"""How many windows of a recording are played where no number is named."""


def compare_streaming(
    session: BoardSession,
    profile: dict[str, Any],
    windows: Sequence[SensorWindow],
    hop: int,
    on_window: Callable[[int], None] = lambda number: None,
) -> dict[str, Any]:
    """What a stream of windows costs, and what they would cost with each computed anew: the "streaming" of `profile`.

    profile: JSON of a profile run on `windows`, in their order, so that each could reuse what it has in common with the
    one before. Each is run once more with nothing to reuse; `equal` says whether all logits are the same. Cycles per
    window are those of voxelising; `latency_ms` is from the last event to logits.
    """
    settings = windows[0].stream.settings
    points = []
    for number, (window, measured) in enumerate(zip(windows, profile["windows"], strict=True)):
        session.forget_stream()
        result = session.run_window(window, settings.bins).result
        points.append(
            {
                "t0_us": window.first,
                "events": measured["events"],
                "reused_cycles": _cycles(measured["voxelising"]),
                "anew_cycles": result.voxelising.began_cycles + result.voxelising.cycles,
                "equal": result.logits.tolist() == list(measured["logits"]),
            }
        )
        on_window(number)
    milliseconds = [1e3 * window["total_cycles"] / profile["core_hz"] for window in profile["windows"]]
    # The first window has none before it.
    later = points[1:] or points
    reused, anew = (sum(point[key] for point in later) for key in ("reused_cycles", "anew_cycles"))
    return {
        "hop_us": hop,
        "window_us": settings.window,
        "bin_us": settings.window / settings.bins,
        "whole_bins": hop * settings.bins % settings.window == 0,
        "windows": len(windows),
        "latency_ms": {
            "median": float(np.median(milliseconds)),
            "p95": float(np.percentile(milliseconds, 95)),
            "worst": max(milliseconds),
        },
        "reused_cycles_per_window": reused / len(later),
        "anew_cycles_per_window": anew / len(later),
        "saved": 1 - reused / anew if anew else 0.0,
        "equal": all(point["equal"] for point in points),
        "points": points,
    }


def _cycles(voxelising: dict[str, Any]) -> int:
    return int(voxelising["began_cycles"] + voxelising["cycles"])
