"""A workspace of its own for every test, and jobs whose worker performs something small."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import evbench
from evbench.jobs.executors import local
from evbench.jobs.store import Store
from evbench.workspace import Workspace, open_workspace

FAKE_WORKER = Path(__file__).with_name("fake_worker.py")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return open_workspace(tmp_path / "workspace")


@pytest.fixture
def store(workspace: Workspace) -> Store:
    return Store(workspace)


@pytest.fixture
def fake_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers run tests/jobs/fake_worker.py: the real worker around a counting stage in place of training."""

    def command(workspace: Workspace, job_id: int) -> list[str]:
        return [sys.executable, str(FAKE_WORKER), str(workspace.root), str(job_id)]

    monkeypatch.setattr(local, "command", command)
    monkeypatch.setenv("PYTHONPATH", str(Path(evbench.__file__).parents[1]))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a small file system needs root")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)
