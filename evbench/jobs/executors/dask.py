"""Runs a job on a worker of a dask cluster; the extra `dask` installs what it needs.

Its workers share the workspace's database, whose write-ahead log needs shared memory: they run on this machine.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from evbench.errors import JobError
from evbench.jobs.executors import local
from evbench.workspace import Workspace


def start(workspace: Workspace, job_id: int, scheduler: str | None) -> None:
    """Hand a queued job to the dask scheduler at this address, such as "tcp://host:8786", and return at once.

    Raises JobError when dask is not installed or the scheduler does not answer.
    """
    try:
        from distributed import Client, fire_and_forget
    except ImportError:
        raise JobError(
            "Jobs cannot be sent to dask: it is not installed",
            where="Python package distributed",
            remedy="pip install 'evbench[dask]'",
        ) from None
    if not scheduler:
        raise JobError("No dask scheduler is named", where="--scheduler", remedy="Give it as tcp://host:8786")
    connect: Any = Client
    detach: Any = fire_and_forget
    try:
        client = connect(scheduler, timeout="5s", set_as_default=False)
    except (OSError, ValueError) as error:
        raise JobError(
            "The dask scheduler does not answer",
            where=scheduler,
            remedy="Start it with `dask scheduler` or correct the address",
        ) from error
    with client:
        detach(client.submit(run_here, str(workspace.root), job_id, pure=False))


def run_here(root: str, job_id: int) -> int:
    """Run a job's worker as a child of this dask worker until it ends; returns its exit status."""
    return local.start(Workspace(Path(root)), job_id).wait()
