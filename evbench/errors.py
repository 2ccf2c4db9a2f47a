"""What a user is told when something cannot be done: what failed, where, and what to do about it."""

from __future__ import annotations

from functools import partial


class EvbenchError(Exception):
    """An error a user can cause or mend.

    `what` says what failed, `where` names the file, byte offset, line, layer or port, `remedy` says what to do.
    Commands print the three and leave with `exit_code`.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        super().__init__(what, where, remedy)
        self.what = what
        self.where = where
        self.remedy = remedy

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments do not survive the way from one process to another by themselves.
        return partial(type(self), where=self.where, remedy=self.remedy), (self.what,)

    def __str__(self) -> str:
        return " ".join(f"{part.rstrip('.')}." for part in (self.what, self.where, self.remedy) if part)


class ProfileError(EvbenchError):
    """A recipe or board profile that cannot be used."""

    exit_code = 3


class RecordingError(EvbenchError):
    """A recording or dataset that cannot be read."""

    exit_code = 4


class ModelError(EvbenchError):
    """A network or model file that cannot be trained, lowered or read."""

    exit_code = 5


class BuildError(EvbenchError):
    """Firmware that cannot be compiled or does not fit."""

    exit_code = 6


class DoesNotFitError(BuildError):
    """Firmware that compiles but is larger than the board's memory."""


class BoardError(EvbenchError):
    """A board, real or virtual, that does not answer as it should."""

    exit_code = 7


class JobError(EvbenchError):
    """A job that failed, was cancelled or cannot be resumed."""

    exit_code = 8


class WorkspaceError(EvbenchError):
    """A workspace that cannot be created, read or written."""

    exit_code = 9
