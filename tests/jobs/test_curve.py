"""Cycles against events per window, and what a profile run says about skipping."""

from __future__ import annotations

import numpy as np
import pytest
from rich.console import Console

from evbench.jobs.curve import RECORDED, CurveWindow, curve_of, curve_windows
from evbench.jobs.models import open_model
from evbench.jobs.skipping import describe_skipping
from evbench.jobs.window_tables import curve_table


@pytest.fixture(scope="module")
def windows() -> list[CurveWindow]:
    return curve_windows(open_model(None), None)


def test_a_curve_reaches_from_an_empty_window_to_a_full_one(windows: list[CurveWindow]) -> None:
    assert windows[0].origin == "empty"
    assert not windows[0].grid.any()
    assert windows[-1].origin == "full"
    assert windows[-1].grid.all()
    recorded = [window for window in windows if window.origin == "recorded"]
    occupied = [np.count_nonzero(window.grid) for window in recorded]
    assert len(recorded) == RECORDED
    assert occupied == sorted(occupied)


def test_windows_are_joined_until_they_hold_so_many_events(windows: list[CurveWindow]) -> None:
    most = max(int(window.grid.sum()) for window in windows if window.origin == "recorded")
    joined = [int(window.grid.sum(dtype=np.int64)) for window in windows if window.origin == "joined"]
    assert joined == sorted(set(joined))
    assert joined[-1] >= 20_000 > most


def test_the_points_of_a_curve_are_those_of_its_windows(windows: list[CurveWindow]) -> None:
    voxelising = {"cycles": 480, "cycles_per_event": 48.0}
    measured = [
        {"events": 10 * number, "total_cycles": 480 * number, "voxelising": voxelising}
        for number in range(len(windows))
    ]
    profile = {"board": "b", "modelled": True, "core_hz": 480_000, "windows": measured}
    points = curve_of(profile, windows)
    assert [point["ms"] for point in points] == list(range(len(windows)))
    shown = Console(width=100)
    with shown.capture() as text:
        shown.print(curve_table({**profile, "curve": points}))
    assert "modelled" in text.get()
    assert text.get().count("recorded") == RECORDED
    assert text.get().count("48.0") == len(points)


def test_layers_say_what_they_skip_and_why(windows: list[CurveWindow]) -> None:
    graph = open_model(None).graph
    empty, full = describe_skipping(graph, windows[0].grid), describe_skipping(graph, windows[-1].grid)
    assert [layer["skipped"] for layer in empty[:3]] == [1.0] * 3
    assert [layer["skipped"] for layer in full[:3]] == [0.0] * 3
    assert empty[0]["choice"].startswith("skips sites without events")
    assert empty[-1]["skipped"] is None
    assert empty[-1]["choice"].startswith("computes everything")
