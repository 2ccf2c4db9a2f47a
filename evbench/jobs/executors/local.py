"""Runs a job in a detached process on this machine."""

from __future__ import annotations

import os
import subprocess
import sys

from evbench.jobs import processes
from evbench.jobs.store import Store
from evbench.workspace import Workspace, explained


def command(workspace: Workspace, job_id: int) -> list[str]:
    """The command line of a job's worker."""
    return [sys.executable, "-m", "evbench.jobs.worker", str(workspace.root), str(job_id)]


def environment() -> dict[str, str]:
    """The worker's environment: OpenMP threads sleep instead of spinning, so that an open workbench stays quick."""
    return {**os.environ, "GOMP_SPINCOUNT": "0", "PYTHONUNBUFFERED": "1"}


def start(workspace: Workspace, job_id: int) -> subprocess.Popen[bytes]:
    """Start a job's worker in a session of its own, its output appended to the job's log."""
    store = Store(workspace)
    with explained(workspace.logs), workspace.log(job_id).open("ab") as log:
        process = subprocess.Popen(
            command(workspace, job_id),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env=environment(),
        )
    pid, started = processes.identity(process.pid)
    store.change_job(job_id, only_if=("queued",), pid=pid, pid_started=started)
    return process
