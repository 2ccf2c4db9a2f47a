"""What every process of a workspace knows: jobs, their stages and metrics, profile runs, and who holds which board.

One SQLite file in WAL mode, read and written by any number of processes and threads at once.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self

from evbench.errors import JobError, WorkspaceError
from evbench.workspace import Workspace, explained

JobState = Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]
StageState = Literal["waiting", "running", "done", "reused", "failed"]

ENDED: tuple[JobState, ...] = ("done", "failed", "cancelled", "interrupted")

_SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, recipe TEXT NOT NULL, settings TEXT NOT NULL,
    state TEXT NOT NULL, stage TEXT, created REAL NOT NULL, started REAL, finished REAL,
    pid INTEGER, pid_started REAL, error TEXT, result TEXT);
CREATE TABLE stages (
    id INTEGER PRIMARY KEY, job_id INTEGER NOT NULL REFERENCES jobs(id), name TEXT NOT NULL, approach TEXT NOT NULL,
    state TEXT NOT NULL, digest TEXT, started REAL, finished REAL, progress REAL NOT NULL DEFAULT 0,
    message TEXT NOT NULL DEFAULT '', UNIQUE (job_id, name, approach));
CREATE TABLE metrics (
    id INTEGER PRIMARY KEY, job_id INTEGER NOT NULL REFERENCES jobs(id), name TEXT NOT NULL, step INTEGER NOT NULL,
    value REAL NOT NULL, time REAL NOT NULL);
CREATE INDEX metrics_of_job ON metrics (job_id, id);
CREATE TABLE profile_runs (
    id INTEGER PRIMARY KEY, job_id INTEGER, created REAL NOT NULL, board TEXT NOT NULL, model TEXT NOT NULL,
    result TEXT NOT NULL);
CREATE TABLE leases (
    board TEXT PRIMARY KEY, job_id INTEGER, pid INTEGER NOT NULL, pid_started REAL NOT NULL, since REAL NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class JobRow:
    """One job. Times are seconds since the epoch; `settings` is what was asked for, `result` what came out."""

    id: int
    kind: str
    recipe: str
    state: JobState
    stage: str | None
    created: float
    started: float | None
    finished: float | None
    pid: int | None
    pid_started: float | None
    error: str | None
    settings: dict[str, Any]
    result: dict[str, Any] | None

    @property
    def ended(self) -> bool:
        return self.state in ENDED


@dataclass(frozen=True, slots=True)
class StageRow:
    """One step of a job; `approach` is empty for steps all approaches share; `progress` from 0 to 1."""

    id: int
    job_id: int
    name: str
    approach: str
    state: StageState
    digest: str | None
    started: float | None
    finished: float | None
    progress: float
    message: str


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One point of a curve."""

    id: int
    job_id: int
    name: str
    step: int
    value: float
    time: float


@dataclass(frozen=True, slots=True)
class ProfileRow:
    """One measurement of a model on a board; `result` has the keys of `evbench profile --json`."""

    id: int
    job_id: int | None
    created: float
    board: str
    model: str
    result: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Lease:
    """Who holds a board: the process and, when it works for one, the job."""

    board: str
    job_id: int | None
    pid: int
    pid_started: float
    since: float

    @property
    def who(self) -> str:
        return f"job {self.job_id}" if self.job_id is not None else "another command"


