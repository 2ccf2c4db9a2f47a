"""How a command that a test typed ended, and what a mistake must end in."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Evbench = Callable[..., Done]


def refused(done: Done, code: int, *parts: str) -> None:
    """A mistake ends in its exit code and one line on standard error, without a traceback."""
    assert done.code == code, done
    assert done.out == ""
    assert done.err.count("\n") == 1
    assert done.err.startswith("evbench: ")
    for part in parts:
        assert part in done.err
