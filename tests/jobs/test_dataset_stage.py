"""The stage that turns recordings into windows."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evbench.errors import RecordingError
from evbench.events.datasets import catalogue
from evbench.events.datasets.labelled import BOX, Dataset
from evbench.events.stream import SensorGeometry
from evbench.events.windowset import WindowSet
from evbench.jobs.pipeline import plan
from evbench.jobs.runner import run_stages
from evbench.jobs.stage import Context, Stage
from evbench.jobs.stages import dataset
from evbench.jobs.store import Store
from evbench.profiles import DatasetSettings, Recipe, Representation, load_board
from evbench.resources import resource
from evbench.workspace import Workspace

SPAWN = multiprocessing.get_context("spawn")
LENGTHS = (10_000, 20_000, 25_000, 40_000, 50_000)


def context(workspace: Workspace, out: Path) -> Context:
    def silent(*_: Any) -> None:
        return None

    return Context(workspace, out, out, {}, silent, lambda: None, silent, None)


def test_a_set_with_boxes_is_refused_before_any_recording_is_read(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sky = Dataset("tonic:EBSSA", ("object",), SensorGeometry(304, 240), (), boxes=lambda _: np.zeros(0, BOX))
    monkeypatch.setattr(catalogue, "load_dataset", lambda *_: sky)
    recipe = Recipe(id="sky", dataset=DatasetSettings(name="tonic:EBSSA"))
    with pytest.raises(RecordingError, match="EBSSA says where things are") as caught:
        dataset.run(context(workspace, tmp_path), recipe, tmp_path)
    assert "Choose a set with classes" in caught.value.remedy


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    for split in ("train", "test"):
        shutil.copytree(
            resource("assets", "recordings"), tmp_path / "data" / split, ignore=shutil.ignore_patterns("gesture-*")
        )
    return tmp_path / "data"


def stage_for(data: Path, length: int, run: Callable[[Context], str] | None = None) -> Stage:
    """The stage of a recipe with windows of so many microseconds; `run` may do its work in another way."""
    representation = Representation(bins=2, window=length, size=(32, 32))
    recipe = Recipe(id="tiny", dataset=DatasetSettings(name="folder"), representation=representation)
    stage = plan(recipe, load_board("virtual-h743"), data)[0]
    return (
        stage if run is None else Stage(stage.name, "", run, stage.settings, stage.inputs, stage.code, stage.libraries)
    )


def build_all(root: Path, data: Path, jobs: list[int], together: Any) -> None:
    """In a process of its own: a cache per job, each begun at the same time as in the other process."""
    workspace = Workspace(root)
    for length, job in zip(LENGTHS, jobs, strict=True):
        together.wait(60)
        run_stages(workspace, Store(workspace), job, [stage_for(data, length)])
        assert_whole(workspace, stage_for(data, length))


def build_and_die(root: Path, data: Path) -> None:
    workspace = Workspace(root)

    def run(context: Context) -> str:
        stage_for(data, 50_000).run(context)
        (context.out / "voxel-test.npz").write_bytes(b"half a file")
        os.kill(os.getpid(), signal.SIGKILL)
        return ""

    store = Store(workspace)
    run_stages(workspace, store, store.add_job("run", "tiny", {}), [stage_for(data, 50_000, run)])


def assert_whole(workspace: Workspace, stage: Stage) -> None:
    folder = workspace.artifact_dir(stage.digest({}))
    sets = {f"{kind}-{split}.npz" for kind in ("voxel", "frame") for split in ("train", "validation", "test")}
    assert {path.name for path in folder.iterdir()} == sets | {"dataset.json", "message"}
    assert all(len(WindowSet.load(folder / name)) for name in sets)


def test_of_two_processes_that_want_the_same_cache_one_builds_it_and_both_go_on(
    workspace: Workspace, store: Store, recordings: Path
) -> None:
    together = SPAWN.Barrier(2)
    jobs = [[store.add_job("run", "tiny", {}) for _ in LENGTHS] for _ in range(2)]
    builders = [
        SPAWN.Process(target=build_all, args=(workspace.root, recordings, own, together), daemon=True) for own in jobs
    ]
    for builder in builders:
        builder.start()
    for builder in builders:
        builder.join()
    assert [builder.exitcode for builder in builders] == [0, 0]
    for pair in zip(*jobs, strict=True):
        assert sorted(store.stages(job)[0].state for job in pair) == ["done", "reused"]
    assert len(list(workspace.artifacts.glob("*/*"))) == len(LENGTHS)
    assert list(workspace.work.iterdir()) == []


def test_a_build_that_is_killed_leaves_nothing_that_another_takes_for_whole(
    workspace: Workspace, store: Store, recordings: Path
) -> None:
    killed = SPAWN.Process(target=build_and_die, args=(workspace.root, recordings), daemon=True)
    killed.start()
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    assert list(workspace.artifacts.glob("*/*")) == []
    job = store.add_job("run", "tiny", {})
    stage = stage_for(recordings, 50_000)
    run_stages(workspace, store, job, [stage])
    assert store.stages(job)[0].state == "done"
    assert_whole(workspace, stage)
    assert list(workspace.work.iterdir()) == []
