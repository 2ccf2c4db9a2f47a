"""The card of an exported model: where it comes from, what it was measured at, and what can be checked again."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evbench.graph.card import file_hashes, quantisation_table
from evbench.graph.model import IntegerGraph
from evbench.profiles import Recipe

if TYPE_CHECKING:
    from evbench.training.augment import SparseWindows

TOOLS = ("evbench", "torch", "torchao", "numpy", "onnx", "onnxruntime")
_PLAIN = ("classes", "size", "filters", "bins", "window_us")
"""Metadata of a graph that a card holds as values, not as text."""


def model_card(
    graph: IntegerGraph,
    recipe: Recipe,
    metrics: Mapping[str, Any],
    test_set: SparseWindows,
    folder: Path,
    splits: Mapping[str, Any],
) -> dict[str, Any]:
    """The card of a model whose other files lie in `folder`.

    `metrics` are those of an ApproachResult, measured on `test_set`; `splits` says of every split how many windows and
    recordings it has and the digest of its windows.
    """
    about = {key: json.loads(value) if key in _PLAIN else value for key, value in graph.metadata.items()}
    chosen = ("approach", "network", "method", *_PLAIN[:1], "representation", "bins", "window_us", "size", "filters")
    known = {**splits, "test": {**splits.get("test", {}), **split_entry(test_set)}}
    return {
        **{key: about[key] for key in chosen},
        "digest": graph.digest,
        "files": file_hashes(folder),
        "metrics": dict(metrics),
        "data": {"dataset": recipe.dataset.name, "splits": known},
        "quantisation": quantisation_table(graph),
        "recipe": recipe.model_dump(mode="json"),
        "tools": tool_versions(),
    }


def split_entry(windows: SparseWindows) -> dict[str, Any]:
    """How many windows and recordings with events a split has, and its digest."""
    recordings = len(np.unique(windows.recording))
    return {"windows": len(windows.labels), "recordings": recordings, "sha256": windows_digest(windows)}


def windows_digest(windows: SparseWindows) -> str:
    """SHA-256 of every window of a split with its label and recording: the data behind a figure."""
    sha = hashlib.sha256(repr(tuple(windows.shape)).encode())
    for name in ("offsets", "index", "count", "labels", "recording"):
        array = getattr(windows, name)
        sha.update(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes())
    return sha.hexdigest()


def tool_versions() -> dict[str, str]:
    """Versions of Python and of what makes and runs models."""
    return {"python": platform.python_version()} | {name: _version(name) for name in TOOLS}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # evbench itself, run from a checkout that is not installed
        return "checkout"
