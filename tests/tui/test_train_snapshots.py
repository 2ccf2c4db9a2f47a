"""The Train pane as a picture at the three sizes it must work at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_snapshots import shows, sizes
from textual.pilot import Pilot
from textual.widgets import Input
from training_runs import NOW, add_run
from tui_helpers import still, text_of, until

from evbench.jobs import recipes
from evbench.jobs.store import Store
from evbench.tui.app import Workbench
from evbench.tui.panes.train import TrainPane
from evbench.workspace import Workspace

Compare = Callable[..., bool]


@pytest.fixture(autouse=True)
def stopped_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TrainPane, "clock", staticmethod(lambda: NOW))


@sizes
def test_train_with_a_run_under_way(
    snap_compare: Compare, workspace: Workspace, store: Store, size: tuple[int, int]
) -> None:
    add_run(store, "bars-done")
    add_run(store, "bars-running", done=3)
    # The matrix is the last part to find its height.
    last = ("#confusion", "Most confused") if size[0] > 80 else ("#trainings", "QAT int8")

    async def ready(pilot: Pilot[Any]) -> None:
        await shows("#trainings", "QAT int8", "3")(pilot)
        await shows(*last)(pilot)
        await until(pilot, lambda: size[0] == 80 or text_of(pilot.app, "#confusion").count("down") == 2)
        await still(pilot)

    assert snap_compare(Workbench(workspace), terminal_size=size, run_before=ready)


@sizes
def test_train_with_two_runs_compared(
    snap_compare: Compare, workspace: Workspace, store: Store, size: tuple[int, int]
) -> None:
    add_run(store, "bars-done", rate=0.01)
    add_run(store, "bars-running", done=3)
    keys = ("3", "c", "enter") if size[0] > 80 else ("3", "c", "enter", "v", "v", "v", "v")
    ready = shows("#difference", "learning_rate", *keys)
    assert snap_compare(Workbench(workspace), terminal_size=size, run_before=ready)


@sizes
def test_train_with_nothing_run(snap_compare: Compare, workspace: Workspace, size: tuple[int, int]) -> None:
    ready = shows("#no-training", "starts one", "3")
    assert snap_compare(Workbench(workspace), terminal_size=size, run_before=ready)


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No recipes but those of the workspace: what evbench brings along may change, the pictures need not."""
    monkeypatch.setattr(recipes, "list_recipes", list)
    monkeypatch.chdir(tmp_path)


@sizes
@pytest.mark.usefixtures("elsewhere")
def test_the_recipes_there_are(snap_compare: Compare, workspace: Workspace, size: tuple[int, int]) -> None:
    for name, epochs in (("long", "20"), ("short", "2")):
        recipes.save_text(workspace, name, f'[dataset]\nname = "simulated-bars"\n[train]\nepochs = {epochs}\n')
    ready = shows("#recipe-view", "- epochs = 20", "3", "p", "d", "down")
    assert snap_compare(Workbench(workspace), terminal_size=size, run_before=ready)


@pytest.mark.usefixtures("elsewhere")
def test_a_sweep_being_typed(snap_compare: Compare, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Input, "_toggle_cursor", lambda self: None)
    recipes.save_text(workspace, "short", '[dataset]\nname = "simulated-bars"\n')
    ready = shows("#complaint", "2 jobs", "3", "p", "s", "1", "comma", "0", "full_stop", "5")
    assert snap_compare(Workbench(workspace), terminal_size=(80, 24), run_before=ready)
