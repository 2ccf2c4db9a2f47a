"""Follows a job for a person: a line when a stage ends or an epoch is over, and on a terminal a line that moves."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from evbench.jobs import engine
from evbench.jobs.display import duration
from evbench.jobs.store import JobRow, StageRow, Store
from evbench.workspace import Workspace

if TYPE_CHECKING:
    from rich.console import Console
    from rich.status import Status

PrintLine = Callable[[str], None]

_NAME_WIDTH = 22


class Follower:
    """Prints what is new about a job each time it is called."""

    def __init__(self, store: Store, job_id: int, print_line: PrintLine, show: PrintLine) -> None:
        self._store, self._print, self._show = store, print_line, show
        self._ended: set[tuple[str, str]] = set()
        self._last_metric = max((row.id for row in store.metrics(job_id)), default=0)

    def __call__(self, job: JobRow) -> None:
        stages = self._store.stages(job.id)
        self._validations(job, {stage.approach for stage in stages if stage.name == "quantise"})
        for stage in stages:
            key = (stage.name, stage.approach)
            if stage.state in ("done", "reused", "failed") and key not in self._ended:
                self._ended.add(key)
                self._print(_ended_line(stage))
        running = next((stage for stage in stages if stage.state == "running"), None)
        if running:
            self._show(f"{_name(running)}{running.message or 'running'}  {duration(running.started, None)}")
        else:
            self._show(f"job {job.id} {job.state}")

    def _validations(self, job: JobRow, calibrated: set[str]) -> None:
        for row in self._store.metrics(job.id, after=self._last_metric):
            self._last_metric = row.id
            approach, _, metric = row.name.partition("/")
            if metric == "validation_accuracy" and approach not in calibrated:
                epoch = _taken_over(job, approach) + len(self._store.metrics(job.id, name=row.name))
                self._print(
                    f"{'train ' + approach:{_NAME_WIDTH - 1}} epoch {epoch}: validation {100 * row.value:.1f} %"
                )


def follow(workspace: Workspace, job_id: int, console: Console) -> JobRow:
    """Print a job's progress until it ends; returns it."""
    store = Store(workspace)
    job = store.job(job_id)
    console.print(f"Job {job_id}: {job.kind} {job.recipe} on {job.settings.get('board', '')}", highlight=False)
    if not console.is_terminal:
        return engine.wait(workspace, job_id, Follower(store, job_id, _plain(console), lambda text: None))
    with console.status("") as status:
        return engine.wait(workspace, job_id, Follower(store, job_id, _plain(console), _moving(status)))


def _taken_over(job: JobRow, approach: str) -> int:
    """How many epochs of another training an approach begins with: late training with quantisation does."""
    quantize = job.settings.get("recipe", {}).get("quantize", {})
    return int(quantize.get("from_epoch", 0)) if approach == "qat-int8" else 0


def _plain(console: Console) -> Callable[[str], None]:
    return lambda line: console.print(line, highlight=False, markup=False, soft_wrap=True)


def _moving(status: Status) -> Callable[[str], None]:
    from rich.markup import escape

    return lambda text: status.update(escape(text))


def _name(stage: StageRow) -> str:
    return f"{stage.name + ' ' + stage.approach:{_NAME_WIDTH - 1}} "


def _ended_line(stage: StageRow) -> str:
    how = {"done": duration(stage.started, stage.finished), "reused": "reused", "failed": "failed"}[stage.state]
    return f"{_name(stage)}{stage.message}  [{how}]"
