"""Stages, their hashes and what happens when two jobs want the same one."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from evbench.jobs import hashing
from evbench.jobs.runner import run_stages
from evbench.jobs.stage import Context, Stage
from evbench.jobs.store import Store


def nothing(context: Context) -> str:
    return "done"


def test_a_hash_follows_settings_inputs_and_code_but_not_the_order_of_keys() -> None:
    reads, code = {"windows": "dataset"}, ("evbench.errors",)
    stage = Stage("train", "qat-int8", nothing, settings={"a": 1, "b": 2}, inputs=reads, code=code)
    same = Stage("train", "qat-int8", nothing, settings={"b": 2, "a": 1}, inputs=reads, code=code)
    assert stage.digest({"dataset": "x", "other": "y"}) == same.digest({"dataset": "x"})
    assert stage.digest({"dataset": "x"}) != stage.digest({"dataset": "z"})
    more_code = Stage("train", "qat-int8", nothing, {"a": 1, "b": 2}, reads, (*code, "evbench.jobs"))
    assert stage.digest({"dataset": "x"}) != more_code.digest({"dataset": "x"})


def test_the_same_work_has_the_same_hash_whoever_it_belongs_to() -> None:
    reads = [Stage("train", label, nothing, {"seed": 0}, {"windows": f"dataset {label}"}) for label in ("a", "b")]
    assert reads[0].digest({"dataset a": "x"}) == reads[1].digest({"dataset b": "x"})
    assert reads[0].digest({"dataset a": "x"}) != reads[1].digest({"dataset b": "y"})


def test_code_hashes_change_with_a_users_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    module = tmp_path / "mynetwork.py"
    module.write_text("width = 8\n")
    first = hashing.code_digest(("mynetwork",))
    hashing.code_digest.cache_clear()
    module.write_text("width = 16\n")
    assert hashing.code_digest(("mynetwork",)) != first


def test_code_hashes_cover_packages_and_bundled_folders() -> None:
    empty = hashing.code_digest(())
    digests = {hashing.code_digest((name,)) for name in ("evbench.jobs", "evbench.events", "profiles/")}
    assert len(digests | {empty}) == 4


def test_data_fingerprints_see_added_and_changed_files(tmp_path: Path) -> None:
    (tmp_path / "a.dat").write_bytes(b"12")
    before = hashing.data_fingerprint(tmp_path)
    assert hashing.data_fingerprint(tmp_path) == before
    (tmp_path / "b.dat").write_bytes(b"3")
    after = hashing.data_fingerprint(tmp_path)
    (tmp_path / "a.dat").write_bytes(b"123")
    assert len({before, after, hashing.data_fingerprint(tmp_path)}) == 3


def test_two_jobs_that_want_the_same_stage_run_it_once(store: Store) -> None:
    runs: list[str] = []
    inside, go_on = threading.Event(), threading.Event()

    def slow(context: Context) -> str:
        runs.append(context.out.name)
        inside.set()
        go_on.wait()
        return "made"

    jobs = [store.add_job("run", "bars", {}) for _ in range(2)]
    stage = Stage("train", "", slow)
    first = threading.Thread(target=run_stages, args=(store.workspace, store, jobs[0], [stage]))
    first.start()
    inside.wait()
    second = threading.Thread(target=run_stages, args=(store.workspace, store, jobs[1], [stage]))
    second.start()
    while store.stages(jobs[1]) == [] or "waiting" not in store.stages(jobs[1])[0].message:
        second.join(0.001)
    go_on.set()
    first.join()
    second.join()
    assert len(runs) == 1
    assert [store.stages(job)[0].state for job in jobs] == ["done", "reused"]


def test_a_stage_begins_although_another_job_removes_its_folder_just_then(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    removed: list[Path] = []
    make = Path.mkdir

    def make_and_lose_once(path: Path, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        make(path, mode, parents, exist_ok)
        if path.parent == store.workspace.work and not removed:
            removed.append(path)
            path.rmdir()

    monkeypatch.setattr(Path, "mkdir", make_and_lose_once)
    job = store.add_job("run", "bars", {})
    run_stages(store.workspace, store, job, [Stage("train", "", nothing)])
    assert len(removed) == 1
    assert store.stages(job)[0].state == "done"


def test_a_stage_begins_with_an_empty_output_but_keeps_its_working_folder(store: Store) -> None:
    seen: list[list[str]] = []

    def fails_once(context: Context) -> str:
        seen.append(sorted(path.name for path in context.out.iterdir()))
        (context.out / "half").touch()
        if not (context.work / "checkpoint").exists():
            (context.work / "checkpoint").touch()
            raise ValueError("first time")
        return "made"

    job = store.add_job("run", "bars", {})
    stage = Stage("train", "", fails_once)
    with pytest.raises(ValueError, match="first time"):
        run_stages(store.workspace, store, job, [stage])
    assert store.stages(job)[0].state == "failed"
    output = run_stages(store.workspace, store, job, [stage])["train"]
    assert seen == [[], []]
    assert sorted(path.name for path in output.iterdir()) == ["half", "message"]
