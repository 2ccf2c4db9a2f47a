"""The whole road on a few recordings and tiny networks: every stage real, board included."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from evbench import cli
from evbench.errors import BoardError
from evbench.graph.activity import recorded_activity
from evbench.jobs import actions, engine, processes
from evbench.jobs.bundled import bundle, renew
from evbench.jobs.models import model_of_job, open_model, windows_for
from evbench.jobs.pipeline import plan
from evbench.jobs.quantisation import statistics_of
from evbench.jobs.store import JobRow, StageRow, Store
from evbench.jobs.verifying import verify_model
from evbench.profiles import load_board, load_recipe
from evbench.resources import resource
from evbench.workspace import Workspace, open_workspace

pytestmark = pytest.mark.slow

RECIPE = """
parity_windows = 4
[dataset]
name = "folder"
[representation]
bins = 2
window = "100 ms"
size = [32, 32]
[network]
name = "voxel-dsc"
frames = "voxel-dsc"
[train]
epochs = 2
frames_epochs = 1
batch_size = 8
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of the bundled bars and a recipe that is quick to run."""
    root = tmp_path_factory.mktemp("tiny")
    for split in ("train", "test"):
        shutil.copytree(
            resource("assets", "recordings"), root / "data" / split, ignore=shutil.ignore_patterns("gesture-*")
        )
    (root / "tiny.toml").write_text(RECIPE)
    return root


@pytest.fixture(scope="module")
def finished(folder: Path) -> JobRow:
    """A run of the tiny recipe from beginning to end."""
    workspace = open_workspace(folder / "workspace")
    job_id = engine.submit_run(workspace, folder / "tiny.toml", folder / "data")
    engine.start(workspace, job_id)
    job = engine.wait(workspace, job_id)
    assert job.state == "done", engine.log(workspace, job_id)
    return job


@pytest.fixture
def workspace(folder: Path, finished: JobRow) -> Workspace:
    return open_workspace(folder / "workspace")


def test_a_run_killed_in_training_goes_on_from_its_checkpoint_without_losing_a_step(
    folder: Path, tmp_path: Path
) -> None:
    epochs = 60
    workspace = open_workspace(tmp_path / "workspace")
    store = Store(workspace)

    def training(job: JobRow) -> StageRow | None:
        return next((s for s in store.stages(job.id) if (s.name, s.approach) == ("train", "fp32-voxel")), None)

    def kill_in_a_later_epoch(job: JobRow) -> None:
        stage, worker = training(job), processes.find(job.pid, job.pid_started)
        if worker and stage and stage.message.startswith("epoch") and not stage.message.startswith("epoch 1/"):
            worker.kill()
            psutil.wait_procs([worker])

    def stop_after_training(job: JobRow) -> None:
        stage = training(job)
        if stage and stage.state == "done" and not job.ended:
            engine.cancel(workspace, job.id)

    settings = {"train.epochs": str(epochs), "quantize.method": "ptq"}
    job_id = engine.submit_run(workspace, folder / "tiny.toml", folder / "data", overrides=settings)
    engine.start(workspace, job_id)
    assert engine.wait(workspace, job_id, kill_in_a_later_epoch, interval=0.002).state == "interrupted"
    killed = store.metrics(job_id, name="fp32-voxel/loss")
    engine.resume(workspace, job_id)
    engine.start(workspace, job_id)
    assert engine.wait(workspace, job_id, stop_after_training, interval=0.002).state == "cancelled"
    stage = training(store.job(job_id))
    assert stage is not None
    assert stage.state == "done", engine.log(workspace, job_id)
    points = store.metrics(job_id, name="fp32-voxel/loss")
    steps = [point.step for point in points]
    assert steps == list(range(len(steps)))
    assert len(steps) % epochs == 0
    kept = {point.id for point in killed} & {point.id for point in points}
    assert len(kept) >= len(steps) // epochs
    assert store.stages(job_id)[0].state == "reused"


def test_a_finished_run_leaves_no_working_folder(workspace: Workspace, finished: JobRow) -> None:
    assert finished.state == "done"
    assert list(workspace.work.iterdir()) == []


def test_the_report_has_a_row_with_all_promised_keys_for_every_approach(finished: JobRow) -> None:
    assert finished.result is not None
    rows = finished.result["rows"]
    assert [row["approach"] for row in rows] == ["fp32-frames", "fp32-voxel", "ptq-int8", "qat-int8"]
    for row in rows:
        assert set(row) >= {
            "approach",
            "model_bytes",
            "flash_bytes",
            "ram_bytes",
            "accuracy_window",
            "accuracy_window_ci95",
            "accuracy_recording",
            "latency_ms",
            "cycles",
            "n_windows",
        }
        assert row["accuracy_window_ci95"][0] <= row["accuracy_window"] <= row["accuracy_window_ci95"][1]
        assert row["fits"]
        assert row["parity"]
    assert rows[2]["model_bytes"] < rows[1]["model_bytes"]


def test_the_report_keeps_confusion_matrices_that_add_up_to_the_accuracies(finished: JobRow) -> None:
    assert finished.result is not None
    classes = finished.result["classes"]
    assert len(classes) == 6
    for row in finished.result["rows"]:
        matrices = finished.result["confusion"][row["approach"]]
        for kind, total in (("window", row["n_windows"]), ("recording", row["n_recordings"])):
            matrix = matrices[kind]
            assert sum(map(sum, matrix)) == total
            right = sum(matrix[number][number] for number in range(len(classes)))
            assert right / total == pytest.approx(row[f"accuracy_{kind}"])


def test_confusion_is_shown_by_the_report_command(
    workspace: Workspace, finished: JobRow, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["evbench", "--workspace", str(workspace.root), "report", str(finished.id), "--confusion"]
    monkeypatch.setattr(sys, "argv", [*command, "--approach", "fp32-voxel", "--json"])
    with pytest.raises(SystemExit):
        cli.main()
    found = json.loads(capsys.readouterr().out)
    assert (found["approach"], found["job"]) == ("fp32-voxel", finished.id)
    assert finished.result is not None
    assert found["confusion"] == finished.result["confusion"]["fp32-voxel"]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit):
        cli.main()
    shown = capsys.readouterr().out
    assert "QAT int8: true class by row" in shown
    assert "counter-clockwise" in shown


def test_a_second_identical_run_reuses_every_stage(folder: Path, workspace: Workspace, finished: JobRow) -> None:
    store = Store(workspace)
    job_id = engine.submit_run(workspace, folder / "tiny.toml", folder / "data")
    engine.start(workspace, job_id)
    again = engine.wait(workspace, job_id)
    assert {stage.state for stage in store.stages(job_id)} == {"reused"}
    assert again.result == finished.result


def test_the_exported_model_of_a_job_can_be_profiled_and_compared(
    workspace: Workspace, finished: JobRow, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = model_of_job(Store(workspace), finished.id)
    monkeypatch.setattr(sys, "argv", ["evbench", "--workspace", str(workspace.root), "profile", str(model), "--json"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    profile = json.loads(capsys.readouterr().out)
    assert set(profile) >= {
        "board",
        "modelled",
        "core_hz",
        "build_id",
        "layers",
        "total_cycles",
        "latency_ms",
        "flash_bytes",
        "ram_bytes",
        "stack_bytes",
        "logits",
    }
    keys = ["index", "name", "kind", "macs", "cycles", "cycles_per_mac", "ms", "skipped", "choice"]
    assert list(profile["layers"][0]) == keys
    assert sum(layer["cycles"] for layer in profile["layers"]) == profile["total_cycles"]
    assert Store(workspace).profile_runs()[0].result["total_cycles"] == profile["total_cycles"]
    parity = actions.parity_model(Store(workspace), model, load_board("virtual-h743"), windows=3)
    assert parity["passed"]
    assert {pair["b"] for pair in parity["pairs"]} == {"ort", "ort-float", "ort-uint8", "torch", "host", "board"}


def test_reported_models_carry_what_the_board_measured_and_hold_what_they_claim(
    folder: Path, workspace: Workspace, finished: JobRow
) -> None:
    model = model_of_job(Store(workspace), finished.id)
    card = json.loads((model / "model.json").read_text())
    row = next(row for row in finished.result["rows"] if row["approach"] == "qat-int8")  # type: ignore[index]
    assert card["board"]["latency_ms"] == row["latency_ms"]
    assert card["board"]["flash_bytes"] == row["flash_bytes"]
    assert card["board"]["parity"]["passed"]
    assert card["data"]["splits"].keys() == {"train", "validation", "test"}
    report = verify_model(workspace, model, folder / "data")
    states = {claim["claim"]: claim["state"] for claim in report["claims"]}
    assert [claim for claim in report["claims"] if claim["state"] != "holds"] == []
    assert {"flash bytes", "RAM bytes", "cycles on virtual-h743", "torch equals reference"} <= states.keys()


def test_the_board_of_a_run_makes_the_voxel_grids_of_test_windows_itself(
    workspace: Workspace, finished: JobRow
) -> None:
    runs = [run.result for run in Store(workspace).profile_runs() if run.job_id == finished.id]
    assert len(runs) == 4
    windows = [window for result in runs for window in result["windows"]]
    assert all(window["sensor"] and window["voxelising"]["cycles_per_event"] > 1 for window in windows)


def test_a_run_stores_statistics_of_its_int8_models_and_the_scales_they_went_through(
    workspace: Workspace, finished: JobRow
) -> None:
    store = Store(workspace)
    for approach, followed in (("ptq-int8", False), ("qat-int8", True)):
        name, statistics = statistics_of(lambda: workspace, str(finished.id), approach)
        assert approach in name
        assert {"input", "stem.0", "stem.0.weight"} <= {tensor.name for tensor in statistics.tensors}
        assert bool(statistics.scales.steps.size) == followed
        assert recorded_activity(open_model(model_of_job(store, finished.id, approach)).graph)[0] > 0
    live = store.metrics(finished.id, name="qat-int8/scale/stem.0")
    assert [point.step for point in live] == statistics.scales.steps.tolist()
    assert [point.value for point in live] == pytest.approx(statistics.scales.of("stem.0").tolist())


def test_a_profile_job_records_its_steps_and_live_cycles(workspace: Workspace, finished: JobRow) -> None:
    store = Store(workspace)
    job_id = engine.submit_profile(workspace, model_of_job(store, finished.id, "ptq-int8"))
    engine.start(workspace, job_id)
    job = engine.wait(workspace, job_id)
    assert job.state == "done", job.error
    assert [(stage.name, stage.state) for stage in store.stages(job_id)] == [
        ("build", "done"),
        ("flash", "done"),
        ("profile", "done"),
    ]
    assert job.result is not None
    live = store.metrics(job_id, name="cycles/0")
    assert len(live) == len(job.result["windows"]) == len(store.metrics(job_id, name="cycles/voxelising"))
    assert min(point.value for point in live) > 0


def test_a_serial_port_that_does_not_exist_is_named(workspace: Workspace, finished: JobRow, tmp_path: Path) -> None:
    store, port = Store(workspace), str(tmp_path / "ttyNONE")
    with pytest.raises(BoardError, match=r"does not exist.*ttyNONE"):
        actions.profile_model(store, model_of_job(store, finished.id), actions.choose_board("nucleo-h743zi2", port))
    assert store.leases() == []


def test_windows_of_a_model_come_from_one_recording_or_a_folder(
    workspace: Workspace, finished: JobRow, folder: Path
) -> None:
    model = open_model(model_of_job(Store(workspace), finished.id))
    one = windows_for(model, sorted((folder / "data" / "test").glob("*.dat"))[0])
    every = windows_for(model, folder / "data")
    bundled = windows_for(model, None)
    assert one.shape == (4, 32, 32)
    assert len(one) < len(every) < len(bundled)


def test_a_finished_jobs_quantised_model_replaces_the_bundled_one_with_its_board_on_the_card(
    finished: JobRow, workspace: Workspace, tmp_path: Path
) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "of-before.npz").write_bytes(b"")
    card = bundle(workspace, finished.id, tmp_path / "model")
    assert json.loads((tmp_path / "model" / "model.json").read_text()) == card
    assert (card["approach"], card["board"]["board"]) == ("qat-int8", "virtual-h743")
    assert {path.name for path in (tmp_path / "model").iterdir()} == {"model.json", *card["files"]}


def test_the_board_on_a_bundled_models_card_is_measured_anew(
    finished: JobRow, workspace: Workspace, folder: Path, tmp_path: Path
) -> None:
    card = bundle(workspace, finished.id, tmp_path / "model")
    old = {**card, "board": {**card["board"], "build_id": "0" * 12, "total_cycles": 1}}
    (tmp_path / "model" / "model.json").write_text(json.dumps(old))
    again = renew(workspace, tmp_path / "model", folder / "data")
    same = ("board", "build_id", "flash_bytes", "ram_bytes", "stack_bytes", "parity")
    assert all(again["board"][name] == card["board"][name] for name in same)
    assert again["board"]["total_cycles"] == pytest.approx(card["board"]["total_cycles"], rel=1e-3)
    assert again["files"] == card["files"]


def test_a_setting_of_quantisation_leaves_the_float_stages_alone(folder: Path) -> None:
    board = load_board("virtual-h743")
    digests = []
    for overrides in ({}, {"quantize.averaging_constant": "0.1"}):
        stages = plan(load_recipe(folder / "tiny.toml", overrides), board, folder / "data")
        known: dict[str, Any] = {}
        for stage in stages:
            known[stage.key] = stage.digest(known)
        digests.append(known)
    same = {key for key in digests[0] if digests[0][key] == digests[1][key]}
    assert {"dataset", "train fp32-frames", "train fp32-voxel"} <= same
    assert not {"train qat-int8", "quantise ptq-int8", "report"} & same


def test_late_quantisation_reads_what_the_float_training_kept_for_it(folder: Path) -> None:
    board = load_board("virtual-h743")
    read, digests = [], []
    for overrides in ({}, {"quantize.from_epoch": "1"}):
        stages = {
            stage.key: stage for stage in plan(load_recipe(folder / "tiny.toml", overrides), board, folder / "data")
        }
        read.append(set(stages["train qat-int8"].inputs.values()))
        digests.append(stages["train fp32-voxel"].digest({"dataset": "0"}))
    assert read == [{"dataset"}, {"dataset", "train fp32-voxel"}]
    assert digests[0] != digests[1]


def test_a_recipe_that_only_calibrates_has_three_rows(folder: Path) -> None:
    recipe = load_recipe(folder / "tiny.toml", {"quantize.method": "ptq"})
    keys = [stage.key for stage in plan(recipe, load_board("virtual-h743"), folder / "data")]
    assert "quantise ptq-int8" in keys
    assert not [key for key in keys if "qat" in key]
