"""What the workbench writes to terminals that know few colours, many, or none."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
from pathlib import Path

import pytest

PATIENCE_S = 60
TRUE, MANY, FEW = rb"\x1b\[[\d;]*[34]8;2;\d", rb"\x1b\[[\d;]*[34]8;5;\d", rb"\x1b\[[\d;]*(?:3|4|9|10)[0-7](?:;|m)"


def written(folder: Path, **environment: str) -> bytes:
    """All that the command writes until a recording is drawn."""
    pid, terminal = pty.fork()
    if pid == 0:
        for name in ("COLORTERM", "NO_COLOR", "TEXTUAL_COLOR_SYSTEM"):
            os.environ.pop(name, None)
        os.environ.update(environment, XDG_CONFIG_HOME=str(folder))
        os.execv(sys.executable, [sys.executable, "-m", "evbench.cli", "--workspace", str(folder / "ws")])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    seen, deadline = b"", time.monotonic() + PATIENCE_S
    try:
        while "▀".encode() not in seen:
            assert time.monotonic() < deadline, seen
            if select.select([terminal], [], [], 1)[0]:
                seen += os.read(terminal, 1 << 16)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)
    return seen


@pytest.mark.parametrize(
    ("environment", "used", "unused"),
    [
        ({"TERM": "xterm"}, [FEW], [TRUE, MANY]),
        ({"TERM": "xterm-256color"}, [MANY], [TRUE]),
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, [TRUE], [MANY]),
    ],
    ids=["16", "256", "true"],
)
def test_no_terminal_gets_colours_that_it_does_not_know(
    tmp_path: Path, environment: dict[str, str], used: list[bytes], unused: list[bytes]
) -> None:
    seen = written(tmp_path, **environment)
    assert all(re.search(pattern, seen) for pattern in used)
    assert not any(re.search(pattern, seen) for pattern in unused)
