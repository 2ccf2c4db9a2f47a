"""Every pane as a picture at the three sizes it must work at. `pytest --snapshot-update` accepts what is drawn now;
look at the pictures before committing them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from live_player import FakePlayer, at_window
from tensors import RANKED, add_model, add_training
from textual.pilot import Pilot
from tui_helpers import opened, press, settle, still, text_of, until

from evbench.jobs import live
from evbench.jobs.store import Store
from evbench.tui.app import Workbench
from evbench.tui.panes import data as data_pane
from evbench.tui.panes.jobs import JobsPane
from evbench.tui.state import ranking as ranking_state
from evbench.workspace import Workspace

SIZES = ((80, 24), (120, 40), (200, 60))
STARTED = 1_700_000_000.0

sizes = pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
Compare = Callable[..., bool]


@pytest.fixture(autouse=True)
def bundled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """What evbench brings along may change; the pictures need not."""
    folder = tmp_path / "bundled"
    folder.mkdir()
    (folder / "bar-left.dat").write_bytes(b"")
    monkeypatch.setattr(data_pane, "resource", lambda *parts: folder)
    return folder


@pytest.fixture(autouse=True)
def stopped_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Running jobs have run for 75 seconds, whenever the test runs."""
    monkeypatch.setattr(JobsPane, "clock", staticmethod(lambda: STARTED + 75))


def shows(selector: str, words: str, *keys: str) -> Callable[[Pilot[None]], Awaitable[None]]:
    """Press keys, then wait until a widget shows these words."""

    async def before(pilot: Pilot[Any]) -> None:
        app = pilot.app
        assert isinstance(app, Workbench)
        await opened(pilot)
        await press(pilot, *keys)
        await until(pilot, lambda: words in text_of(app, selector))
        await still(pilot)

    return before


@sizes
def test_data_with_a_recording(snap_compare: Compare, workspace: Workspace, data: Path, size: tuple[int, int]) -> None:
    ready = shows("#preview", "OFF and ON")
    assert snap_compare(Workbench(workspace, data), terminal_size=size, run_before=ready)


@sizes
def test_voxels_with_a_recording(
    snap_compare: Compare, workspace: Workspace, data: Path, size: tuple[int, int]
) -> None:
    ready = shows("#window-line", "window 3/8", "enter", "g", "full_stop", "full_stop")
    assert snap_compare(Workbench(workspace, data), terminal_size=size, run_before=ready)


@sizes
def test_voxels_behind_filters_as_a_time_surface(
    snap_compare: Compare, workspace: Workspace, data: Path, size: tuple[int, int]
) -> None:
    filters = ("f", "space", "down", "space", "down", "space", "escape")
    ready = shows("#pictures", "seen at", "enter", "g", *filters, "m", "m", "m")
    assert snap_compare(Workbench(workspace, data), terminal_size=size, run_before=ready)


def test_voxels_enlarged_with_polarities_together(snap_compare: Compare, workspace: Workspace, data: Path) -> None:
    ready = shows("#pictures", "0–10 ms", "enter", "g", "z", "z", "right", "v")
    assert snap_compare(Workbench(workspace, data), terminal_size=(120, 40), run_before=ready)


@sizes
def test_voxels_without_a_recording(snap_compare: Compare, workspace: Workspace, size: tuple[int, int]) -> None:
    ready = shows("#no-recording", "No recording", "2")
    assert snap_compare(Workbench(workspace), terminal_size=size, run_before=ready)


def test_the_filters_of_a_recording(snap_compare: Compare, workspace: Workspace, data: Path) -> None:
    ready = shows("#filter-settings", "keep_within", "enter", "g", "f", "space", "down", "down", "enter")
    assert snap_compare(Workbench(workspace, data), terminal_size=(80, 24), run_before=ready)


@sizes
def test_data_without_recordings(
    snap_compare: Compare, workspace: Workspace, bundled: Path, size: tuple[int, int]
) -> None:
    (bundled / "bar-left.dat").unlink()

    async def ready(pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: "no recordings here" in text_of(pilot.app, "*"))

    assert snap_compare(Workbench(workspace), terminal_size=size, run_before=ready)


def test_data_with_a_broken_file(snap_compare: Compare, workspace: Workspace, data: Path) -> None:
    (data / "train" / "noise.dat").rename(data / "a.dat")
    ready = shows("#summary", "cannot be read", "down", "down", "down")
    app = Workbench(workspace, Path(data.name))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(data.parent)
        assert snap_compare(app, terminal_size=(80, 24), run_before=ready)


