"""The queue of jobs as every pane sees it, read from the store; and what there is to start."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evbench.jobs.store import JobRow, JobState, StageRow, Store
    from evbench.tui.dialogs import Choice
    from evbench.workspace import Workspace

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
    """All jobs, newest first; `held` says who uses which board, `problem` why they could not be read."""

    jobs: tuple[JobEntry, ...] = ()
    problem: str = ""
    read: bool = False
    held: tuple[str, ...] = ()

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
    from evbench.jobs import engine, leases

    rows = engine.recover(store)[:_LISTED]
    return JobsState(
        tuple(_entry(row, () if row.state == "done" else tuple(store.stages(row.id))) for row in rows),
        read=True,
        held=tuple(f"{lease.board} is held by {lease.who}" for lease in leases.held_boards(store)),
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


def recipe_choices(folder: Path, workspace: Workspace | None = None) -> list[Choice]:
    """The recipes of the workspace, of `folder` and of evbench; one that cannot be used is listed with the reason."""
    from evbench.jobs.recipes import known_recipes
    from evbench.tui.dialogs import Choice

    choices: list[Choice] = []
    for known in known_recipes(workspace, folder):
        title = known.path.name if known.origin == "folder" else known.name
        about = f"{known.recipe.dataset.name} · {known.recipe.network.name}" if known.recipe else f"✗ {known.problem}"
        own = "this workspace · " if known.origin == "workspace" else ""
        choices.append(Choice(known.argument, title, f"{own}{about}"))
    return choices


def other_board(board: str) -> str:
    """The first board of the other kind, a real one for a virtual one."""
    from evbench.profiles import list_boards, load_board

    virtual = load_board(board).board.virtual
    others = [entry.id for entry in list_boards() if entry.board.port and entry.board.virtual != virtual]
    return min(others, key=len, default=board)


def board_choices() -> list[Choice]:
    """The boards that evbench has firmware for; virtual ones first, since they need no cable."""
    from evbench.profiles import list_boards
    from evbench.tui.dialogs import Choice

    ported = [board for board in list_boards() if board.board.port]
    boards = sorted(ported, key=lambda board: (not board.board.virtual, len(board.id)))
    return [Choice(board.id, board.id, board.board.name + ", modelled" * board.board.virtual) for board in boards]
