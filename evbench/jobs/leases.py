"""Who may use a board: one process at a time, and no longer than it lives."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from evbench.errors import BoardError
from evbench.jobs import processes
from evbench.jobs.store import Lease, Store
from evbench.profiles import BoardProfile


def lease_name(board: BoardProfile) -> str:
    """What is leased: a real board's serial port where the profile names one, else the board profile."""
    return board.link.port if not board.board.virtual and board.link.port != "auto" else board.id


def holder(store: Store, name: str) -> Lease | None:
    """The living holder of a board, or None when it is free."""
    return next((lease for lease in held_boards(store) if lease.board == name), None)


def held_boards(store: Store) -> list[Lease]:
    """Leases whose holder is alive."""
    return [lease for lease in store.leases() if processes.find(lease.pid, lease.pid_started)]


def try_lease(store: Store, name: str, job_id: int | None = None) -> Lease | None:
    """Take a board for this process when it is free or its holder has died; None when somebody uses it."""
    stored = next((lease for lease in store.leases() if lease.board == name), None)
    dead = stored if stored and processes.find(stored.pid, stored.pid_started) is None else None
    pid, started = processes.identity()
    wanted = Lease(board=name, job_id=job_id, pid=pid, pid_started=started, since=time.time())
    return wanted if store.take_lease(wanted, displacing=dead) else None


@contextmanager
def leased(
    store: Store,
    board: BoardProfile,
    job_id: int | None = None,
    *,
    wait: bool = True,
    on_wait: Callable[[Lease], None] | None = None,
    interval: float = 0.2,
) -> Iterator[Lease]:
    """Hold a board for this process while the block runs.

    While somebody else holds it, wait and tell `on_wait` the holder once, or, without `wait`, raise BoardError.
    """
    name = lease_name(board)
    told = False
    while (lease := try_lease(store, name, job_id)) is None:
        other = holder(store, name)
        if other is not None and not wait:
            raise BoardError(
                f"The board {name} is in use",
                where=f"Held by {other.who}, process {other.pid}",
                remedy="Wait until it is done, or `evbench jobs cancel` it",
            )
        if other is not None and on_wait and not told:
            on_wait(other)
            told = True
        time.sleep(interval)
    try:
        yield lease
    finally:
        store.drop_lease(lease)
