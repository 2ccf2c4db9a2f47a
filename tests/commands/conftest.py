"""A command line in this process, and what commands are given to work on."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from evbench import cli
from evbench.resources import resource
from tests.commands.command_line import Done, Evbench


@pytest.fixture
def evbench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Evbench:
    """Runs a command line in this process, in a folder and workspace of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EVBENCH_WORKSPACE", raising=False)

    def run(*arguments: str | Path) -> Done:
        monkeypatch.setattr(sys, "argv", ["evbench", *map(str, arguments)])
        code: Any = 0
        try:
            cli.main()
        except SystemExit as exit_:
            code = exit_.code or 0
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    return run


@pytest.fixture
def recording() -> Path:
    return sorted(resource("assets", "recordings").glob("*.dat"))[0]


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text('[dataset]\nname = "simulated-bars"\n\n[train]\nepochs = 3\n')
    return path
