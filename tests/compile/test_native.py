"""Shared libraries for this workstation: kept by content, complete or not there."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest

from evbench.compile.native import build_shared
from evbench.compile.toolchain import ToolFailure
from evbench.errors import WorkspaceError

SOURCE = """#include "number.h"
__attribute__((visibility("default"))) int answer(void);
int answer(void) { return NUMBER; }
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "number.h").write_text("#define NUMBER 42\n")
    (folder / "answer.c").write_text(SOURCE)
    return folder / "answer.c"


def test_a_library_is_compiled_once_and_taken_from_the_cache_afterwards(source: Path, tmp_path: Path) -> None:
    first = build_shared([source], "answer", tmp_path / "cache")
    made = first.stat().st_mtime_ns
    assert build_shared([source], "answer", tmp_path / "cache") == first
    assert first.stat().st_mtime_ns == made
    assert ctypes.CDLL(str(first)).answer() == 42


def test_a_changed_header_gives_another_library(source: Path, tmp_path: Path) -> None:
    first = build_shared([source], "answer", tmp_path / "cache")
    (source.parent / "number.h").write_text("#define NUMBER 43\n")
    second = build_shared([source], "answer", tmp_path / "cache")
    assert second != first
    assert ctypes.CDLL(str(second)).answer() == 43


def test_nothing_is_left_behind_when_compilation_fails(source: Path, tmp_path: Path) -> None:
    source.write_text("int answer(void) { return }\n")
    with pytest.raises(ToolFailure, match="expected expression"):
        build_shared([source], "answer", tmp_path / "cache")
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


def test_a_cache_that_cannot_be_written_is_named(source: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where a folder should be")
    with pytest.raises(WorkspaceError) as caught:
        build_shared([source], "answer", tmp_path / "cache")
    assert str(tmp_path / "cache") in caught.value.where
