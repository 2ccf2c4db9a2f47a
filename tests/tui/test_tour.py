from __future__ import annotations

from pathlib import Path

import pytest
from tui_helpers import press, settle, text_of, until

from evbench.jobs import engine
from evbench.tui.actions import PANES
from evbench.tui.app import Workbench
from evbench.tui.panes.voxels import VoxelsPane
from evbench.tui.preferences import read_preferences
from evbench.tui.tour import Tour, steps
from evbench.workspace import Workspace


@pytest.fixture(autouse=True)
def started(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Jobs that were started, without a process."""
    jobs: list[int] = []
    monkeypatch.setattr(engine, "start", lambda workspace, job_id: jobs.append(job_id))
    return jobs


async def test_the_tour_is_offered_once(workspace: Workspace, tmp_path: Path) -> None:
    preferences = tmp_path / "workbench.json"
    app = Workbench(workspace, preferences=preferences)
    async with app.run_test() as pilot:
        await until(pilot, lambda: isinstance(app.screen, Tour))
        assert "First time here?" in text_of(app, "*")
        await press(pilot, "escape")
        assert not isinstance(app.screen, Tour)
    assert read_preferences(preferences).tour_offered
    again = Workbench(workspace, preferences=preferences)
    async with again.run_test() as pilot:
        await settle(pilot)
        assert not isinstance(again.screen, Tour)


async def test_the_tour_shows_each_pane_plays_a_recording_and_profiles_the_bundled_model(
    workspace: Workspace, started: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(VoxelsPane, "clock", staticmethod(lambda: 0.0))
    app = Workbench(workspace, preferences=tmp_path / "workbench.json")
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, Tour))
        for number, step in enumerate(steps(), 1):
            await press(pilot, "enter")
            await until(pilot, lambda step=step: app.pane.id == step.pane)  # type: ignore[misc]
            assert f"{number} of {len(steps())} · {step.title}" in text_of(app, "*")
            if step.pane == "voxels":
                await until(pilot, lambda: "real time" in str(app.query_one("#looking").border_subtitle))
        await until(pilot, lambda: len(started) == 1)
        await press(pilot, "left")
        assert app.pane.id == steps()[-2].pane
        await press(pilot, "enter", "enter")
        assert not isinstance(app.screen, Tour)


async def test_a_key_brings_the_tour_back_and_another_ends_it_anywhere(workspace: Workspace) -> None:
    app = Workbench(workspace)
    async with app.run_test() as pilot:
        await settle(pilot)
        await press(pilot, "6", "f2")
        assert isinstance(app.screen, Tour)
        assert app.pane.id == "data"
        await press(pilot, "enter", "q")
        assert not isinstance(app.screen, Tour)


def test_every_step_stands_on_a_pane_of_its_own() -> None:
    panes = [step.pane for step in steps()]
    assert len(set(panes)) == len(panes)
    assert set(panes) <= {pane.id for pane in PANES}
