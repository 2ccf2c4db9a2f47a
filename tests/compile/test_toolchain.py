"""Which compiler is taken, and what is said when there is none."""

from __future__ import annotations

import importlib.util
import stat
from pathlib import Path

import pytest

from evbench.compile import toolchain
from evbench.compile.toolchain import ToolFailure, find_toolchain, run_tool
from evbench.errors import BuildError, WorkspaceError


def fake_gcc(folder: Path, script: str) -> None:
    path = folder / "arm-none-eabi-gcc"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_auto_takes_zig_when_no_gcc_is_on_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = find_toolchain("auto")
    assert found.name == "zig"
    assert found.version in found.identity


def test_auto_takes_gcc_from_path_when_it_works(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake_gcc(tmp_path, "case $1 in -dumpfullversion) echo 98.7.6;; esac")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert (find_toolchain("auto").name, find_toolchain("auto").version) == ("gcc", "98.7.6")


def test_auto_passes_over_a_gcc_that_cannot_compile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake_gcc(tmp_path, "case $1 in -dumpfullversion) echo 98.7.6;; *) echo 'error: no as' >&2; exit 1;; esac")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_toolchain("auto").name == "zig"
    with pytest.raises(BuildError, match="no as"):
        find_toolchain("gcc")


def test_a_missing_compiler_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BuildError) as caught:
        find_toolchain("auto")
    assert "pip install ziglang" in caught.value.remedy
    with pytest.raises(BuildError, match="arm-none-eabi-gcc was not found"):
        find_toolchain("gcc")


def test_a_linkers_complaint_reaches_the_user(tmp_path: Path) -> None:
    (tmp_path / "wrong.ld").write_text("SECTIONS {{\n")
    with pytest.raises(ToolFailure, match=r"wrong\.ld") as caught:
        find_toolchain("zig").link([], tmp_path / "wrong.ld", tmp_path / "a.elf", tmp_path)
    assert caught.value.exit_code == BuildError.exit_code


def test_the_identity_does_not_depend_on_where_the_compiler_lies(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    identities = set()
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        binary = tmp_path / folder / "zig"
        monkeypatch.setattr(toolchain, "zig_binary", lambda binary=binary: (binary, "1.2.3"))
        identities.add(find_toolchain("zig").identity)
    assert len(identities) == 1


def test_a_full_disk_is_not_blamed_on_the_source(tmp_path: Path) -> None:
    fake_gcc(tmp_path, "echo 'error: unable to write x.o: No space left on device' >&2; exit 1")
    with pytest.raises(WorkspaceError, match="disk is full"):
        run_tool([str(tmp_path / "arm-none-eabi-gcc")], tmp_path)
