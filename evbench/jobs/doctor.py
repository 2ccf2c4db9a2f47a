"""Looks whether everything evbench needs is here, and says what to do about what is not."""

from __future__ import annotations

import importlib.metadata
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from evbench.errors import EvbenchError

_LIBRARIES = {
    "torch": "training and quantisation",
    "torchao": "quantisation",
    "onnxruntime": "parity",
    "unicorn": "the virtual board",
    "textual": "the workbench",
}
_EXTRAS = {"distributed": "dask", "textual-serve": "serve"}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. `needed` is whether evbench's main job fails without it."""

    name: str
    ok: bool
    found: str
    remedy: str = ""
    needed: bool = True

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def examine(workspace: Path | None) -> Iterator[Check]:
    """All checks, one after the other as they are made."""
    version = platform.python_version()
    yield Check("python", sys.version_info >= (3, 11), version, "Use Python 3.11 or later")
    for name, purpose in _LIBRARIES.items():
        yield _library(name, f"pip install {name}: {purpose} needs it")
    yield _attempt("compiler", _compiler, "pip install ziglang, or put arm-none-eabi-gcc on the PATH")
    yield _attempt("workspace", lambda: _workspace(workspace), "Choose a writable folder with --workspace")
    yield _attempt("bundled model", _bundled, "Reinstall evbench")
    yield _ports()
    for name, extra in _EXTRAS.items():
        yield _library(name, f"pip install 'evbench[{extra}]'", needed=False)


def _library(name: str, remedy: str, needed: bool = True) -> Check:
    try:
        return Check(name, True, importlib.metadata.version(name), needed=needed)
    except importlib.metadata.PackageNotFoundError:
        return Check(name, False, "not installed", remedy, needed)


def _attempt(name: str, look: Callable[[], str], remedy: str) -> Check:
    try:
        return Check(name, True, look())
    except EvbenchError as error:
        return Check(name, False, f"{error.what}. {error.where}".strip(), error.remedy or remedy)


def _compiler() -> str:
    from evbench.compile.toolchain import find_toolchain

    found = find_toolchain()
    return f"{found.name} {found.version}"


def _workspace(root: Path | None) -> str:
    from evbench.workspace import open_workspace

    workspace = open_workspace(root)
    workspace.require_space()
    return str(workspace.root)


def _bundled() -> str:
    from evbench.jobs.models import open_model

    return open_model(None).graph.name


def _ports() -> Check:
    from serial.tools import list_ports

    devices = sorted(str(port.device) for port in list_ports.comports() if port.vid is not None)
    remedy = "Plug a board in to measure on silicon; virtual boards need none"
    return Check("serial ports", bool(devices), ", ".join(devices) or "none", remedy, needed=False)