@sizes
@pytest.mark.usefixtures("profile_job")
def test_device_with_a_measurement(snap_compare: Compare, workspace: Workspace, size: tuple[int, int]) -> None:
    ready = shows("#layers", "modelled", "5")
    assert snap_compare(Workbench(workspace), terminal_size=size, run_before=ready)


def test_device_with_nothing_measured(snap_compare: Compare, workspace: Workspace) -> None:
    ready = shows("#no-runs", "F5", "5")
    assert snap_compare(Workbench(workspace), terminal_size=(80, 24), run_before=ready)


@pytest.mark.parametrize(
    ("size", "keys"),
    [*((size, ()) for size in SIZES), ((120, 40), ("e",))],
    ids=["80x24", "120x40", "200x60", "latency"],
)
def test_device_playing_a_recording(
    snap_compare: Compare,
    workspace: Workspace,
    monkeypatch: pytest.MonkeyPatch,
    size: tuple[int, int],
    keys: tuple[str, ...],
) -> None:
    monkeypatch.setattr(live, "LivePlayer", FakePlayer)

    async def before(pilot: Pilot[Any]) -> None:
        await shows("#target", "plays bar-left.dat", "5", "space", *keys)(pilot)
        FakePlayer.made[-1].tell(at_window(214))
        await settle(pilot)

    assert snap_compare(Workbench(workspace), terminal_size=size, run_before=before)


@sizes
@pytest.mark.usefixtures("jobs")
def test_jobs_with_a_run_under_way(snap_compare: Compare, workspace: Workspace, size: tuple[int, int]) -> None:
    ready = shows("#log", "step 119", "6")
    assert snap_compare(Workbench(workspace), terminal_size=size, run_before=ready)


@sizes
def test_jobs_with_an_empty_queue(snap_compare: Compare, workspace: Workspace, size: tuple[int, int]) -> None:
    ready = shows("#no-jobs", "No job", "6")
    assert snap_compare(Workbench(workspace), terminal_size=size, run_before=ready)


def test_the_help_of_a_pane(snap_compare: Compare, workspace: Workspace) -> None:
    ready = shows(".dialog", "everywhere", "6", "question_mark")
    assert snap_compare(Workbench(workspace), terminal_size=(80, 24), run_before=ready)


@sizes
def test_quantise_with_a_tensor_whose_range_an_outlier_owns(
    snap_compare: Compare, workspace: Workspace, store: Store, size: tuple[int, int]
) -> None:
    add_model(store)
    ready = shows("#tensor-picture", "zero-aware", "4", "down")
    assert snap_compare(Workbench(workspace), terminal_size=size, run_before=ready)


@sizes
def test_quantise_with_a_tensor_through_training(
    snap_compare: Compare, workspace: Workspace, store: Store, size: tuple[int, int]
) -> None:
    add_model(store)
    ready = shows("#tensor-picture", "of 240", "4", "down", "t")
    assert snap_compare(Workbench(workspace), terminal_size=size, run_before=ready)


def test_quantise_with_weights_by_channel(snap_compare: Compare, workspace: Workspace, store: Store) -> None:
    add_model(store)
    ready = shows("#tensor-picture", "output channels", "4", "down", "w")
    assert snap_compare(Workbench(workspace), terminal_size=(120, 40), run_before=ready)


@sizes
def test_quantise_before_a_training_has_looked(
    snap_compare: Compare, workspace: Workspace, store: Store, size: tuple[int, int]
) -> None:
    add_training(store)
    ready = shows("#no-tensors", "has not looked", "4")
    assert snap_compare(Workbench(workspace), terminal_size=size, run_before=ready)


def test_quantise_where_nobody_has_measured_sensitivity(
    snap_compare: Compare, workspace: Workspace, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranking_state, "sensitivity_of", lambda store, model: None)
    add_model(store)
    ready = shows("#no-ranking", "measures it", "4", "l")
    assert snap_compare(Workbench(workspace), terminal_size=(80, 24), run_before=ready)


@sizes
def test_quantise_with_layers_ranked_by_what_rounding_costs(
    snap_compare: Compare, workspace: Workspace, store: Store, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    monkeypatch.setattr(ranking_state, "sensitivity_of", lambda store, model: RANKED)
    add_model(store)
    ready = shows("#tensors", "0.0412", "4", "l")
    assert snap_compare(Workbench(workspace), terminal_size=size, run_before=ready)
