"""The folder a user works in: database, stage outputs, logs, caches; and what is said when it cannot be written."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from evbench.errors import EvbenchError, WorkspaceError

_BALLAST_BYTES = 128 * 1024
_NEEDED_BYTES = 32 * 1024 * 1024

_FULL = {errno.ENOSPC, errno.EDQUOT}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


@dataclass(frozen=True, slots=True)
class Workspace:
    """Where things lie below `root`, the workspace's folder."""

    root: Path

    @property
    def db(self) -> Path:
        return self.root / "evbench.db"

    @property
    def artifacts(self) -> Path:
        """Outputs of stages, `<first two hex digits>/<sha256 of the inputs>/`."""
        return self.root / "artifacts"

    @property
    def work(self) -> Path:
        """Unfinished stages by the same hashes: checkpoints lie here until the stage is done."""
        return self.root / "work"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def cache(self) -> Path:
        return self.root / "cache"

    def log(self, job_id: int) -> Path:
        """The log of one job."""
        return self.logs / f"{job_id}.log"

    def artifact_dir(self, digest: str) -> Path:
        """Where the output of the stage with this input hash lies, or will lie."""
        return self.artifacts / digest[:2] / digest

    def work_dir(self, digest: str) -> Path:
        """The folder in which the stage with this input hash works; it survives a killed process."""
        return self.work / digest

    def publish(self, folder: Path, digest: str) -> Path:
        """Turn a finished folder of this workspace into the artifact `digest`, whole or not at all; return its path."""
        target = self.artifact_dir(digest)
        with explained(self.root):
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                folder.rename(target)
            except OSError as error:
                if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                    raise
                shutil.rmtree(folder)
        return target

    def free_ballast(self) -> None:
        """Give back the space kept aside, so that a job on a full disk can still record why it failed."""
        with suppress(OSError):
            (self.root / "ballast").unlink()

    def require_space(self) -> None:
        """Raise WorkspaceError when the disk is too full to begin a job."""
        free = shutil.disk_usage(self.root).free
        if free < _NEEDED_BYTES:
            raise WorkspaceError(
                f"The disk is full: {free / 1e6:.1f} MB are free and a job needs {_NEEDED_BYTES / 1e6:.0f} MB",
                where=f"Workspace {self.root}",
                remedy="Free some space, or choose another folder with --workspace",
            )


def open_workspace(root: Path | str | None = None) -> Workspace:
    """The workspace at `root`, else at $EVBENCH_WORKSPACE, else .evbench in the current folder; created when missing.

    Raises WorkspaceError when the folder cannot be created or written.
    """
    chosen = Path(root or os.environ.get("EVBENCH_WORKSPACE") or ".evbench").expanduser().absolute()
    workspace = Workspace(chosen)
    with explained(chosen):
        try:
            for folder in (workspace.artifacts, workspace.work, workspace.logs, workspace.cache):
                folder.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise WorkspaceError(
                "The workspace's folder cannot be created",
                where=f"A file is in the way of {error.filename}",
                remedy="Choose another folder with --workspace or EVBENCH_WORKSPACE",
            ) from None
        except FileNotFoundError as error:
            raise WorkspaceError(
                "The workspace's folder cannot be created",
                where=f"{chosen}: {error.strerror}",
                remedy="Choose another folder with --workspace or EVBENCH_WORKSPACE",
            ) from None
        ignore = chosen / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n")
        _keep_ballast(workspace)
        if not os.access(chosen, os.W_OK):
            raise PermissionError(errno.EACCES, "not writable", str(chosen))
    return workspace


def _keep_ballast(workspace: Workspace) -> None:
    ballast = workspace.root / "ballast"
    if ballast.exists():
        return
    try:
        ballast.write_bytes(b"\0" * _BALLAST_BYTES)
    except OSError:
        workspace.free_ballast()
        if not workspace.db.exists():
            raise


def explain(error: BaseException, where: Path | str) -> EvbenchError | None:
    """What to tell the user about a full disk or a forbidden write, or None when `error` is something else.

    Libraries that wrap the operating system's error (SQLite, safetensors, compilers) are recognised by its text.
    """
    if isinstance(error, EvbenchError):
        return error
    number = error.errno if isinstance(error, OSError) else None
    text = str(error)
    path = error.filename if isinstance(error, OSError) and error.filename else where
    if number in _FULL or "No space left on device" in text or "database or disk is full" in text:
        return WorkspaceError(
            "The disk is full", where=f"Writing {path}", remedy="Free some space and run the same command again"
        )
    unwritable = "readonly database" in text or "unable to open database" in text
    if number in _FORBIDDEN or (isinstance(error, sqlite3.OperationalError) and unwritable):
        return WorkspaceError(
            "The workspace cannot be written",
            where=f"{'Not possible to open' if unwritable else 'No permission for'} {path}",
            remedy="Choose another folder with --workspace or EVBENCH_WORKSPACE",
        )
    if isinstance(error, sqlite3.OperationalError) and "is locked" in text:
        return WorkspaceError(
            "The workspace's database is locked: another program is writing to it and does not end",
            where=str(where),
            remedy="End that program, or wait for it, and try again",
        )
    if isinstance(error, sqlite3.OperationalError) and "disk I/O error" in text:
        # SQLite's word for a disk with no room left for its write-ahead log, among other things.
        return WorkspaceError(
            "The workspace's database cannot be written: the disk is full or failing",
            where=f"Writing {path}",
            remedy="Free some space and run the same command again",
        )
    if isinstance(error, sqlite3.DatabaseError) and "not a database" in text:
        return WorkspaceError(
            "The workspace's database is damaged", where=str(where), remedy="Move the file away; artifacts stay usable"
        )
    return None


@contextmanager
def explained(where: Path | str) -> Iterator[None]:
    """Raise WorkspaceError in place of a full disk or a forbidden write below `where`."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        known = explain(error, where)
        if known is None:
            raise
        raise known from error
