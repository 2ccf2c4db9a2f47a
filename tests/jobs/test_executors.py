"""Jobs handed to a dask cluster."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from evbench.errors import JobError
from evbench.jobs import engine
from evbench.jobs.executors import dask as dask_executor
from evbench.jobs.executors import local
from evbench.jobs.store import Store


def test_a_job_runs_on_a_worker_of_a_dask_cluster(store: Store, fake_worker: None) -> None:
    distributed = pytest.importorskip("distributed", reason="the extra dask is not installed")
    job_id = store.add_job("run", "fake", {"epochs": 2})
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None, protocol="tcp://"
    ) as cluster:
        engine.start(store.workspace, job_id, "dask", cluster.scheduler_address)
        job = engine.wait(store.workspace, job_id)
    assert job.state == "done", engine.log(store.workspace, job_id)
    assert [row.state for row in store.stages(job_id)] == ["done", "done"]


def test_a_scheduler_that_does_not_answer_is_named(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    distributed = pytest.importorskip("distributed", reason="the extra dask is not installed")

    def silent(address: str, **_: object) -> None:
        raise OSError(f"Timed out trying to connect to {address}")

    monkeypatch.setattr(distributed, "Client", silent)
    with pytest.raises(JobError, match=r"does not answer\. tcp://127\.0\.0\.1:1\."):
        dask_executor.start(store.workspace, 1, "tcp://127.0.0.1:1")
    with pytest.raises(JobError, match="No dask scheduler is named"):
        dask_executor.start(store.workspace, 1, None)


def test_without_the_extra_it_says_how_to_install_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(JobError, match=r"pip install 'evbench\[dask\]'"):
        dask_executor.start(store.workspace, 1, "tcp://127.0.0.1:1")


def test_workers_sleep_instead_of_spinning(store: Store) -> None:
    assert local.environment()["GOMP_SPINCOUNT"] == "0"
    assert local.command(store.workspace, 3)[1:] == ["-m", "evbench.jobs.worker", str(store.workspace.root), "3"]
    assert Path(local.command(store.workspace, 3)[0]) == Path(sys.executable)
