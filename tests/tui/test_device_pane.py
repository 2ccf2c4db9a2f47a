from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import OptionList
from tui_helpers import press, settle, text_of, until

from evbench.compile.linker import STACK_BYTES
from evbench.jobs import engine
from evbench.jobs.stages.export import MODEL
from evbench.jobs.store import Store
from evbench.tui.app import Workbench
from evbench.tui.dialogs import ChoiceDialog
from evbench.tui.state.profiles import measurement, model_choices, read_device
from evbench.tui.widgets.layer_bars import LayerBars
from evbench.workspace import Workspace


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Ids of jobs whose process would have been started."""
    ids: list[int] = []
    monkeypatch.setattr(engine, "start", lambda workspace, job_id: ids.append(job_id))
    return ids


def export_model(store: Store) -> str:
    """A finished run that has exported a model; returns the model's folder."""
    job = store.add_job("run", "objects-voxel-qat", {"board": "virtual-h743"})
    store.plan_stages(job, [("export", "qat-int8")])
    digest = "ab" * 32
    folder = store.workspace.artifact_dir(digest) / MODEL
    folder.mkdir(parents=True)
    store.change_stage(job, "export", "qat-int8", state="done", digest=digest)
    store.change_job(job, state="done")
    return str(folder)


async def test_with_nothing_measured_the_pane_says_which_key_measures(workspace: Workspace) -> None:
    app = Workbench(workspace)
    async with app.run_test() as pilot:
        await settle(pilot)
        await press(pilot, "5")
        assert "F5" in text_of(app, "#no-runs")
        assert "bundled model" in text_of(app, "#target")


async def test_f5_on_any_pane_queues_the_bundled_model_and_starts_it(workspace: Workspace, started: list[int]) -> None:
    app = Workbench(workspace)
    async with app.run_test() as pilot:
        await settle(pilot)
        await press(pilot, "f5")
        await until(pilot, lambda: bool(started))
        job = app.store.job(started[0])
        assert job.kind == "profile"
        assert job.settings == {"model": None, "board": "virtual-h743", "recording": None}
        assert app.pane.id == "device"


async def test_progress_then_cycles_per_layer_appear_as_the_job_writes_them(
    workspace: Workspace, store: Store, started: list[int], profile_result: dict[str, Any]
) -> None:
    app = Workbench(workspace)
    async with app.run_test() as pilot:
        await settle(pilot)
        await press(pilot, "f5")
        await until(pilot, lambda: bool(started))
        store.plan_stages(started[0], [("build", ""), ("flash", ""), ("profile", "")])
        store.change_job(started[0], state="running", stage="flash")
        store.change_stage(started[0], "build", "", state="done", progress=1.0)
        store.change_stage(started[0], "flash", "", state="running", progress=0.5, message="sector 3 of 6")
        await until(pilot, lambda: "50 %" in text_of(app, "#device-stages"))
        store.change_job(started[0], state="done")
        store.add_profile_run(started[0], "virtual-h743", "bundled model", profile_result)
        await until(pilot, lambda: "block1.depthwise" in text_of(app, "#layers"))
        await until(pilot, lambda: "modelled ±10 %" in text_of(app, "#layers"))
        await until(pilot, lambda: "128 KiB" in text_of(app, "#budget"))


@pytest.mark.usefixtures("profile_job")
async def test_a_measurement_made_earlier_is_shown_again(workspace: Workspace) -> None:
    app = Workbench(workspace)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await press(pilot, "5")
        shown = text_of(app, "#layers")
        line = next(line for line in shown.splitlines() if "block1.depthwise" in line)
        assert line.split()[-7:-1] == ["221", "k", "21.7", "%", "1.50", "0.461"]
        assert "2.12 ms" in shown
        assert "✓ profile" in text_of(app, "#device-stages")


async def test_a_real_board_is_not_called_modelled(
    workspace: Workspace, store: Store, profile_result: dict[str, Any]
) -> None:
    store.add_profile_run(None, "nucleo-h743zi2", "bundled model", {**profile_result, "modelled": False})
    app = Workbench(workspace)
    async with app.run_test() as pilot:
        await settle(pilot)
        await press(pilot, "5")
        assert "block1.pointwise" in text_of(app, "#layers")
        assert "modelled" not in text_of(app, "#layers")
        assert "modelled" not in text_of(app, "#budget")


async def test_keys_go_through_earlier_measurements(
    workspace: Workspace, store: Store, profile_result: dict[str, Any]
) -> None:
    for factor in (1, 2, 3):
        result = copy.deepcopy(profile_result)
        result["latency_ms"] *= factor
        store.add_profile_run(None, "virtual-h743", f"model {factor}", result)
    app = Workbench(workspace)
    async with app.run_test() as pilot:
        await settle(pilot)
        await press(pilot, "5")
        layers = app.query_one(LayerBars)
        assert "model 3" in str(layers.border_title)
        await press(pilot, "comma", "comma", "comma")
        assert "model 1" in str(layers.border_title)
        await press(pilot, "full_stop")
        assert "run 2 of 3" in str(layers.border_subtitle)


async def test_the_model_of_a_finished_job_is_profiled_on_the_chosen_board(
    workspace: Workspace, store: Store, started: list[int]
) -> None:
    folder = export_model(store)
    app = Workbench(workspace)
    async with app.run_test() as pilot:
        await settle(pilot)
        await press(pilot, "5", "m")
        await until(pilot, lambda: isinstance(app.screen, ChoiceDialog))
        await press(pilot, "down", "enter", "b")
        await until(pilot, lambda: isinstance(app.screen, ChoiceDialog))
        boards = app.screen.query_one(OptionList)
        below = boards.get_option_at_index((boards.highlighted or 0) + 1).id
        await press(pilot, "down", "enter", "f5")
        await until(pilot, lambda: bool(started))
        settings = store.job(started[0]).settings
        assert settings["model"] == folder
        assert settings["board"] == below != "virtual-h743"


def test_models_are_the_bundled_one_and_those_that_jobs_exported(store: Store) -> None:
    folder = export_model(store)
    choices = model_choices(store)
    assert [choice.value for choice in choices] == ["bundled", folder]


def test_onnx_files_of_the_folder_are_models_to_choose_from(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "network.onnx").touch()
    choices = model_choices(store)
    assert [choice.value for choice in choices] == ["bundled", str(tmp_path / "network.onnx")]


def test_shares_and_budget_follow_from_the_measurement(store: Store, profile_job: int) -> None:
    run = measurement(store.profile_runs(profile_job)[0])
    assert sum(layer.share for layer in run.layers) == pytest.approx(1)
    pool = next(layer for layer in run.layers if layer.name == "pool")
    assert pool.cycles_per_mac is None
    assert pool.skipped is None
    assert run.layers[0].skipped == 0.88
    budget = {line.name: line for line in run.budget}
    assert budget["flash"].fraction == pytest.approx(131_072 / 1_000_000)
    assert budget["stack"].limit == STACK_BYTES
    assert budget["latency"].used == pytest.approx(run.latency_ms * 1000)


def test_a_run_is_held_against_the_budget_of_its_recipe(store: Store, profile_result: dict[str, Any]) -> None:
    job = store.add_job("run", "small", {"recipe": {"budget": {"flash": "100 kB", "latency": "2 ms"}}})
    store.add_profile_run(job, "virtual-h743", "small qat-int8", profile_result)
    (run,) = read_device(store, None).runs
    assert {line.name: line.limit for line in run.budget if line.name in ("flash", "latency")} == {
        "flash": 100_000,
        "latency": 2_000,
    }
