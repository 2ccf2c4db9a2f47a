"""A training is seen from outside as far as it has come, whichever way it ended."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from evbench.errors import JobError
from evbench.jobs.store import Store
from evbench.jobs.training_tensors import running_trainings, training_tensors
from evbench.quantize.movement import FILE, no_movement, save_movement
from evbench.quantize.statistics import SCALES_FILE, Collector, ScaleRecord, save_scales
from evbench.workspace import Workspace, open_workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return open_workspace(tmp_path / "ws")


def begin(store: Store, approach: str = "qat-int8") -> int:
    job = store.add_job("run", "bars", {})
    store.plan_stages(job, [("train", approach), ("export", approach)])
    store.change_job(job, state="running", started=1.0)
    return job


def train(store: Store, job: int, folder: Path, digest: str) -> None:
    """One look at values around 1 on a grid that ends at 2.55, half of them zero."""
    given = np.array([0.0, 0.0, 1.0, 1.2], np.float32).reshape(1, 1, -1)
    collector = Collector("block", "activation", 0, 255, np.array([0.01]), "minmax")
    collector.add(given, given)
    folder.mkdir(parents=True)
    save_movement(no_movement(("block",), 100, 1).with_look(0, {"block": collector.finish()}), folder / FILE)
    save_scales(ScaleRecord(("block",), np.arange(1), np.array([[0.01]])), folder / SCALES_FILE)
    store.change_stage(job, "train", "qat-int8", state="running", digest=digest)


def test_a_training_under_way_is_listed_and_read_from_its_working_folder(workspace: Workspace) -> None:
    store, digest = Store(workspace), "ab" * 32
    job = begin(store)
    begin(store, "fp32-voxel")
    assert running_trainings(store) == []
    train(store, job, workspace.work_dir(digest), digest)
    assert running_trainings(store) == [(job, "bars", "qat-int8")]
    found = training_tensors(store, job, "qat-int8")
    assert found.steps == (1, 1)
    assert found.name == "bars qat-int8, in training"
    (row,) = found.overview()["tensors"]
    assert (row["name"], row["zero_share"], row["sqnr_db"]) == ("block", 0.5, None)
    assert row["range"] == pytest.approx(2.55)
    moved = found.over_training("block")
    assert (moved["steps"], moved["total_steps"]) == ([0], 100)
    assert moved["scales_over_training"] == {"steps": [0], "scales": [0.01]}


def test_a_training_that_has_ended_is_read_from_what_it_left(workspace: Workspace) -> None:
    store, digest = Store(workspace), "cd" * 32
    job = begin(store)
    train(store, job, workspace.artifact_dir(digest), digest)
    store.change_stage(job, "train", "qat-int8", state="done")
    assert running_trainings(store) == []
    assert training_tensors(store, job, "qat-int8").name == "bars qat-int8"


def test_a_training_that_has_looked_at_nothing_has_no_tensors(workspace: Workspace) -> None:
    store = Store(workspace)
    job = begin(store)
    store.change_stage(job, "train", "qat-int8", state="running", digest="ef" * 32)
    assert training_tensors(store, job, "qat-int8").overview()["tensors"] == []


def test_a_training_that_has_not_begun_is_refused(workspace: Workspace) -> None:
    store = Store(workspace)
    job = begin(store)
    for approach in ("qat-int8", "ptq-int8"):
        with pytest.raises(JobError, match="has not begun"):
            training_tensors(store, job, approach)
