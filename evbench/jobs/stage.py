"""One step of a pipeline: what it needs, what it makes, and what it is given while it runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from evbench.jobs import hashing
from evbench.jobs.held_board import HeldBoard
from evbench.workspace import Workspace


class Progress(Protocol):
    """Told how far a stage is, from 0 to 1, and what to say about it."""

    def __call__(self, fraction: float, message: str = "") -> None: ...


@dataclass(frozen=True, eq=False)
class Context:
    """What a running stage is given.

    out: an empty folder for its output; work: a folder that survives a killed process, for checkpoints; inputs: the
    outputs of the stages it reads, by what they are to it; metric: records (name, step, value), written now and then
    or by `flush`; progress: see Progress; board: the job's board, held from one stage to the next.
    """

    workspace: Workspace
    out: Path
    work: Path
    inputs: Mapping[str, Path]
    metric: Callable[[str, int, float], None]
    flush: Callable[[], None]
    progress: Progress
    board: HeldBoard | None

    def write(self, name: str, content: Mapping[str, Any]) -> None:
        """Write a JSON file into the output."""
        (self.out / name).write_text(json.dumps(content, indent=1) + "\n")

    def read(self, role: str, name: str) -> dict[str, Any]:
        """Read a JSON file of an input."""
        content: dict[str, Any] = json.loads((self.inputs[role] / name).read_text())
        return content


@dataclass(frozen=True, eq=False)
class Stage:
    """A step: `run` fills the context's `out` and returns one line for people.

    approach: whom of a job the stage belongs to, empty for what all share; settings: everything that changes the
    output, as JSON; inputs: keys of earlier stages by what they are to this one; code: modules, packages and bundled
    folders whose source changes the output; libraries: distributions whose version does. Two stages that do the same
    have the same hash, whoever they belong to.
    """

    name: str
    approach: str
    run: Callable[[Context], str]
    settings: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    code: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return f"{self.name} {self.approach}".strip()

    def digest(self, inputs: Mapping[str, str]) -> str:
        """The hash that names this stage's output; `inputs` are the hashes of the stages it reads, by key."""
        return hashing.digest(
            {
                "stage": self.name,
                "settings": self.settings,
                "inputs": {role: inputs[key] for role, key in self.inputs.items()},
                "code": hashing.code_digest(self.code),
                "libraries": hashing.versions(self.libraries),
            }
        )
