"""The Report pane as a picture at the three sizes it must work at."""

from __future__ import annotations

from collections.abc import Callable

from finished_run import add_finished_run, add_study
from test_snapshots import shows, sizes

from evbench.jobs.store import Store
from evbench.tui.app import Workbench
from evbench.workspace import Workspace

Compare = Callable[..., bool]


@sizes
def test_report_of_a_finished_run(
    snap_compare: Compare, workspace: Workspace, store: Store, size: tuple[int, int]
) -> None:
    add_finished_run(store)
    add_study(store)
    ready = shows("#report-table", "QAT int8", "7")
    assert snap_compare(Workbench(workspace), terminal_size=size, run_before=ready)


def test_report_as_plots(snap_compare: Compare, workspace: Workspace, store: Store) -> None:
    add_finished_run(store)
    ready = shows("#report-plots", "QAT int8", "7", "v")
    assert snap_compare(Workbench(workspace), terminal_size=(80, 24), run_before=ready)


@sizes
def test_report_with_nothing_finished(snap_compare: Compare, workspace: Workspace, size: tuple[int, int]) -> None:
    ready = shows("#no-report", "starts a recipe", "7")
    assert snap_compare(Workbench(workspace), terminal_size=size, run_before=ready)
