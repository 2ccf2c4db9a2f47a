"""One recipe with one setting at several values: a job for each, one after the other."""

from __future__ import annotations

import pytest

from evbench.errors import JobError, ProfileError
from evbench.jobs import engine
from evbench.jobs.run_comparison import compare_runs, recipe_of
from evbench.jobs.store import Store
from evbench.jobs.sweep import Sweep, parse_sweep, start_sweep, sweep_result
from evbench.profiles import load_recipe
from evbench.workspace import Workspace


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Jobs that were started; their workers are not."""
    jobs: list[int] = []
    monkeypatch.setattr(engine, "start", lambda workspace, job, *rest: jobs.append(job))
    return jobs


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("quantize.averaging_constant=0.1,0.05,0.01", ("0.1", "0.05", "0.01")),
        ("quantize.observer=minmax, mse,minmax", ("minmax", "mse")),
        ("train.learning_rate=1e-3,3e-3", ("0.001", "0.003")),
        ("representation.window=20 ms,50 ms", ("20 ms", "50 ms")),
        ('train.augment=[], ["shift", "flip"]', ("[]", '["shift", "flip"]')),
    ],
)
def test_a_sweep_is_a_setting_and_its_values(text: str, values: tuple[str, ...]) -> None:
    assert parse_sweep(text) == Sweep(text.partition("=")[0], values)


@pytest.mark.parametrize("text", ["train.epochs", "train.epochs=", "=1,2", "train.epochs=1,,2,"])
def test_what_is_no_sweep_is_refused(text: str) -> None:
    with pytest.raises(ProfileError, match="no sweep"):
        parse_sweep(text)


def test_every_value_becomes_a_job_that_waits_for_the_one_before(store: Store, started: list[int]) -> None:
    jobs = start_sweep(store.workspace, "bars-voxel-qat", parse_sweep("train.epochs=3,5,9"))
    rows = [store.job(job) for job in jobs]
    assert started == jobs
    assert [row.settings["recipe"]["train"]["epochs"] for row in rows] == [3, 5, 9]
    assert [row.settings["after"] for row in rows] == [None, *jobs[:2]]
    assert rows[1].recipe == "bars-voxel-qat epochs 5"
    assert sweep_result(store, Sweep("train.epochs", ("3", "5", "9")), jobs)["jobs"][2]["value"] == "9"


def test_nothing_is_started_where_one_value_is_wrong(store: Store, started: list[int]) -> None:
    with pytest.raises(ProfileError, match=r"train.epochs"):
        start_sweep(store.workspace, "bars-voxel-qat", parse_sweep("train.epochs=3,-1"))
    assert store.jobs() == []
    assert started == []


@pytest.mark.usefixtures("fake_worker")
def test_a_job_runs_when_the_one_before_it_has_ended_however_it_ended(workspace: Workspace, store: Store) -> None:
    first = store.add_job("run", "fake", {"epochs": 2, "fail_at": 1})
    second = store.add_job("run", "fake", {"epochs": 2, "after": first})
    engine.start(workspace, second)
    engine.start(workspace, first)
    assert engine.wait(workspace, first).state == "failed"
    ended = engine.wait(workspace, second)
    assert ended.state == "done"
    assert (ended.started or 0) >= (store.job(first).finished or 0)


@pytest.mark.usefixtures("fake_worker")
def test_a_job_that_waits_can_be_cancelled(workspace: Workspace, store: Store) -> None:
    first = store.add_job("run", "fake", {"epochs": 2})
    second = store.add_job("run", "fake", {"epochs": 2, "after": first})
    engine.start(workspace, second)
    engine.cancel(workspace, second)
    assert store.job(second).state == "cancelled"
    engine.start(workspace, first)
    assert engine.wait(workspace, first).state == "done"
    assert store.job(second).started is None


def test_two_runs_are_compared_by_their_recipes_and_by_the_best_of_each(store: Store, started: list[int]) -> None:
    first, second = start_sweep(store.workspace, "bars-voxel-qat", parse_sweep("train.epochs=3,5"))
    store.add_metrics(
        first, [("qat-int8/validation_accuracy", step, value, 0.0) for step, value in enumerate((0.5, 0.9, 0.8))]
    )
    store.add_metrics(
        second, [("qat-int8/validation_loss", step, value, 0.0) for step, value in enumerate((0.5, 0.2, 0.3))]
    )
    found = compare_runs(store, first, second)
    assert found["differences"] == [{"key": "train.epochs", "values": ["3", "5"]}]
    assert found["best"] == [
        {"approach": "qat-int8", "metric": "validation_accuracy", "values": [0.9, None]},
        {"approach": "qat-int8", "metric": "validation_loss", "values": [None, 0.2]},
    ]


def test_a_run_whose_recipe_is_of_another_time_says_so(store: Store) -> None:
    recipe = {**load_recipe("bars-voxel-qat").model_dump(mode="json"), "colour": "blue"}
    job = store.add_job("run", "old", {"recipe": recipe, "data": None, "board": "virtual-h743"})
    with pytest.raises(JobError, match="Setting colour of old"):
        recipe_of(store.job(job))
