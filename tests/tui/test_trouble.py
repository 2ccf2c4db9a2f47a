"""What the workbench does when processes die, other programs hold its database, or the disk is full."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import namedtuple
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest
from tui_helpers import press, settle, text_of, until

from evbench.jobs import engine
from evbench.jobs.store import Store
from evbench.tui import app as app_module
from evbench.tui.app import Workbench
from evbench.workspace import Workspace

Usage = namedtuple("Usage", "total used free")


@contextmanager
def another_program(code: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A Python process that says "ready" when it has done what is asked, and ends with the block."""
    waiting = f"import sys, sqlite3, time\n{code}\nprint('ready', flush=True)\nsys.stdin.read()"
    process = subprocess.Popen(
        [sys.executable, "-c", waiting, *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.communicate()


WRITING = "db = sqlite3.connect(sys.argv[1], isolation_level=None); db.execute('BEGIN IMMEDIATE')"
ALONE = """db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute('PRAGMA journal_mode = DELETE'); db.execute('BEGIN EXCLUSIVE')"""


def said(app: Workbench, words: str) -> bool:
    return any(words in note.message for note in app._notifications)


async def test_a_key_that_waits_for_a_locked_database_says_so_and_goes_on_afterwards(
    workspace: Workspace, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[int] = []
    monkeypatch.setattr(engine, "start", lambda workspace, job_id: started.append(job_id))
    app = Workbench(workspace)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        with another_program(WRITING, workspace.db):
            await pilot.press("f5")
            await pilot.pause()
            while not said(app, "database is locked"):
                await pilot.pause(0.05)
            assert "database is locked" in text_of(app, "PaneBar")
            assert not started
        await until(pilot, lambda: bool(started))
        await until(pilot, lambda: "locked" not in text_of(app, "PaneBar"))


async def test_a_database_that_cannot_even_be_read_is_said_and_read_when_it_can_be(
    workspace: Workspace, store: Store, jobs: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app_module, "_PATIENCE_S", 0.1)
    store.close()
    with another_program(ALONE, workspace.db) as process:
        app = Workbench(workspace)
        async with app.run_test(size=(120, 40)) as pilot:
            await until(pilot, lambda: said(app, "database is locked"))
            await press(pilot, "6")
            process.kill()
            await until(pilot, lambda: "objects-voxel-qat" in text_of(app, "#queue"))
            await until(pilot, lambda: "⚠" not in text_of(app, "PaneBar"))


async def test_a_killed_job_shows_as_interrupted_with_its_last_lines_in_every_workbench(
    workspace: Workspace, store: Store
) -> None:
    first, second = Workbench(workspace), Workbench(workspace)
    with another_program("") as process:
        job = store.add_job("run", "gesture-voxel-qat", {"board": "virtual-h743"})
        store.plan_stages(job, [("train", "qat-int8")])
        workspace.log(job).write_text("epoch 3 of 15\nepoch 4 of 15\n")
        begun = psutil.Process(process.pid).create_time()
        store.change_job(job, state="running", pid=process.pid, pid_started=begun, started=begun)
        async with first.run_test(size=(120, 40)) as one, second.run_test(size=(80, 24)) as other:
            for app, pilot in ((first, one), (second, other)):
                await press(pilot, "6")
                await until(pilot, lambda app=app: "running" in text_of(app, "#queue"))  # type: ignore[misc]
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            for app, pilot in ((first, one), (second, other)):
                await until(pilot, lambda app=app: "interrupted" in text_of(app, "#queue"))  # type: ignore[misc]
                assert "epoch 4 of 15" in text_of(app, "#log")
            await until(one, lambda: "ended unexpectedly" in text_of(first, "#stages"))
            await until(other, lambda: said(second, "ended unexpectedly"))


async def test_closing_a_workbench_stops_nothing(workspace: Workspace, store: Store) -> None:
    app = Workbench(workspace)
    with another_program("") as process:
        job = store.add_job("run", "gesture-voxel-qat", {})
        begun = psutil.Process(process.pid).create_time()
        store.change_job(job, state="running", pid=process.pid, pid_started=begun, started=begun)
        async with app.run_test() as pilot:
            await press(pilot, "6", "q")
        assert process.poll() is None
        assert engine.refresh(store, job).state == "running"


async def test_a_full_disk_is_said_when_a_job_is_asked_for(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = Workbench(workspace)
    async with app.run_test() as pilot:
        await settle(pilot)
        monkeypatch.setattr("shutil.disk_usage", lambda path: Usage(10**9, 10**9, 0))
        await press(pilot, "f5")
        await until(pilot, lambda: said(app, "disk is full"))
        assert app.pane.id == "device"


def test_a_database_that_can_grow_no_further_is_said_and_ends_nothing(workspace: Workspace, store: Store) -> None:
    code = """
import asyncio, resource, signal, sys
from evbench.jobs import engine
from evbench.tui.app import Workbench
from evbench.workspace import open_workspace
async def main():
    app = Workbench(open_workspace(sys.argv[1]))
    async with app.run_test() as pilot:
        await app.workers.wait_for_complete()
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
        await pilot.press("f5")
        while not app._notifications:
            await pilot.pause(0.05)
        await pilot.press("1")
        print(app.pane.id, *(note.message for note in app._notifications))
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", code, str(workspace.root)], capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("data The workspace's database cannot be written"), done.stdout + done.stderr


def test_a_store_knows_whether_another_program_holds_it(workspace: Workspace, store: Store) -> None:
    assert not store.locked()
    with another_program(WRITING, workspace.db):
        assert store.locked()
    assert not store.locked()
