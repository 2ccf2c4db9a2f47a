from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from textual.widgets import DataTable, Input, OptionList
from tui_helpers import press, settle, text_of, until

from evbench.jobs import engine
from evbench.jobs.leases import try_lease
from evbench.jobs.store import Store
from evbench.tui.app import Workbench
from evbench.tui.curves import nice_ticks
from evbench.tui.dialogs import RunDialog
from evbench.tui.state.job import read_job, smooth
from evbench.tui.state.queue import read_jobs, recipe_choices
from evbench.tui.widgets.log_view import LogView
from evbench.tui.widgets.loss_plot import LossPlot
from evbench.workspace import Workspace


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Ids of jobs whose process would have been started."""
    ids: list[int] = []
    monkeypatch.setattr(engine, "start", lambda workspace, job_id: ids.append(job_id))
    return ids


async def test_an_empty_queue_says_which_keys_fill_it(workspace: Workspace) -> None:
    app = Workbench(workspace)
    async with app.run_test() as pilot:
        await settle(pilot)
        await press(pilot, "6")
        assert "No job has run" in text_of(app, "#no-jobs")
        assert not app.query_one(DataTable).display


async def test_jobs_of_the_workspace_are_listed_newest_first(workspace: Workspace, jobs: list[int]) -> None:
    app = Workbench(workspace)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await press(pilot, "6")
        lines = text_of(app, "#queue").splitlines()[2:5]
        assert [line.split()[1:4] for line in lines] == [
            ["3", "objects-voxel-qat", "running"],
            ["2", "nmnist-voxel-qat", "failed"],
            ["1", "objects-voxel-qat", "done"],
        ]
        assert "48 %" in lines[0]
        assert "1 running" in text_of(app, "PaneBar")


async def test_choosing_a_failed_job_shows_why_and_its_log(workspace: Workspace, jobs: list[int]) -> None:
    app = Workbench(workspace)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await press(pilot, "6", "down")
        await until(pilot, lambda: "job 2" in str(app.query_one(LogView).border_title))
        assert "The disk is full" in text_of(app, "#stages")
        assert "✗ train fp32-voxel" in text_of(app, "#stages")
        assert "reading recordings" in text_of(app, "#log RichLog")


async def test_metrics_written_by_another_process_appear(workspace: Workspace, store: Store, jobs: list[int]) -> None:
    app = Workbench(workspace)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await press(pilot, "6")
        await until(pilot, lambda: "qat-int8" in str(app.query_one(LossPlot).border_title))
        store.add_metrics(jobs[-1], [("ptq-int8/loss", 1, 0.5, 0.0), ("ptq-int8/loss", 2, 0.4, 0.0)])
        await until(pilot, lambda: "ptq-int8" in str(app.query_one(LossPlot).border_title))
        store.change_job(jobs[-1], state="done")
        await until(pilot, lambda: text_of(app, "#queue").count("done") == 2)


async def test_m_draws_the_next_metric(workspace: Workspace, jobs: list[int]) -> None:
    app = Workbench(workspace)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await press(pilot, "6")
        await until(pilot, lambda: str(app.query_one(LossPlot).border_title).startswith("loss"))
        await press(pilot, "m")
        assert str(app.query_one(LossPlot).border_title).startswith("validation accuracy")
        await press(pilot, "m")
        assert str(app.query_one(LossPlot).border_title).startswith("loss")


async def test_searching_the_log_keeps_the_lines_that_hold_the_words(workspace: Workspace, jobs: list[int]) -> None:
    app = Workbench(workspace)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await press(pilot, "6")
        await until(pilot, lambda: "job 3" in str(app.query_one(LogView).border_title))
        await press(pilot, "slash")
        await pilot.press(*"step 11")
        await settle(pilot)
        shown = [line for line in text_of(app, "#log RichLog").splitlines() if line.strip()]
        assert all("step 11" in line for line in shown)
        assert "11 of 120 lines" in str(app.query_one(LogView).border_subtitle)
        await press(pilot, "escape")
        assert "step 119" in text_of(app, "#log RichLog")
        assert "step 118" in text_of(app, "#log RichLog")
        assert app.query_one(LogView).border_subtitle == ""


async def test_n_starts_the_chosen_recipe_with_its_data(workspace: Workspace, data: Path, started: list[int]) -> None:
    app = Workbench(workspace, data)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await press(pilot, "6", "n")
        await until(pilot, lambda: isinstance(app.screen, RunDialog))
        assert app.screen.query_one("#data", Input).value == str(data)
        recipes = app.screen.query_one("#recipes", OptionList)
        recipe = recipes.get_option_at_index(1).id
        await press(pilot, "down", "enter")
        await until(pilot, lambda: bool(started) and app.query_one(DataTable).row_count == 1)
        job = app.store.job(started[0])
        assert (job.recipe, job.settings["data"], job.settings["board"]) == (recipe, str(data), "virtual-h743")


async def test_a_folder_that_does_not_exist_is_refused_in_the_dialog(workspace: Workspace, started: list[int]) -> None:
    app = Workbench(workspace)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await press(pilot, "6", "n")
        await until(pilot, lambda: isinstance(app.screen, RunDialog))
        app.screen.query_one("#data", Input).value = "/no/such/folder"
        await press(pilot, "enter")
        assert "There is no folder" in text_of(app, "#complaint")
        await press(pilot, "escape")
        assert app.store.jobs() == []
        assert started == []


async def test_x_cancels_and_r_resumes_the_chosen_job(
    workspace: Workspace, store: Store, jobs: list[int], started: list[int]
) -> None:
    app = Workbench(workspace)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await press(pilot, "6", "x")
        await until(pilot, lambda: store.job(jobs[-1]).state == "cancelled")
        await until(pilot, lambda: "cancelled" in text_of(app, "#queue"))
        await press(pilot, "r")
        await until(pilot, lambda: started == [jobs[-1]])
        assert store.job(jobs[-1]).state == "queued"


async def test_cancelling_a_finished_job_is_refused_with_the_reason(workspace: Workspace, jobs: list[int]) -> None:
    app = Workbench(workspace)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await press(pilot, "6", "down", "down", "x")
        await until(pilot, lambda: any("it is done" in note.message for note in app._notifications))


async def test_the_end_of_a_job_is_told_on_every_pane(workspace: Workspace, store: Store, jobs: list[int]) -> None:
    app = Workbench(workspace)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: len(app.jobs.jobs) == 3)
        store.change_job(jobs[-1], state="failed", error="The board is gone.")
        await until(pilot, lambda: any("The board is gone" in note.message for note in app._notifications))


def test_a_job_whose_process_died_is_interrupted(store: Store, jobs: list[int]) -> None:
    store.change_job(jobs[-1], pid=2**22 + 1, pid_started=1.0)
    assert read_jobs(store).jobs[0].state == "interrupted"


def test_metrics_are_read_on_from_where_the_last_reading_ended(store: Store, jobs: list[int]) -> None:
    first = read_job(store, jobs[-1])
    store.add_metrics(jobs[-1], [("qat-int8/loss", 200, 0.25, 0.0), ("cycles/3", 0, 5.0, 0.0)])
    second = read_job(store, jobs[-1], first)
    assert len(second.curves["qat-int8/loss"].values) == 201
    assert second.curves["qat-int8/loss"].values[-1] == 0.25
    assert second.differs(first)
    assert not read_job(store, jobs[-1], second).differs(second)
    assert second.metrics == ("loss", "validation_accuracy")


def test_recipes_of_the_folder_are_offered_and_bad_ones_say_why(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('[dataset]\nname = "simulated-bars"\n')
    (tmp_path / "wrong.toml").write_text('[dataset]\nnome = "simulated-bars"\n')
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\n')
    own = {choice.title: choice.remark for choice in recipe_choices(tmp_path) if choice.value.startswith("/")}
    assert own.keys() == {"mine.toml", "wrong.toml"}
    assert own["mine.toml"] == "simulated-bars · voxel-dsc"
    assert own["wrong.toml"].startswith("✗")


def test_a_long_log_is_read_from_its_end(store: Store, jobs: list[int]) -> None:
    store.workspace.log(jobs[0]).write_text("".join(f"line {number}\n" for number in range(100_000)))
    log = read_job(store, jobs[0]).log
    assert log[-1] == "line 99999"
    assert log[0].startswith("line ")
    assert len(log) < 30_000


def test_smoothing_keeps_the_mean() -> None:
    values = np.arange(1000.0)
    assert len(smooth(values)) == 200
    assert smooth(values).mean() == values.mean()
    assert smooth(values[:50]).tolist() == values[:50].tolist()


def test_ticks_are_round_numbers_within_the_range() -> None:
    assert nice_ticks(0.0, 300.0, 3) == [0, 100, 200, 300]
    assert nice_ticks(0.13, 1.61, 3) == [0.5, 1.0, 1.5]
    assert len(nice_ticks(0.31, 0.32, 1)) >= 2
    assert nice_ticks(5.0, 5.0, 4) == [5.0]


async def test_the_queue_says_who_holds_which_board(workspace: Workspace, store: Store, jobs: list[int]) -> None:
    app = Workbench(workspace)
    async with app.run_test(size=(120, 40)) as pilot:
        await press(pilot, "6")
        assert try_lease(store, "nucleo-h743zi2", jobs[2]) is not None
        await until(pilot, lambda: f"nucleo-h743zi2 is held by job {jobs[2]}" in text_of(app, "#queue"))
