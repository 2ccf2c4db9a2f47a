"""Where a workspace lies and what is said when it cannot be written."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from evbench.errors import BoardError, WorkspaceError
from evbench.workspace import Workspace, explain, explained, open_workspace


def test_a_workspace_is_dot_evbench_here_unless_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EVBENCH_WORKSPACE", raising=False)
    assert open_workspace().root == tmp_path / ".evbench"
    monkeypatch.setenv("EVBENCH_WORKSPACE", str(tmp_path / "elsewhere"))
    assert open_workspace().root == tmp_path / "elsewhere"
    assert open_workspace(tmp_path / "named").root == tmp_path / "named"
    assert {path.name for path in (tmp_path / "named").iterdir()} >= {"artifacts", "logs", "cache", "work"}


def test_a_file_in_the_way_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(WorkspaceError, match="A file is in the way"):
        open_workspace(tmp_path / "taken")
    with pytest.raises(WorkspaceError, match="A file is in the way"):
        open_workspace(tmp_path / "taken" / "below")


def test_a_folder_that_the_system_cannot_make_is_named(tmp_path: Path) -> None:
    (tmp_path / "nowhere").symlink_to("/proc/self/no-such-folder/below")
    with pytest.raises(WorkspaceError, match=r"cannot be created.*nowhere"):
        open_workspace(tmp_path / "nowhere" / "workspace")


def test_an_unwritable_workspace_is_one_sentence_with_a_remedy(tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o555)
    if os.access(locked, os.W_OK):
        code = (
            "import os, sys; from evbench.errors import WorkspaceError; from evbench.workspace import open_workspace\n"
            "os.setgid(65534); os.setuid(65534)\n"
            "try: open_workspace(sys.argv[1])\n"
            "except WorkspaceError as error: print(error)"
        )
        for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
            folder.chmod(0o755)
        done = subprocess.run([sys.executable, "-c", code, str(locked)], capture_output=True, text=True)
        message = done.stdout
    else:
        with pytest.raises(WorkspaceError) as caught:
            open_workspace(locked)
        message = str(caught.value)
    assert message.startswith("The workspace cannot be written. No permission for ")
    assert "--workspace" in message


def test_publishing_is_whole_and_the_first_one_wins(tmp_path: Path) -> None:
    workspace = open_workspace(tmp_path / "workspace")
    for text in ("first", "second"):
        folder = workspace.work_dir("ab12") / "out"
        folder.mkdir(parents=True)
        (folder / "result").write_text(text)
        target = workspace.publish(folder, "ab12")
        assert not folder.exists()
    assert target == workspace.artifacts / "ab" / "ab12"
    assert (target / "result").read_text() == "first"


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "/w/artifacts/x"),
            "The disk is full. Writing /w/artifacts/x",
        ),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "The disk is full. Writing /w"),
        (sqlite3.OperationalError("disk I/O error"), "The workspace's database cannot be written"),
        (RuntimeError("Error serialising: I/O error: No space left on device (os error 28)"), "The disk is full."),
        (PermissionError(errno.EACCES, "Permission denied", "/w/db"), "The workspace cannot be written."),
        (OSError(errno.EROFS, "Read-only file system"), "The workspace cannot be written."),
    ],
)
def test_what_the_system_says_becomes_one_sentence(error: BaseException, sentence: str) -> None:
    known = explain(error, "/w")
    assert isinstance(known, WorkspaceError)
    assert str(known).startswith(sentence)


def test_other_errors_are_left_alone() -> None:
    assert explain(ValueError("x"), "/w") is None
    board = BoardError("The board is silent")
    assert explain(board, "/w") is board
    with pytest.raises(FileNotFoundError), explained("/w"):
        raise FileNotFoundError(errno.ENOENT, "No such file", "/w/x")


def test_a_full_disk_is_noticed_before_work_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = open_workspace(tmp_path / "workspace")
    workspace.require_space()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1))  # type: ignore[attr-defined]
    with pytest.raises(WorkspaceError, match="disk is full"):
        workspace.require_space()


def test_a_workspace_on_a_full_disk_still_opens_for_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = open_workspace(tmp_path / "workspace")
    workspace.db.touch()
    workspace.free_ballast()

    def full(path: Path, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", full)
    assert open_workspace(workspace.root) == Workspace(workspace.root)
    workspace.db.unlink()
    with pytest.raises(WorkspaceError, match="disk is full"):
        open_workspace(workspace.root)
