"""What the Jobs pane shows: the queue, and of one job its stages, curves and log. Read from the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from evbench.jobs.store import JobRow, JobState, StageRow, Store
    from evbench.tui.dialogs import Choice

_LISTED = 200
_LOG_BYTES = 256 * 1024
FINISHED = ("done", "reused")


@dataclass(frozen=True, slots=True)
class JobEntry:
    """One line of the queue; `progress` from 0 to 1, times in seconds since the epoch."""

    id: int
    kind: str
    recipe: str
    board: str
    state: JobState
    stage: str
    progress: float
    started: float | None
    finished: float | None
    error: str

    @property
    def ending(self) -> str:
        """One sentence on how it ended."""
        return self.error or f"{self.recipe} is {self.state}."

    def seconds(self, now: float) -> float | None:
        """How long it has run, or ran."""
        return None if self.started is None else max(0.0, (self.finished or now) - self.started)


@dataclass(frozen=True, slots=True)
class JobsState:
    """All jobs, newest first; `problem` says why they could not be read."""

    jobs: tuple[JobEntry, ...] = ()
    problem: str = ""
    read: bool = False

    def headline(self, root: Path) -> str:
        """The workspace and what is running in it."""
        running = sum(job.state == "running" for job in self.jobs)
        queued = sum(job.state == "queued" for job in self.jobs)
        parts = [f"{running} running"] * (running > 0) + [f"{queued} queued"] * (queued > 0)
        return "  ".join([*parts, f"{root.parent.name}/{root.name}"])

    def ended_since(self, before: JobsState) -> list[JobEntry]:
        """Jobs that were active in an earlier reading and are not any more."""
        active = {job.id for job in before.jobs if job.state in ("queued", "running")}
        return [job for job in self.jobs if job.id in active and job.state not in ("queued", "running")]

    def entry(self, job_id: int | None) -> JobEntry | None:
        """The job with this id."""
        return next((job for job in self.jobs if job.id == job_id), None)


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """One metric of one approach. steps, values: [N]."""

    approach: str
    metric: str
    steps: NDArray[np.float64]
    values: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class JobDetail:
    """One job in full. `last_metric` is the row id up to which metrics were read; `log` holds its last lines."""

    job_id: int
    stages: tuple[StageRow, ...] = ()
    curves: Mapping[str, Curve] = field(default_factory=dict)
    last_metric: int = 0
    log: tuple[str, ...] = ()
    log_bytes: int = 0

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of what can be drawn, the loss first."""
        names = dict.fromkeys(curve.metric for curve in self.curves.values() if not curve.metric.startswith("cycles"))
        return tuple(sorted(names, key=lambda name: (name != "loss", not name.endswith("loss"))))

    def drawn(self, metric: str) -> tuple[Curve, ...]:
        """The curves of one metric, one per approach."""
        return tuple(curve for curve in self.curves.values() if curve.metric == metric)

    def differs(self, other: JobDetail | None) -> bool:
        """Whether there is anything to draw anew."""
        mine = (self.job_id, self.stages, self.last_metric, self.log_bytes)
        return other is None or mine != (other.job_id, other.stages, other.last_metric, other.log_bytes)


def read_jobs(store: Store) -> JobsState:
    """The newest jobs. Jobs whose process has died are marked interrupted on the way."""
    from evbench.jobs import engine

    rows = engine.recover(store)[:_LISTED]
    return JobsState(
        tuple(_entry(row, () if row.state == "done" else tuple(store.stages(row.id))) for row in rows), read=True
    )


def _entry(row: JobRow, stages: tuple[StageRow, ...]) -> JobEntry:
    if row.state == "done":
        progress = 1.0
    else:
        progress = sum(1.0 if s.state in FINISHED else s.progress for s in stages) / max(len(stages), 1)
    return JobEntry(
        row.id,
        row.kind,
        row.recipe,
        Path(str(row.settings.get("board") or "")).stem,
        row.state,
        (row.stage or "") if row.state != "done" else "",
        progress,
        row.started,
        row.finished,
        row.error or "",
    )


def read_job(store: Store, job_id: int, before: JobDetail | None = None) -> JobDetail:
    """One job in full; only what has been added since `before` is read of its metrics."""
    if before is None or before.job_id != job_id:
        before = JobDetail(job_id)
    rows = store.metrics(job_id, after=before.last_metric)
    new: dict[str, tuple[list[int], list[float]]] = {}
    for row in rows:
        steps, values = new.setdefault(row.name, ([], []))
        steps.append(row.step)
        values.append(row.value)
    curves = dict(before.curves)
    for name, (steps, values) in new.items():
        approach, metric = _split(name)
        old = curves.get(name, Curve(approach, metric, np.zeros(0), np.zeros(0)))
        curves[name] = Curve(approach, metric, np.append(old.steps, steps), np.append(old.values, values))
    log, size = before.log, before.log_bytes
    path = store.workspace.log(job_id)
    now = path.stat().st_size if path.exists() else 0
    if now != size:
        log, size = _tail(path), now
    last = rows[-1].id if rows else before.last_metric
    return JobDetail(job_id, tuple(store.stages(job_id)), curves, last, log, size)


def _split(name: str) -> tuple[str, str]:
    """Approach and metric of a metric's name: "qat-int8/loss", "qat-int8/cycles/3", "cycles/3", "loss"."""
    first, slash, rest = name.partition("/")
    return (first, rest) if slash and first != "cycles" else ("", name)


def _tail(path: Path) -> tuple[str, ...]:
    with path.open("rb") as file:
        file.seek(0, 2)
        size = file.tell()
        file.seek(max(0, size - _LOG_BYTES))
        lines = file.read().decode(errors="replace").splitlines()
    return tuple(lines[1:] if size > _LOG_BYTES else lines)


def smooth(values: NDArray[np.float64], points: int = 200) -> NDArray[np.float64]:
    """Values [N] as means of at most `points` neighbouring groups."""
    if len(values) <= points:
        return values
    starts = np.arange(points) * len(values) // points
    counts = np.diff(starts, append=len(values))
    return np.asarray(np.add.reduceat(values, starts) / counts, np.float64)


def recipe_choices() -> list[Choice]:
    """The recipes that come with evbench and those in the current folder."""
    from evbench.profiles import list_recipes
    from evbench.tui.dialogs import Choice

    return [Choice(recipe.id, recipe.id, f"{recipe.dataset.name} · {recipe.network.name}") for recipe in list_recipes()]


def board_choices() -> list[Choice]:
    """The board profiles; virtual boards first, since they need no cable."""
    from evbench.profiles import list_boards
    from evbench.tui.dialogs import Choice

    boards = sorted(list_boards(), key=lambda board: (not board.board.virtual, len(board.id)))
    return [Choice(board.id, board.id, board.board.name + ", modelled" * board.board.virtual) for board in boards]
