"""The process a job runs in: `python -m evbench.jobs.worker WORKSPACE JOB`."""

from __future__ import annotations

import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from evbench.errors import EvbenchError
from evbench.jobs import processes
from evbench.jobs.engine import refresh
from evbench.jobs.store import JobRow, Store
from evbench.workspace import Workspace, explain

_BETWEEN_LOOKS = 0.5


class Stopped(BaseException):
    """The process was asked to end."""


Perform = Callable[[Workspace, Store, JobRow], dict[str, Any]]


def run(workspace: Workspace, job_id: int, perform: Perform | None = None) -> int:
    """Run a queued job to its end and record how it went; returns the exit status. Does nothing if it is not queued.

    `perform` does the work and returns the job's result; by default what belongs to the job's kind.
    """
    store = Store(workspace)
    pid, started = processes.identity()
    _wait_for_turn(store, job_id)
    if not store.change_job(
        job_id, only_if=("queued",), state="running", pid=pid, pid_started=started, started=time.time(), error=None
    ):
        print(f"Job {job_id} is not queued: nothing to do.")
        return 0
    signal.signal(signal.SIGTERM, _stop)
    job = store.job(job_id)
    print(f"Job {job_id}: {job.kind} {job.recipe}, process {pid}")
    try:
        result = (perform or _perform)(workspace, store, job)
    except Stopped:
        _finish(workspace, store, job_id, "interrupted", "Its process was asked to end.")
        return 130
    except BaseException as error:
        known = explain(error, workspace.root)
        if known is None:
            traceback.print_exc()
        message = str(known) if known else f"evbench failed unexpectedly: {error!r}. The log has the details."
        print(message)
        _finish(workspace, store, job_id, "failed", message)
        return known.exit_code if known else 1
    _finish(workspace, store, job_id, "done", None, result)
    print(f"Job {job_id}: done")
    return 0


def _wait_for_turn(store: Store, job_id: int) -> None:
    """Return when the job that this one comes after has ended, or this one is no longer queued."""
    before = store.job(job_id).settings.get("after")
    while before is not None and not refresh(store, before).ended and store.job(job_id).state == "queued":
        time.sleep(_BETWEEN_LOOKS)


def _perform(workspace: Workspace, store: Store, job: JobRow) -> dict[str, Any]:
    if job.kind == "run":
        from evbench.jobs.pipeline import run_job

        return run_job(workspace, store, job)
    if job.kind == "profile":
        from evbench.jobs.actions import profile_job

        return profile_job(workspace, store, job)
    if job.kind == "sensitivity":
        from evbench.jobs.sensitivity import run_job as measure_sensitivity

        return measure_sensitivity(workspace, store, job)
    if job.kind == "search":
        from evbench.jobs.search import run_job as search_precisions

        return search_precisions(workspace, store, job)
    if job.kind == "study":
        from evbench.jobs.studies.job import run_job as run_study

        return run_study(workspace, store, job)
    raise EvbenchError(f"This evbench knows no jobs of the kind {job.kind}", remedy="Use the evbench that queued it")


def _finish(
    workspace: Workspace, store: Store, job_id: int, state: str, error: str | None, result: dict[str, Any] | None = None
) -> None:
    columns: dict[str, Any] = {"state": state, "error": error, "finished": time.time()}
    if result is not None:
        columns["result"] = result
    try:
        store.change_job(job_id, only_if=("running",), **columns)
    except EvbenchError:
        workspace.free_ballast()
        store.change_job(job_id, only_if=("running",), **columns)


def _stop(number: int, frame: FrameType | None) -> None:
    raise Stopped


def main(arguments: list[str]) -> int:
    """Run the job named on the command line."""
    root, job_id = arguments
    return run(Workspace(Path(root)), int(job_id))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
