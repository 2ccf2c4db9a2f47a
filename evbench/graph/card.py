"""What a model's card says of its integers and files, and the windows it carries to be checked on: all recomputable."""

from __future__ import annotations

import hashlib
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evbench.errors import ModelError
from evbench.graph.audit import layers_of
from evbench.graph.execute import execute
from evbench.graph.model import Conv2d, IntegerGraph, Linear

CARD = "model.json"
CHECK = "check.npz"
CHECK_WINDOWS = 8
"""How many windows a model carries with the logits it gives for them."""


def quantisation_table(graph: IntegerGraph) -> dict[str, Any]:
    """Of every tensor its type, scale and zero point; of every layer with weights their types, granularity and scales.

    `scales` are the smallest and the largest scale of a layer's weights, None for float weights.
    """
    tensors = [
        {"name": tensor.name, "dtype": str(tensor.dtype), "scale": tensor.scale, "zero_point": tensor.zero_point}
        for tensor in graph.tensors.values()
    ]
    layers = []
    for operator, layer in zip(graph.operators, layers_of(graph), strict=True):
        if isinstance(operator, Conv2d | Linear):
            scales = operator.weight_scale
            extent = [float(scales.min()), float(scales.max())] if scales.size else None
            entry: dict[str, Any] = {
                "name": operator.name,
                "weights": operator.weight.dtype.name,
                "bias": operator.bias.dtype.name,
            }
            layers.append(entry | {"granularity": layer.weights, "scales": extent})
    return {"tensors": tensors, "layers": layers}


def file_hashes(folder: Path) -> dict[str, dict[str, Any]]:
    """Size in bytes and SHA-256 of every file of a model folder but the card."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name != CARD)
    return {path.name: {"bytes": path.stat().st_size, "sha256": _sha256(path)} for path in files}


def save_check(graph: IntegerGraph, windows: NDArray[np.uint8], path: Path) -> None:
    """Write windows [n, C, H, W], uint8, and the logits [n, classes] the reference gives for them."""
    logits = execute(graph, windows)[graph.outputs[0]].reshape(len(windows), -1)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            np.savez_compressed(file, windows=windows, logits=logits)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def load_check(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """The windows and logits that `save_check` wrote. Raises ModelError when the file is no such thing."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return file["windows"], file["logits"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ModelError(
            f"The model's windows cannot be read: {error}", where=str(path), remedy="Export the model again"
        ) from None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
