"""The store under many hands at once."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from evbench.errors import JobError
from evbench.jobs import store as store_module
from evbench.jobs.store import MetricWriter, Store
from evbench.workspace import Workspace


def test_jobs_are_listed_newest_first_with_their_settings(store: Store) -> None:
    first = store.add_job("run", "bars", {"data": None, "board": "virtual-h743"})
    second = store.add_job("profile", "bundled model", {"model": None})
    assert [job.id for job in store.jobs()] == [second, first]
    assert store.job(first).settings == {"data": None, "board": "virtual-h743"}
    assert store.job(second).state == "queued"


def test_a_missing_job_is_an_error_with_a_remedy(store: Store) -> None:
    with pytest.raises(JobError, match=r"no job 5.*jobs list"):
        store.job(5)


def test_a_change_is_refused_when_the_job_has_moved_on(store: Store) -> None:
    job_id = store.add_job("run", "bars", {})
    assert store.change_job(job_id, only_if=("queued",), state="running", pid=10)
    assert not store.change_job(job_id, only_if=("queued",), state="running", pid=11)
    assert not store.change_job(job_id, only_pid=11, state="done")
    assert store.change_job(job_id, only_pid=10, state="done", result={"rows": []})
    assert store.job(job_id).result == {"rows": []}


def test_of_many_threads_exactly_one_claims_a_job(store: Store) -> None:
    job_id = store.add_job("run", "bars", {})
    start = threading.Barrier(8)
    won: list[int] = []

    def claim(number: int) -> None:
        start.wait()
        if store.change_job(job_id, only_if=("queued",), state="running", pid=number):
            won.append(number)
        store.close()

    threads = [threading.Thread(target=claim, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert won == [store.job(job_id).pid]


def test_processes_and_threads_write_metrics_at_once_without_losing_any(workspace: Workspace, store: Store) -> None:
    job_id = store.add_job("run", "bars", {})
    code = (
        "import sys; from pathlib import Path; from evbench.workspace import Workspace; "
        "from evbench.jobs.store import Store\n"
        "store = Store(Workspace(Path(sys.argv[1])))\n"
        "for step in range(100): store.add_metrics(int(sys.argv[2]), [('process', step, 0.5, 0.0)])"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, str(workspace.root), str(job_id)]) for _ in range(2)]

    def write() -> None:
        for step in range(100):
            store.add_metrics(job_id, [("thread", step, 0.25, 0.0)])
        store.close()

    threads = [threading.Thread(target=write) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [writer.wait() for writer in writers] == [0, 0]
    assert len(store.metrics(job_id, name="thread")) == 200
    assert len(store.metrics(job_id, name="process")) == 200


def test_two_processes_may_create_the_same_store(workspace: Workspace) -> None:
    code = (
        "import sys; from pathlib import Path; from evbench.workspace import Workspace; "
        "from evbench.jobs.store import Store; Store(Workspace(Path(sys.argv[1]))).add_job('run', 'bars', {})"
    )
    makers = [subprocess.Popen([sys.executable, "-c", code, str(workspace.root)]) for _ in range(4)]
    assert [maker.wait() for maker in makers] == [0, 0, 0, 0]
    assert len(Store(workspace).jobs()) == 4


def test_metrics_can_be_read_from_where_one_left_off(store: Store) -> None:
    job_id = store.add_job("run", "bars", {})
    store.add_metrics(job_id, [("loss", 1, 0.9, 1.0), ("loss", 2, 0.8, 2.0)])
    last = store.metrics(job_id)[-1].id
    store.add_metrics(job_id, [("loss", 3, 0.7, 3.0)])
    assert [(row.step, row.value) for row in store.metrics(job_id, after=last)] == [(3, 0.7)]


def test_bursts_of_metrics_are_written_in_batches_and_none_is_lost(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([100.0, 100.0, 100.1, 100.2, 100.7, 100.7, 100.8, 100.9])
    monkeypatch.setattr(store_module.time, "time", lambda: next(clock))
    batches: list[int] = []
    monkeypatch.setattr(store, "add_metrics", lambda _, points: batches.append(len(points)))
    with MetricWriter(store, 1) as metric:
        for step in range(5):
            metric("loss", step, 1.0)
    assert batches == [1, 3, 1]


def test_stages_keep_their_order_and_progress(store: Store) -> None:
    job_id = store.add_job("run", "bars", {})
    store.plan_stages(job_id, [("dataset", ""), ("train", "qat-int8"), ("train", "fp32-voxel")])
    store.change_stage(job_id, "train", "qat-int8", state="running", progress=0.5, message="epoch 2")
    rows = store.stages(job_id)
    assert [(row.name, row.approach) for row in rows] == [
        ("dataset", ""),
        ("train", "qat-int8"),
        ("train", "fp32-voxel"),
    ]
    assert (rows[1].state, rows[1].progress, rows[1].message) == ("running", 0.5, "epoch 2")


def test_profile_runs_come_back_newest_first(store: Store) -> None:
    job_id = store.add_job("profile", "bundled model", {})
    store.add_profile_run(None, "virtual-h743", "voxel-dsc", {"total_cycles": 1})
    store.add_profile_run(job_id, "virtual-h743", "voxel-dsc", {"total_cycles": 2})
    assert [run.result["total_cycles"] for run in store.profile_runs()] == [2, 1]
    assert [run.job_id for run in store.profile_runs(job_id)] == [job_id]


def test_a_watcher_sees_that_another_connection_has_written(workspace: Workspace, store: Store) -> None:
    before = store.data_version()
    Store(workspace).add_job("run", "bars", {})
    assert store.data_version() != before


def test_a_resumed_curve_is_cut_back_to_where_it_goes_on(store: Store) -> None:
    job_id = store.add_job("run", "bars", {})
    store.add_metrics(job_id, [("loss", step, 1.0, 0.0) for step in range(6)] + [("rate", 5, 1.0, 0.0)])
    with MetricWriter(store, job_id) as metric:
        metric("loss", 4, 0.5)
        metric("loss", 5, 0.4)
    assert [(row.step, row.value) for row in store.metrics(job_id, name="loss")][3:] == [(3, 1.0), (4, 0.5), (5, 0.4)]
    assert len(store.metrics(job_id, name="rate")) == 1
