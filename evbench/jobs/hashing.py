"""What names a stage's output: the hash of its settings, its inputs and the code that makes it."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from evbench.resources import resource


def digest(parts: Mapping[str, Any]) -> str:
    """SHA-256 of a JSON-like mapping, the order of keys aside."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


@cache
def code_digest(names: tuple[str, ...]) -> str:
    """SHA-256 of source files. A name is a module, a package (all modules below it) or a bundled folder, "firmware/".

    Modules are found without being run.
    """
    sha = hashlib.sha256()
    for name in names:
        for label, path in _sources(name):
            sha.update(label.encode() + b"\0" + path.read_bytes() + b"\0")
    return sha.hexdigest()


@cache
def versions(distributions: tuple[str, ...]) -> dict[str, str]:
    """Installed versions of the libraries a stage's output depends on; "" for one that is not installed."""
    found = {}
    for name in distributions:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = ""
    return found


def data_fingerprint(path: Path | None) -> str:
    """SHA-256 of a file's or folder's names, sizes and modification times; "" for no path."""
    if path is None:
        return ""
    sha = hashlib.sha256()
    files: Iterable[Path] = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    for file in files:
        state = file.stat()
        sha.update(f"{file.relative_to(path)}\0{state.st_size}\0{state.st_mtime_ns}\0".encode())
    return sha.hexdigest()


def _sources(name: str) -> Iterable[tuple[str, Path]]:
    if name.endswith("/"):
        root = resource(name.rstrip("/"))
        return [(str(path.relative_to(root)), path) for path in sorted(root.rglob("*")) if path.is_file()]
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        return []
    if spec.submodule_search_locations:
        folders = [Path(folder) for folder in spec.submodule_search_locations]
        return [(str(path.relative_to(f)), path) for f in folders for path in sorted(f.rglob("*.py"))]
    return [(name, Path(spec.origin))] if spec.origin and Path(spec.origin).is_file() else []
