"""The README's five minutes, as a user would type them: its commands in a shell, then its keys in tmux."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from evbench.resources import resource

README = resource("README.md").read_text() if (Path(__file__).parents[2] / "README.md").exists() else ""
EVBENCH = Path(sys.executable).parent / "evbench"
TMUX_KEYS = {"esc": "Escape", "enter": "Enter", "space": "Space", "ctrl+t": "C-t"}
PATIENCE_S = 120.0


def section() -> str:
    return README.partition("\n## Five minutes\n")[2].partition("\n## ")[0]


def commands() -> list[str]:
    block = section().partition("```sh\n")[2].partition("```")[0]
    return [line.partition("#")[0].strip() for line in block.splitlines()]


def keys() -> list[tuple[str, str]]:
    """Each key and what is then to be seen."""
    return re.findall(r"^\| `([^`]+)` \|.*\| `([^`]+)` \|$", section(), re.MULTILINE)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of a user who has never seen evbench, beside a checkout's assets."""
    folder = tmp_path_factory.mktemp("first-day")
    (folder / "assets").symlink_to(Path(__file__).parents[2] / "assets")
    return folder


def environment(home: Path) -> dict[str, str]:
    changes = {"XDG_CONFIG_HOME": str(home / "config"), "PATH": f"{EVBENCH.parent}:{os.environ['PATH']}"}
    return {name: value for name, value in os.environ.items() if name not in ("EVBENCH_WORKSPACE", "TMUX")} | changes


def test_every_command_of_the_walk_through_does_what_it_should(home: Path) -> None:
    *typed, last = commands()
    assert last == "evbench"
    assert len(typed) >= 4
    for command in typed:
        done = subprocess.run(
            shlex.split(command), cwd=home, env=environment(home), capture_output=True, text=True, timeout=PATIENCE_S
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        assert done.stdout.strip(), command
    assert (home / "bar.png").stat().st_size > 0


class Tmux:
    """A terminal of 120 x 40 in a tmux server of its own."""

    def __init__(self, socket: Path, home: Path) -> None:
        self._command = ["tmux", "-S", str(socket), "-f", "/dev/null"]
        self._run("new-session", "-d", "-x", "120", "-y", "40", "-c", str(home), "sh", env=environment(home))

    def _run(self, *arguments: str, env: dict[str, str] | None = None) -> str:
        done = subprocess.run([*self._command, *arguments], capture_output=True, text=True, env=env, timeout=30)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def type(self, *keys: str) -> None:
        self._run("send-keys", *keys)

    def screen(self) -> str:
        """Its text; numbers stand in columns, with as many blanks as that takes."""
        return re.sub(" +", " ", self._run("capture-pane", "-p"))

    def wait_until(self, reached: Callable[[str], bool], what: str = "it") -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not reached(seen := self.screen()):
            assert time.monotonic() < deadline, f"never saw {what}:\n{seen}"
            time.sleep(0.05)

    def wait_for(self, words: str) -> None:
        self.wait_until(lambda seen: words in seen, words)

    def close(self) -> None:
        subprocess.run([*self._command, "kill-server"], capture_output=True)


@pytest.fixture
def terminal(tmp_path: Path, home: Path) -> Iterator[Tmux]:
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    tmux = Tmux(tmp_path / "socket", home)
    yield tmux
    tmux.close()


def test_every_key_of_the_walk_through_shows_what_it_should_in_a_terminal(terminal: Tmux) -> None:
    typed = keys()
    assert len(typed) >= 8
    terminal.type("PS1='$ '", "Enter")
    terminal.type("evbench", "Enter")
    terminal.wait_for("First time here?")
    terminal.type("Escape")
    terminal.wait_until(lambda seen: "First time here?" not in seen)
    for key, words in typed:
        terminal.type(TMUX_KEYS.get(key, key))
        terminal.wait_for(words)
    terminal.type("q")
    terminal.wait_for("$ evbench")
    terminal.type("echo left with $?", "Enter")
    terminal.wait_for("left with 0")
    terminal.type("evbench jobs list", "Enter")
    terminal.wait_for("profile bundled model")
