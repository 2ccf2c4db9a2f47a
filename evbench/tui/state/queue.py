"""The queue of jobs as every pane sees it, read from the store; and what there is to start."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evbench.jobs.store import JobRow, JobState, StageRow, Store
    from evbench.profiles import Recipe
    from evbench.tui.dialogs import Choice

_LISTED = 200
FINISHED = ("done", "reused")
LOCKED = "The database is locked. Another program is writing to it. What was asked for goes on when that has ended."


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

    def headlines(self, root: Path) -> tuple[str, ...]:
        """The workspace and what is running in it, in full and ever shorter."""
        if self.problem:
            return f"⚠ {self.problem.partition('.')[0]}", "⚠ jobs unread", "⚠"
        running = sum(job.state == "running" for job in self.jobs)
        queued = sum(job.state == "queued" for job in self.jobs)
        parts = [f"{running} running"] * (running > 0) + [f"{queued} queued"] * (queued > 0)
        return "  ".join([*parts, f"{root.parent.name}/{root.name}"]), "  ".join(parts), parts[0] if parts else ""

    def ended_since(self, before: JobsState) -> list[JobEntry]:
        """Jobs that were active in an earlier reading and are not any more."""
        active = {job.id for job in before.jobs if job.state in ("queued", "running")}
        return [job for job in self.jobs if job.id in active and job.state not in ("queued", "running")]

    def entry(self, job_id: int | None) -> JobEntry | None:
        """The job with this id."""
        return next((job for job in self.jobs if job.id == job_id), None)


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


def recipe_choices(folder: Path) -> list[Choice]:
    """The recipes that come with evbench and those in `folder`; one that cannot be used is listed with the reason."""
    from evbench.errors import EvbenchError
    from evbench.profiles import list_recipes, load_recipe
    from evbench.tui.dialogs import Choice

    choices = [Choice(recipe.id, recipe.id, _summary(recipe)) for recipe in list_recipes()]
    for path in sorted(folder.glob("*.toml")):
        if "[dataset]" not in path.read_text(errors="replace"):
            continue
        try:
            remark = _summary(load_recipe(path))
        except EvbenchError as error:
            remark = f"✗ {error.what}"
        choices.append(Choice(str(path), path.name, remark))
    return choices


def _summary(recipe: Recipe) -> str:
    return f"{recipe.dataset.name} · {recipe.network.name}"


def board_choices() -> list[Choice]:
    """The boards that evbench has firmware for; virtual ones first, since they need no cable."""
    from evbench.profiles import list_boards
    from evbench.tui.dialogs import Choice

    ported = [board for board in list_boards() if board.board.port]
    boards = sorted(ported, key=lambda board: (not board.board.virtual, len(board.id)))
    return [Choice(board.id, board.id, board.board.name + ", modelled" * board.board.virtual) for board in boards]
