"""Starting, stopping and following jobs. Each runs in a process of its own that outlives whoever started it."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from evbench.errors import JobError, RecordingError
from evbench.jobs import processes
from evbench.jobs.store import JobRow, Store
from evbench.profiles import load_board, load_recipe
from evbench.workspace import Workspace, explained

Executor = Literal["local", "dask"]

_started: list[subprocess.Popen[bytes]] = []


def submit_run(
    workspace: Workspace,
    recipe: str | Path,
    data: Path | None = None,
    board: str | None = None,
    overrides: Mapping[str, str] | None = None,
    *,
    variant: str = "",
    after: int | None = None,
) -> int:
    """Queue a recipe; returns the job's id. `overrides` are settings such as {"train.epochs": "2"}.

    `variant` tells the job from others of the same recipe; it waits until job `after` has ended, well or not.
    Raises ProfileError for a recipe or board that cannot be used, RecordingError when `data` does not exist,
    WorkspaceError when the disk is full.
    """
    loaded = load_recipe(recipe, overrides)
    profile = load_board(board or loaded.board)
    settings: dict[str, Any] = {
        "recipe": loaded.model_dump(mode="json"),
        "data": str(existing(data)) if data else None,
        "board": portable(board or loaded.board, profile.id),
        "after": after,
    }
    workspace.require_space()
    return Store(workspace).add_job("run", f"{loaded.id} {variant}".rstrip(), settings)


def submit_profile(
    workspace: Workspace, model: Path | None = None, board: str | None = None, recording: Path | None = None
) -> int:
    """Queue building, flashing and profiling a model (the bundled one when none is named); returns the job's id."""
    from evbench.jobs.models import label

    profile = load_board(board or "virtual-h743")
    settings = {
        "model": str(existing(model)) if model else None,
        "board": portable(board or "virtual-h743", profile.id),
        "recording": str(existing(recording)) if recording else None,
    }
    workspace.require_space()
    return Store(workspace).add_job("profile", label(model), settings)


def start(workspace: Workspace, job_id: int, executor: Executor = "local", scheduler: str | None = None) -> None:
    """Start the worker of a queued job and return at once.

    executor "local" starts a process here; "dask" hands the job to the dask scheduler at the address `scheduler`,
    whose workers must see the workspace's folder.
    """
    if executor == "dask":
        from evbench.jobs.executors import dask

        dask.start(workspace, job_id, scheduler)
    else:
        from evbench.jobs.executors import local

        _started.append(local.start(workspace, job_id))


def cancel(workspace: Workspace, job_id: int, patience: float = 5.0) -> None:
    """Stop a job; its checkpoints stay. Raises JobError when it has already ended."""
    store = Store(workspace)
    job = refresh(store, job_id)
    if job.ended:
        raise JobError(f"Job {job_id} cannot be cancelled: it is {job.state}", where=f"Job {job_id}, {job.recipe}")
    store.change_job(
        job_id, only_if=("queued", "running"), state="cancelled", finished=time.time(), error="Cancelled by the user."
    )
    worker = processes.find(job.pid, job.pid_started)
    if worker is not None:
        processes.end(worker, patience)


def resume(workspace: Workspace, job_id: int) -> None:
    """Queue a job again that failed, was cancelled or whose process died. `start` it to go on from its last checkpoint.

    Raises JobError when it is done or still running.
    """
    store = Store(workspace)
    job = refresh(store, job_id)
    if not store.change_job(
        job_id,
        only_if=("failed", "cancelled", "interrupted"),
        state="queued",
        error=None,
        finished=None,
        pid=None,
        pid_started=None,
    ):
        remedy = "See its result with `evbench report`" if job.state == "done" else "Follow it with `evbench jobs show`"
        raise JobError(
            f"Job {job_id} cannot be resumed: it is {job.state}", where=f"Job {job_id}, {job.recipe}", remedy=remedy
        )
    store.plan_stages(job_id, [(stage.name, stage.approach) for stage in store.stages(job_id)])


def refresh(store: Store, job_id: int) -> JobRow:
    """A job as it really is: one whose process has died without a word becomes interrupted."""
    job = store.job(job_id)
    if job.ended or job.pid is None or processes.find(job.pid, job.pid_started):
        return job
    store.change_job(
        job_id,
        only_if=("queued", "running"),
        only_pid=job.pid,
        state="interrupted",
        finished=time.time(),
        error=f"Its process {job.pid} ended unexpectedly. `evbench jobs resume {job_id}` goes on where it stopped.",
    )
    return store.job(job_id)


def recover(store: Store) -> list[JobRow]:
    """All jobs, newest first, after marking those whose process has died."""
    _reap()
    return [refresh(store, job.id) if not job.ended else job for job in store.jobs()]


def wait(
    workspace: Workspace, job_id: int, on_update: Callable[[JobRow], None] | None = None, interval: float = 0.1
) -> JobRow:
    """Follow a job until it ends; `on_update` is called every `interval` seconds and once more at the end."""
    store = Store(workspace)
    while True:
        _reap()
        job = refresh(store, job_id)
        if on_update:
            on_update(job)
        if job.ended:
            return job
        time.sleep(interval)


def log(workspace: Workspace, job_id: int) -> str:
    """What a job's process has written so far; empty before it has begun."""
    Store(workspace).job(job_id)
    path = workspace.log(job_id)
    with explained(path):
        return path.read_text(errors="replace") if path.exists() else ""


def existing(path: Path) -> Path:
    """An absolute path that a job in another process finds. Raises RecordingError where there is nothing."""
    absolute = path.expanduser().absolute()
    if not absolute.exists():
        raise RecordingError(f"{path} does not exist", where=str(absolute), remedy="Check the path")
    return absolute


def portable(asked: str, profile_id: str) -> str:
    """How a job elsewhere finds the board profile `asked` for: by its absolute path, or as the bundled `profile_id`."""
    return str(Path(asked).absolute()) if os.sep in asked or asked.endswith(".toml") else profile_id


def _reap() -> None:
    """Collect ended workers of this process, so that they do not stay behind as zombies."""
    for process in list(_started):
        if process.poll() is not None:
            with suppress(ValueError):
                _started.remove(process)
