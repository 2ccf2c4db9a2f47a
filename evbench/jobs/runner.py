"""Runs stages in order, each at most once per hash: finished output is reused, unfinished work is gone on with."""

from __future__ import annotations

import fcntl
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from evbench.jobs.held_board import HeldBoard
from evbench.jobs.stage import Context, Stage
from evbench.jobs.store import MetricWriter, Store
from evbench.workspace import Workspace, explained

_BETWEEN_REPORTS = 0.2


def run_stages(
    workspace: Workspace, store: Store, job_id: int, stages: Sequence[Stage], board: HeldBoard | None = None
) -> dict[str, Path]:
    """Run the stages of a job and record how each went; returns their outputs by key.

    `board` is handed to the stages and given back at the end. Raises what a stage raises, after noting it there. The
    folder `work/<hash>` of a stage that did not finish stays.
    """
    store.plan_stages(job_id, [(stage.name, stage.approach) for stage in stages])
    digests: dict[str, str] = {}
    outputs: dict[str, Path] = {}
    try:
        for stage in stages:
            digests[stage.key] = digest = stage.digest(digests)
            store.change_job(job_id, stage=stage.key)
            outputs[stage.key] = _run_stage(workspace, store, job_id, stage, digest, outputs, board)
    finally:
        if board is not None:
            board.close()
    return outputs


def _run_stage(
    workspace: Workspace,
    store: Store,
    job_id: int,
    stage: Stage,
    digest: str,
    outputs: Mapping[str, Path],
    board: HeldBoard | None,
) -> Path:
    artifact = workspace.artifact_dir(digest)

    def note(**columns: Any) -> None:
        store.change_stage(job_id, stage.name, stage.approach, **columns)

    note(state="running", started=time.time(), digest=digest)
    if artifact.is_dir():
        return _reuse(artifact, stage, note)
    work = workspace.work_dir(digest)
    with _locked(work / "lock", lambda: note(message="waiting for another job that runs the same stage")):
        if artifact.is_dir():
            shutil.rmtree(work, ignore_errors=True)
            return _reuse(artifact, stage, note)
        out = work / "out"
        shutil.rmtree(out, ignore_errors=True)
        try:
            with explained(workspace.root), MetricWriter(store, job_id) as metric:
                out.mkdir()
                message = stage.run(
                    Context(
                        workspace=workspace,
                        out=out,
                        work=work,
                        inputs={role: outputs[key] for role, key in stage.inputs.items()},
                        metric=lambda name, step, value: metric(
                            f"{stage.approach}/{name}" if stage.approach else name, step, value
                        ),
                        flush=metric.flush,
                        progress=_throttled(note),
                        board=board,
                    )
                )
                (out / "message").write_text(message)
        except BaseException as error:
            note(state="failed", finished=time.time(), message=str(error) or type(error).__name__.lower())
            raise
        artifact = workspace.publish(out, digest)
        shutil.rmtree(work, ignore_errors=True)
    print(f"{stage.key}: {message}")
    note(state="done", finished=time.time(), progress=1.0, message=message)
    return artifact


def _reuse(artifact: Path, stage: Stage, note: Callable[..., None]) -> Path:
    message = (artifact / "message").read_text()
    print(f"{stage.key}: {message} (reused)")
    note(state="reused", finished=time.time(), progress=1.0, message=message)
    return artifact


def _throttled(note: Callable[..., None]) -> Callable[..., None]:
    last = 0.0

    def progress(fraction: float, message: str = "") -> None:
        nonlocal last
        if time.monotonic() - last >= _BETWEEN_REPORTS:
            last = time.monotonic()
            note(progress=min(max(fraction, 0.0), 1.0), message=message)

    return progress


@contextmanager
def _locked(path: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold a file lock that the system releases when this process dies; makes its folder."""
    with _opened(path) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _opened(path: Path) -> TextIO:
    """The lock's file, in a folder that whoever held the lock before may remove at any time."""
    with explained(path.parent):
        while True:
            path.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):
                return path.open("w")
