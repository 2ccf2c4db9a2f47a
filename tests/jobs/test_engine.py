"""Jobs that are killed, cancelled, resumed and repeated."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from evbench.errors import JobError, ProfileError, RecordingError, WorkspaceError
from evbench.jobs import engine, processes
from evbench.jobs.store import Store
from evbench.workspace import Workspace, open_workspace

pytestmark = pytest.mark.usefixtures("fake_worker")


def begin(store: Store, **settings: Any) -> int:
    job_id = store.add_job("run", "fake", {"epochs": 4, **settings})
    engine.start(store.workspace, job_id)
    return job_id


def begin_and_pause(store: Store, epoch: int) -> int:
    pipe = store.workspace.root / "pipe"
    os.mkfifo(pipe)
    job_id = begin(store, pause_at=epoch, pipe=str(pipe))
    assert pipe.read_text() == "paused"
    return job_id


def kill(store: Store, job_id: int) -> None:
    job = store.job(job_id)
    worker = processes.find(job.pid, job.pid_started)
    assert worker is not None
    worker.kill()
    psutil.wait_procs([worker])


def test_a_job_runs_in_a_session_of_its_own_and_records_stages_metrics_and_result(store: Store) -> None:
    job_id = begin(store)
    assert store.job(job_id).pid != os.getpid()
    job = engine.wait(store.workspace, job_id)
    assert (job.state, job.stage, job.error) == ("done", "train small", None)
    assert [(row.name, row.approach, row.state, row.progress) for row in store.stages(job_id)] == [
        ("data", "", "done", 1.0),
        ("train", "small", "done", 1.0),
    ]
    assert [(row.name, row.step) for row in store.metrics(job_id)] == [("small/loss", step) for step in (1, 2, 3, 4)]
    assert job.result is not None
    model = store.workspace.artifact_dir(job.result["model"]) / "model.json"
    assert json.loads(model.read_text()) == {"rows": 3, "epochs": 4}


def test_a_job_killed_during_training_goes_on_from_its_last_checkpoint(store: Store) -> None:
    job_id = begin_and_pause(store, epoch=3)
    kill(store, job_id)
    interrupted = engine.refresh(store, job_id)
    assert interrupted.state == "interrupted"
    assert f"evbench jobs resume {job_id}" in str(interrupted.error)
    engine.resume(store.workspace, job_id)
    engine.start(store.workspace, job_id)
    assert engine.wait(store.workspace, job_id).state == "done"
    log = engine.log(store.workspace, job_id)
    assert "begins after epoch 0" in log
    assert "begins after epoch 3" in log
    assert [row.state for row in store.stages(job_id)] == ["reused", "done"]
    assert [row.step for row in store.metrics(job_id)][-1] == 4


def test_a_killed_job_leaves_no_half_artifact(store: Store) -> None:
    job_id = begin_and_pause(store, epoch=2)
    kill(store, job_id)
    stages = store.stages(job_id)
    assert store.workspace.artifact_dir(str(stages[0].digest)).is_dir()
    assert not store.workspace.artifact_dir(str(stages[1].digest)).exists()


def test_a_second_identical_run_reuses_every_stage(store: Store) -> None:
    first, second = begin(store), None
    engine.wait(store.workspace, first)
    second = begin(store)
    engine.wait(store.workspace, second)
    assert [row.state for row in store.stages(second)] == ["reused", "reused"]
    assert store.job(second).result == store.job(first).result


def test_a_changed_setting_runs_only_the_stages_that_depend_on_it(store: Store) -> None:
    engine.wait(store.workspace, begin(store))
    second = begin(store, epochs=5)
    engine.wait(store.workspace, second)
    assert [row.state for row in store.stages(second)] == ["reused", "done"]


def test_a_cancelled_job_ends_its_process_and_can_be_resumed(store: Store) -> None:
    job_id = begin_and_pause(store, epoch=2)
    row = store.job(job_id)
    engine.cancel(store.workspace, job_id)
    assert processes.find(row.pid, row.pid_started) is None
    assert store.job(job_id).state == "cancelled"
    engine.resume(store.workspace, job_id)
    engine.start(store.workspace, job_id)
    assert engine.wait(store.workspace, job_id).state == "done"
    assert "begins after epoch 2" in engine.log(store.workspace, job_id)


def test_a_job_asked_to_end_by_the_system_is_interrupted_not_lost(store: Store) -> None:
    job_id = begin_and_pause(store, epoch=1)
    pid = store.job(job_id).pid
    assert pid is not None
    os.kill(pid, signal.SIGTERM)
    assert engine.wait(store.workspace, job_id).state == "interrupted"


def test_a_failing_stage_fails_the_job_with_its_three_sentences(store: Store) -> None:
    job = engine.wait(store.workspace, begin(store, fail_at=2))
    assert (job.state, job.error) == ("failed", "The network cannot be trained. epoch 2. Try another.")
    assert store.stages(job.id)[1].state == "failed"
    assert "Traceback" not in engine.log(store.workspace, job.id)


def test_an_unexpected_error_keeps_its_traceback_in_the_log_only(store: Store) -> None:
    job = engine.wait(store.workspace, begin(store, crash_at=1))
    assert job.state == "failed"
    assert "Traceback" not in str(job.error)
    assert "Traceback" in engine.log(store.workspace, job.id)


def test_finished_jobs_can_be_neither_cancelled_nor_resumed(store: Store) -> None:
    job_id = begin(store)
    engine.wait(store.workspace, job_id)
    with pytest.raises(JobError, match="it is done"):
        engine.cancel(store.workspace, job_id)
    with pytest.raises(JobError, match="it is done"):
        engine.resume(store.workspace, job_id)


def test_an_unknown_job_says_how_to_list_jobs(workspace: Workspace) -> None:
    with pytest.raises(JobError, match="evbench jobs list"):
        engine.cancel(workspace, 77)


def test_a_job_started_twice_runs_once(store: Store) -> None:
    job_id = store.add_job("run", "fake", {"epochs": 2})
    engine.start(store.workspace, job_id)
    engine.start(store.workspace, job_id)
    assert engine.wait(store.workspace, job_id).state == "done"
    assert engine.log(store.workspace, job_id).count("begins after epoch") == 1


def test_recovery_finds_the_jobs_whose_process_is_gone(store: Store) -> None:
    lost = store.add_job("run", "fake", {})
    pid, started = processes.identity()
    store.change_job(lost, state="running", pid=pid, pid_started=started - 1000)
    waiting = store.add_job("run", "fake", {})
    assert {job.id: job.state for job in engine.recover(store)} == {waiting: "queued", lost: "interrupted"}


def test_submitting_checks_recipe_data_and_board_first(workspace: Workspace, tmp_path: Path) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text('[dataset]\nname = "simulated-bars"\n')
    with pytest.raises(RecordingError, match="does not exist"):
        engine.submit_run(workspace, recipe, data=tmp_path / "nothing")
    with pytest.raises(ProfileError, match="no board profile"):
        engine.submit_run(workspace, recipe, board="arduino")
    with pytest.raises(ProfileError, match="no recipe"):
        engine.submit_run(workspace, "nothing")
    assert Store(workspace).jobs() == []


def test_submitting_keeps_the_whole_recipe_with_its_overrides(workspace: Workspace, tmp_path: Path) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text('[dataset]\nname = "simulated-bars"\n')
    job_id = engine.submit_run(workspace, recipe, overrides={"train.epochs": "2"})
    job = Store(workspace).job(job_id)
    assert job.settings["recipe"]["train"]["epochs"] == 2
    assert (job.recipe, job.settings["board"]) == ("mine", "virtual-h743")


def test_a_nearly_full_disk_is_refused_before_a_job_begins(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text('[dataset]\nname = "simulated-bars"\n')
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=900_000))
    with pytest.raises(WorkspaceError, match="disk is full"):
        engine.submit_run(workspace, recipe)


def test_a_disk_that_fills_during_a_job_fails_it_with_one_sentence(small_disk: Path) -> None:
    store = Store(open_workspace(small_disk / "workspace"))
    job = engine.wait(store.workspace, begin(store, fill_at=1))
    assert job.state == "failed"
    assert str(job.error).startswith("The disk is full.")
    assert str(job.error).count("\n") == 0
    store.close()


def test_a_foreign_file_in_place_of_the_database_is_named(workspace: Workspace) -> None:
    workspace.db.write_bytes(b"not a database at all, but long enough to look like one" * 30)
    with pytest.raises(WorkspaceError, match=r"damaged.*evbench\.db"):
        Store(workspace)


def test_a_database_of_a_later_version_is_refused(workspace: Workspace) -> None:
    Store(workspace).close()
    with sqlite3.connect(workspace.db) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(WorkspaceError, match="version 99"):
        Store(workspace)
