"""The Train pane as a picture at the three sizes it must work at."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from test_snapshots import shows, sizes
from training_runs import NOW, add_run

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
    ready = shows("#trainings", "QAT int8", "3")
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
