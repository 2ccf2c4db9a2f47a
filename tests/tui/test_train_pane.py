from __future__ import annotations

import re

import numpy as np
import pytest
from textual.widgets import DataTable, OptionList
from training_runs import NOW, STARTED, STEPS, add_run, confusion, write
from tui_helpers import at_pane, press, settle, text_of, until

from evbench.jobs import engine
from evbench.jobs.store import Store
from evbench.tui.actions import actions_of
from evbench.tui.app import Workbench
from evbench.tui.dialogs import ChoiceDialog, RunDialog
from evbench.tui.panes.train import TrainPane
from evbench.tui.state.training import ScaleRow, read_training
from evbench.workspace import Workspace

WIDE = (120, 40)


@pytest.fixture(autouse=True)
def stopped_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TrainPane, "clock", staticmethod(lambda: NOW))


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Jobs that were started; their workers are not."""
    jobs: list[int] = []
    monkeypatch.setattr(engine, "start", lambda workspace, job, *rest: jobs.append(job))
    return jobs


def bottom_of(app: Workbench, selector: str) -> str:
    return str(app.query_one(selector).border_subtitle)


def title_of(app: Workbench, selector: str) -> str:
    return str(app.query_one(selector).border_title)


async def test_an_empty_workspace_says_which_key_starts_a_run(workspace: Workspace) -> None:
    async with at_pane(workspace, "3", (80, 24)) as (app, pilot):
        assert re.search(r"n\s+starts one", text_of(app, "#no-training"))
        await press(pilot, *(action.key for action in actions_of("train") if action.call not in ("new_run", "recipes")))
        assert isinstance(app.pane, TrainPane)


async def test_the_newest_run_is_shown_with_all_its_approaches(workspace: Workspace, store: Store) -> None:
    add_run(store, "first")
    add_run(store, "second", done=3)
    async with at_pane(workspace, "3") as (app, pilot):
        await until(pilot, lambda: "fp32 voxel" in text_of(app, "#trainings"))
        lines = {line[2:13].strip(): line for line in text_of(app, "#trainings").splitlines()}
        assert "2/2" in lines["fp32 frames"]
        assert "85.0 %" in lines["PTQ int8"]
        assert "done" in lines["fp32 voxel"]
        assert "70 %" in lines["QAT int8"]
        assert "3/5" in lines["QAT int8"]
        assert "learning rate" in bottom_of(app, "#trainings")
        assert "fp32 frames" in title_of(app, "#loss")
        assert "PTQ int8" in title_of(app, "#accuracy")
        assert "PTQ int8" not in title_of(app, "#loss")


async def test_what_a_training_writes_appears_while_it_is_watched(workspace: Workspace, store: Store) -> None:
    job = add_run(store, done=3)
    async with at_pane(workspace, "3") as (app, pilot):
        await until(pilot, lambda: "3/5" in text_of(app, "#trainings"))
        store.add_metrics(job, [("qat-int8/loss", step, 0.05, STARTED + 40) for step in range(70, 4 * STEPS)])
        await until(pilot, lambda: "4/5" in text_of(app, "#trainings"))


async def test_choosing_another_run_shows_it(workspace: Workspace, store: Store) -> None:
    add_run(store, "first")
    add_run(store, "second", done=3)
    async with at_pane(workspace, "3") as (app, pilot):
        await until(pilot, lambda: "job 2" in title_of(app, "#trainings"))
        await press(pilot, "down")
        await until(pilot, lambda: "job 1" in title_of(app, "#trainings"))
        assert "learning rate" not in bottom_of(app, "#trainings")
        await pilot.click("#runs", offset=(6, 2))
        await until(pilot, lambda: "job 2" in title_of(app, "#trainings"))


async def test_n_offers_recipes_and_starts_the_chosen_one(workspace: Workspace, started: list[int]) -> None:
    async with at_pane(workspace, "3") as (app, pilot):
        await press(pilot, "n")
        await until(pilot, lambda: isinstance(app.screen, RunDialog))
        recipe = app.screen.query_one("#recipes", OptionList).get_option_at_index(0).id
        await press(pilot, "enter")
        await until(pilot, lambda: bool(started) and app.query_one("#runs", DataTable).row_count == 1)
        assert app.store.job(started[0]).recipe == recipe


async def test_x_cancels_and_r_resumes_the_chosen_run(workspace: Workspace, store: Store, started: list[int]) -> None:
    job = add_run(store, done=3)
    async with at_pane(workspace, "3") as (app, pilot):
        await until(pilot, lambda: "running" in text_of(app, "#runs"))
        await press(pilot, "x")
        await until(pilot, lambda: store.job(job).state == "cancelled" and "cancelle" in text_of(app, "#runs"))
        await until(pilot, lambda: "stopped" in text_of(app, "#trainings"))
        await press(pilot, "r")
        await until(pilot, lambda: started == [job])
        assert store.job(job).state == "queued"


async def test_c_lays_another_run_behind_and_says_how_the_recipes_differ(workspace: Workspace, store: Store) -> None:
    add_run(store, "first", rate=0.01)
    add_run(store, "second", done=3)
    async with at_pane(workspace, "3") as (app, pilot):
        await until(pilot, lambda: "job 2" in title_of(app, "#trainings"))
        await press(pilot, "c")
        await until(pilot, lambda: isinstance(app.screen, ChoiceDialog))
        await press(pilot, "enter")
        await until(pilot, lambda: "train.learning_rate" in text_of(app, "#difference"))
        line = next(line for line in text_of(app, "#difference").splitlines() if "learning_rate" in line)
        assert line.split()[2:4] == ["0.003", "0.01"]
        assert "faded: job 1" in bottom_of(app, "#loss")
        assert not app.query_one("#scales").display
        await press(pilot, "c")
        await until(pilot, lambda: "faded" not in bottom_of(app, "#loss"))
        assert app.query_one("#scales").display


async def test_comparing_with_nothing_is_refused(workspace: Workspace, store: Store) -> None:
    add_run(store)
    async with at_pane(workspace, "3") as (app, pilot):
        await press(pilot, "c")
        await until(pilot, lambda: any("no other run" in note.message for note in app._notifications))


async def test_v_goes_through_the_views(workspace: Workspace, store: Store) -> None:
    add_run(store)
    views = ("loss", "accuracy", "scales", "confusion")
    for size, seen in (((80, 24), views[1:]), (WIDE, views)):
        app = Workbench(workspace)
        async with app.run_test(size=size) as pilot:
            await settle(pilot)
            await press(pilot, "3")
            await until(pilot, lambda app=app: "job 1" in title_of(app, "#trainings"))
            for view in seen:
                await press(pilot, "v")
                assert [name for name in views if app.query_one(f"#{name}").display] == [view]
            await press(pilot, "v")
            assert app.query_one("#loss").display


async def test_a_and_w_choose_whose_confusion_is_shown_and_what_it_counts(workspace: Workspace, store: Store) -> None:
    add_run(store)
    async with at_pane(workspace, "3") as (app, pilot):
        await until(pilot, lambda: "QAT int8 · validation" in title_of(app, "#confusion"))
        assert "left taken for right in 3 of 40 windows" in text_of(app, "#confusion")
        await press(pilot, "a")
        assert "fp32 frames · validation, epoch 2 · per window" in title_of(app, "#confusion")
        assert "No windows were confused" in text_of(app, "#confusion")
        await press(pilot, "w")
        assert "per recording" in title_of(app, "#confusion")
        assert "No recordings were confused" in text_of(app, "#confusion")


async def test_l_draws_the_loss_on_a_logarithmic_axis(workspace: Workspace, store: Store) -> None:
    add_run(store)
    async with at_pane(workspace, "3") as (app, pilot):
        await until(pilot, lambda: "job 1" in title_of(app, "#trainings"))
        assert "0.2" not in text_of(app, "#loss")
        await press(pilot, "l")
        assert title_of(app, "#loss").startswith("loss, logarithmic")
        assert "0.2" in text_of(app, "#loss")


def test_curves_go_over_epochs_as_soon_as_the_windows_are_counted(store: Store) -> None:
    job = add_run(store, done=3)
    state = read_training(store, job, NOW)
    assert state.in_epochs
    found = {(curve.approach, curve.split): curve for curve in state.of("accuracy")}
    assert found["qat-int8", "validation"].epochs.tolist() == [1, 2, 3]
    assert found["ptq-int8", "validation"].values.tolist() == [0.85, 0.85]
    store.change_stage(job, "dataset", "", digest="not-yet")
    assert not read_training(store, job, NOW).in_epochs


def test_time_left_follows_from_the_pace_of_the_latest_steps(store: Store) -> None:
    job = add_run(store, done=3)
    last = STARTED + 30 + 10 * 69 / 70
    row = read_training(store, job, last).rows[-1]
    assert row.seconds_left == pytest.approx(30 * 10 / 70)
    assert read_training(store, job, last + 2).rows[-1].seconds_left == pytest.approx(30 * 10 / 70 - 2)


def test_a_training_that_another_job_has_run_is_drawn_from_its_history(store: Store) -> None:
    job = add_run(store)
    again = store.add_job("run", "again", store.job(job).settings)
    store.plan_stages(again, [("dataset", ""), ("train", "fp32-voxel")])
    store.change_stage(again, "dataset", "", state="reused", digest=f"d{job}")
    store.change_stage(again, "train", "fp32-voxel", state="reused", digest="kept")
    history = [{"loss": 1.0, "validation_loss": 1.1, "validation_accuracy": 0.5}, {"loss": 0.5}]
    write(store, "kept", "training.json", {"epoch": 1, "history": history, "validation": confusion(2)})
    state = read_training(store, again, NOW)
    curves = {(curve.quantity, curve.split): curve for curve in state.curves}
    assert curves["loss", "train"].epochs.tolist() == [4, 5]
    assert curves["loss", "train"].values.tolist() == [1.0, 0.5]
    assert curves["accuracy", "validation"].values.tolist() == [0.5]
    assert state.rows[0].epoch == 5
    assert state.confusion["fp32-voxel"].window[0][1] == 2


def test_confusion_of_an_epoch_under_way_is_read_from_where_the_training_works(store: Store) -> None:
    job = add_run(store, done=3)
    folder = store.workspace.work_dir(f"qat-int8{job}") / "checkpoints"
    folder.mkdir(parents=True)
    assert "qat-int8" not in read_training(store, job, NOW).confusion
    write(store, "elsewhere", "validation.json", {"epoch": 3, **confusion(7)})
    (store.workspace.artifact_dir("elsewhere") / "validation.json").rename(folder / "validation.json")
    found = read_training(store, job, NOW).confusion["qat-int8"]
    assert (found.epoch, found.split, found.window[0][1]) == (3, "validation", 7)


def test_drift_is_how_far_a_scale_moved_over_the_last_tenth() -> None:
    assert ScaleRow("qat-int8", "stem", np.linspace(1, 2, 101)).drift == pytest.approx(2 / 1.9 - 1)
    assert ScaleRow("qat-int8", "stem", np.array([0.5])).drift == 0


def test_only_what_is_new_is_drawn(store: Store) -> None:
    job = add_run(store, done=3)
    first = read_training(store, job, NOW)
    second = read_training(store, job, NOW, first)
    assert not second.differs(first)
    store.add_metrics(job, [("qat-int8/loss", 70, 0.05, NOW)])
    assert read_training(store, job, NOW, second).differs(second)
