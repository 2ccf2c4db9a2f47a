"""Which processes are alive, told apart from later ones with the same number, and how they are ended."""

from __future__ import annotations

import os

import psutil


def identity(pid: int | None = None) -> tuple[int, float]:
    """The process number and start time (seconds since the epoch) that together name a process for ever."""
    process = psutil.Process(pid or os.getpid())
    return process.pid, process.create_time()


def find(pid: int | None, started: float | None) -> psutil.Process | None:
    """The living process with this identity; None when it has ended or its number belongs to another one by now."""
    if pid is None or started is None:
        return None
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - started) < 0.01
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.NoSuchProcess:
        return None


def end(process: psutil.Process, patience: float) -> None:
    """Ask a process to end, and kill it and everything it started when it has not ended after `patience` seconds."""
    try:
        family = [process, *process.children(recursive=True)]
        process.terminate()
    except psutil.NoSuchProcess:
        return
    _, alive = psutil.wait_procs(family, timeout=patience)
    for survivor in alive:
        survivor.kill()
    psutil.wait_procs(alive, timeout=patience)