class Store:
    """The database of one workspace. Methods may be called from any thread; each thread has its own connection.

    Where another program holds the database, a method waits `patience_s` seconds before it raises WorkspaceError.
    """

    def __init__(self, workspace: Workspace, patience_s: float = 30) -> None:
        self.workspace = workspace
        self._patience_s = patience_s
        self._local = threading.local()
        with self._transaction() as db:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                for statement in _SCHEMA.split(";"):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
            elif version != _SCHEMA_VERSION:
                raise WorkspaceError(
                    f"The workspace's database has version {version}, this evbench reads version {_SCHEMA_VERSION}",
                    where=str(workspace.db),
                    remedy="Use the evbench that wrote it, or another workspace",
                )

    # --- jobs ---------------------------------------------------------------------------------------------------------

    def add_job(self, kind: str, recipe: str, settings: dict[str, Any]) -> int:
        """Record a new job as queued; returns its id. `settings` must be JSON."""
        with self._transaction() as db:
            cursor = db.execute(
                "INSERT INTO jobs (kind, recipe, settings, state, created) VALUES (?, ?, ?, 'queued', ?)",
                (kind, recipe, json.dumps(settings), time.time()),
            )
            return int(cursor.lastrowid or 0)

    def jobs(self) -> list[JobRow]:
        """All jobs, newest first."""
        return [_job(row) for row in self._rows("SELECT * FROM jobs ORDER BY id DESC")]

    def job(self, job_id: int) -> JobRow:
        """One job. Raises JobError when there is none with this id."""
        rows = self._rows("SELECT * FROM jobs WHERE id = ?", (job_id,))
        if not rows:
            raise JobError(
                f"There is no job {job_id}",
                where=f"Workspace {self.workspace.root}",
                remedy="`evbench jobs list` shows the jobs of this workspace",
            )
        return _job(rows[0])

    def change_job(
        self, job_id: int, only_if: Sequence[JobState] | None = None, only_pid: int | None = None, **columns: Any
    ) -> bool:
        """Set columns of a job, but only while it is in one of these states and belongs to this process, where given.

        Returns whether it was set.
        """
        if isinstance(columns.get("result"), dict):
            columns["result"] = json.dumps(columns["result"])
        assignments = ", ".join(f"{name} = ?" for name in columns)
        condition = f" AND state IN ({', '.join('?' * len(only_if))})" if only_if else ""
        condition += " AND pid = ?" if only_pid is not None else ""
        values = [*columns.values(), job_id, *(only_if or ()), *([only_pid] if only_pid is not None else [])]
        with self._transaction() as db:
            cursor = db.execute(f"UPDATE jobs SET {assignments} WHERE id = ?{condition}", values)
            return cursor.rowcount == 1

    # --- stages -------------------------------------------------------------------------------------------------------

    def plan_stages(self, job_id: int, stages: Sequence[tuple[str, str]]) -> None:
        """Replace the stages of a job by these (name, approach) pairs, all waiting."""
        with self._transaction() as db:
            db.execute("DELETE FROM stages WHERE job_id = ?", (job_id,))
            db.executemany(
                "INSERT INTO stages (job_id, name, approach, state) VALUES (?, ?, ?, 'waiting')",
                [(job_id, name, approach) for name, approach in stages],
            )

    def change_stage(self, job_id: int, name: str, approach: str, **columns: Any) -> None:
        """Set columns of one stage of a job."""
        assignments = ", ".join(f"{column} = ?" for column in columns)
        with self._transaction() as db:
            db.execute(
                f"UPDATE stages SET {assignments} WHERE job_id = ? AND name = ? AND approach = ?",
                (*columns.values(), job_id, name, approach),
            )

    def stages(self, job_id: int) -> list[StageRow]:
        """The stages of a job in the order they run."""
        return [StageRow(**row) for row in self._rows("SELECT * FROM stages WHERE job_id = ? ORDER BY id", (job_id,))]

    # --- metrics ------------------------------------------------------------------------------------------------------

    def add_metrics(self, job_id: int, points: Sequence[tuple[str, int, float, float]]) -> None:
        """Append points (name, step, value, time) in one transaction."""
        if points:
            with self._transaction() as db:
                db.executemany(
                    "INSERT INTO metrics (job_id, name, step, value, time) VALUES (?, ?, ?, ?, ?)",
                    [(job_id, *point) for point in points],
                )

    def drop_metrics(self, job_id: int, name: str, from_step: int) -> None:
        """Forget the points of a curve from `from_step` on: a resumed training writes them again."""
        with self._transaction() as db:
            db.execute("DELETE FROM metrics WHERE job_id = ? AND name = ? AND step >= ?", (job_id, name, from_step))

    def metrics(self, job_id: int, after: int = 0, name: str | None = None) -> list[MetricRow]:
        """Points of a job with a row id above `after`, in the order they were written."""
        query = "SELECT * FROM metrics WHERE job_id = ? AND id > ?" + (" AND name = ?" if name else "") + " ORDER BY id"
        return [MetricRow(**row) for row in self._rows(query, (job_id, after, *([name] if name else [])))]

    # --- profile runs -------------------------------------------------------------------------------------------------

    def add_profile_run(self, job_id: int | None, board: str, model: str, result: dict[str, Any]) -> int:
        """Keep one measurement; returns its id."""
        with self._transaction() as db:
            cursor = db.execute(
                "INSERT INTO profile_runs (job_id, created, board, model, result) VALUES (?, ?, ?, ?, ?)",
                (job_id, time.time(), board, model, json.dumps(result)),
            )
            return int(cursor.lastrowid or 0)

    def profile_runs(self, job_id: int | None = None, limit: int = 100) -> list[ProfileRow]:
        """Measurements, newest first; of one job when named."""
        rows = self._rows(
            "SELECT * FROM profile_runs WHERE ? IS NULL OR job_id = ? ORDER BY id DESC LIMIT ?",
            (job_id, job_id, limit),
        )
        return [ProfileRow(**{**row, "result": json.loads(row["result"])}) for row in rows]

    # --- leases -------------------------------------------------------------------------------------------------------

    def take_lease(self, wanted: Lease, displacing: Lease | None = None) -> bool:
        """Take a board if nobody holds it, or only `displacing` (a holder known to be dead) does."""
        with self._transaction() as db:
            if displacing is not None:
                db.execute(
                    "DELETE FROM leases WHERE board = ? AND pid = ? AND pid_started = ?",
                    (displacing.board, displacing.pid, displacing.pid_started),
                )
            cursor = db.execute(
                "INSERT OR IGNORE INTO leases (board, job_id, pid, pid_started, since) VALUES (?, ?, ?, ?, ?)",
                (wanted.board, wanted.job_id, wanted.pid, wanted.pid_started, wanted.since),
            )
            return cursor.rowcount == 1

    def drop_lease(self, held: Lease) -> None:
        """Give a board back; nothing happens when somebody else holds it by now."""
        with self._transaction() as db:
            db.execute(
                "DELETE FROM leases WHERE board = ? AND pid = ? AND pid_started = ?",
                (held.board, held.pid, held.pid_started),
            )

    def leases(self) -> list[Lease]:
        """Who holds which board, dead holders included: `engine.held_boards` leaves those out."""
        return [Lease(**row) for row in self._rows("SELECT * FROM leases ORDER BY board")]

    # --- watching -----------------------------------------------------------------------------------------------------

    def data_version(self) -> int:
        """A number that changes when another connection has written: cheap to ask before reading again."""
        return int(self._rows("PRAGMA data_version")[0]["data_version"])

    def locked(self) -> bool:
        """Whether another program holds the database now, so that what is to be written waits."""
        connection = self._connection()
        # Long enough for what others write between two of their breaths.
        connection.execute("PRAGMA busy_timeout = 250")
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
        except sqlite3.OperationalError:
            return True
        finally:
            connection.execute(f"PRAGMA busy_timeout = {round(self._patience_s * 1000)}")
        return False

    def close(self) -> None:
        """Close this thread's connection."""
        connection = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
            self._local.connection = None

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(self.workspace.db, timeout=self._patience_s, isolation_level=None)
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA wal_autocheckpoint = 16")
            self._local.connection = connection
        return connection

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with explained(self.workspace.db):
            connection = self._connection()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def _rows(self, query: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
        with explained(self.workspace.db):
            return [dict(row) for row in self._connection().execute(query, values)]


class MetricWriter:
    """Collects a job's points and writes them in batches: the first of a burst at once, then at most twice a second.

    A curve that a killed process had carried further is cut back to where this writer begins.
    """

    def __init__(self, store: Store, job_id: int, interval: float = 0.5) -> None:
        self._store, self._job_id, self._interval = store, job_id, interval
        self._points: list[tuple[str, int, float, float]] = []
        self._written = 0.0
        self._begun: set[str] = set()

    def __call__(self, name: str, step: int, value: float) -> None:
        if name not in self._begun:
            self._begun.add(name)
            self._store.drop_metrics(self._job_id, name, step)
        now = time.time()
        self._points.append((name, int(step), float(value), now))
        if now - self._written >= self._interval:
            self.flush()

    def flush(self) -> None:
        """Write what has been collected."""
        points, self._points = self._points, []
        self._written = time.time()
        self._store.add_metrics(self._job_id, points)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.flush()


def _job(row: dict[str, Any]) -> JobRow:
    result = json.loads(row["result"]) if row["result"] else None
    return JobRow(**{**row, "settings": json.loads(row["settings"]), "result": result})
