"""IntegerGraphs on disk: one safetensors file, constants as its tensors, everything else as JSON in its metadata.

Reading parses numbers and text only; no code in a file can run.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

from evbench.errors import ModelError
from evbench.graph.model import (
    Add,
    AveragePool2d,
    Concat,
    Conv2d,
    DType,
    GlobalAveragePool,
    IntegerGraph,
    Linear,
    MaxPool2d,
    Operator,
    Rescale,
    State,
    Tensor,
)
from evbench.graph.validate import validate

FORMAT = "evbench-graph"
VERSION = 1
KINDS: dict[str, type[Operator]] = {
    kind.__name__: kind for kind in (Conv2d, Linear, GlobalAveragePool, AveragePool2d, MaxPool2d, Add, Concat, Rescale)
}
REMEDY = "Export the model again, or take another file"


def save_graph(graph: IntegerGraph, path: Path) -> None:
    """Write the graph; `path` appears complete or not at all. Raises ModelError when it cannot be written."""
    validate(graph)
    arrays: dict[str, Any] = {}
    operators = []
    for index, operator in enumerate(graph.operators):
        entry: dict[str, Any] = {"kind": operator.kind}
        for item in fields(operator):
            value = getattr(operator, item.name)
            if isinstance(value, np.ndarray):
                arrays[f"{index}.{item.name}"] = np.ascontiguousarray(value)
            else:
                entry[item.name] = value
        operators.append(entry)
    description = {
        "version": VERSION,
        "name": graph.name,
        "tensors": [asdict(tensor) for tensor in graph.tensors.values()],
        "operators": operators,
        "inputs": graph.inputs,
        "outputs": graph.outputs,
        "states": [asdict(state) for state in graph.states],
        "metadata": dict(graph.metadata),
        "digest": graph.digest,
    }
    _write(path, save_arrays(arrays, {FORMAT: json.dumps(description)}))


def load_graph(path: Path) -> IntegerGraph:
    """Read a graph that save_graph wrote and check it; ModelError names the file and what is wrong with it."""
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError("The model cannot be read", where=f"{path}: {error.strerror}", remedy=REMEDY) from None
    try:
        arrays = load_arrays(content)
        length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + length])
        text = header.get("__metadata__", {}).get(FORMAT)
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ModelError("The model file is damaged or no safetensors file", where=str(path), remedy=REMEDY) from None
    if text is None:
        raise ModelError(
            "The file holds weights but no evbench graph",
            where=str(path),
            remedy="Name graph.safetensors or its folder, not a checkpoint",
        )
    try:
        description = json.loads(text)
        version = description["version"]
        if version != VERSION:
            raise ModelError(
                f"The model was written in format {version}, this evbench reads {VERSION}",
                where=str(path),
                remedy="Update evbench or export the model again",
            )
        graph = _graph(description, arrays)
        validate(graph)
        intact = graph.digest == description["digest"]
    except ModelError as error:
        raise ModelError(error.what, where=f"{path}, {error.where}", remedy=error.remedy) from None
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError) as error:
        raise ModelError(
            "The model's description is damaged", where=f"{path}: {type(error).__name__} {error}", remedy=REMEDY
        ) from None
    if not intact:
        raise ModelError("The model's numbers are not those that were written", where=str(path), remedy=REMEDY)
    return graph


def _graph(description: dict[str, Any], arrays: dict[str, Any]) -> IntegerGraph:
    tensors = [
        Tensor(
            str(entry["name"]),
            tuple(int(side) for side in entry["shape"]),
            DType(entry["dtype"]),
            float(entry["scale"]),
            int(entry["zero_point"]),
        )
        for entry in description["tensors"]
    ]
    return IntegerGraph(
        name=str(description["name"]),
        tensors={tensor.name: tensor for tensor in tensors},
        operators=tuple(_operator(index, entry, arrays) for index, entry in enumerate(description["operators"])),
        inputs=tuple(description["inputs"]),
        outputs=tuple(description["outputs"]),
        states=tuple(State(str(entry["tensor"]), str(entry["next"])) for entry in description["states"]),
        metadata={str(key): str(value) for key, value in description["metadata"].items()},
    )


def _operator(index: int, entry: dict[str, Any], arrays: dict[str, Any]) -> Operator:
    kind = entry["kind"]
    if kind not in KINDS:
        raise ModelError(
            f"The model has an operator {kind}",
            where=f"layer '{entry.get('name')}'",
            remedy=f"This evbench knows {', '.join(KINDS)}",
        )
    values: dict[str, Any] = {}
    for item in fields(KINDS[kind]):
        key = f"{index}.{item.name}"
        value = arrays[key] if key in arrays else entry[item.name]
        values[item.name] = tuple(value) if isinstance(value, list) else value
    return KINDS[kind](**values)


def _write(path: Path, content: bytes) -> None:
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise ModelError(
            "The model cannot be written",
            where=f"{path}: {error.strerror}",
            remedy="Free some space or choose another folder",
        ) from None
