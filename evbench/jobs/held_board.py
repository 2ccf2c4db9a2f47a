"""The board of one job: leased and opened when a stage first needs it, kept until the job ends."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from evbench.jobs.leases import leased
from evbench.jobs.store import Lease, Store
from evbench.profiles import BoardProfile

if TYPE_CHECKING:
    from evbench.boards.session import BoardSession
    from evbench.compile.build import Build

OnFlash = Callable[[str, float], None]


class HeldBoard:
    """One leased, open board at a time. Call `close` when done; holding is safe against this process dying."""

    def __init__(self, store: Store, job_id: int | None = None, *, wait: bool = True) -> None:
        self._store, self._job_id, self._wait = store, job_id, wait
        self._open: ExitStack | None = None
        self._profile: BoardProfile | None = None
        self._session: BoardSession | None = None
        self._flashed: str | None = None

    def session(self, profile: BoardProfile, on_wait: Callable[[Lease], None] | None = None) -> BoardSession:
        """The open session of this board; another board that was open is closed first.

        Raises BoardError when the board cannot be opened or, without `wait`, is in use.
        """
        from evbench.boards.session import open_board

        if self._session is None or self._profile != profile:
            self.close()
            with ExitStack() as stack:
                stack.enter_context(leased(self._store, profile, self._job_id, wait=self._wait, on_wait=on_wait))
                self._session = stack.enter_context(open_board(profile, cache=self._store.workspace.cache / "native"))
                self._profile = profile
                self._open = stack.pop_all()
        return self._session

    def flash(self, profile: BoardProfile, build: Build, on_progress: OnFlash | None = None) -> BoardSession:
        """The session of this board with `build` on it; flashed now unless this job already did."""
        tell = on_progress or (lambda step, share: None)
        session = self.session(profile, lambda lease: tell(f"waiting for {lease.who} to release {lease.board}", 0.0))
        if self._flashed != build.build_id:
            session.flash(build, tell)
            self._flashed = build.build_id
        return session

    def close(self) -> None:
        """Close the board and give it back."""
        opened, self._open = self._open, None
        self._session = self._profile = self._flashed = None
        if opened is not None:
            opened.close()
