"""Runs a network in tflite-micro's own interpreter: a second runtime, by other people, as a peer to compare with."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evbench.errors import ModelError
from evbench.graph.execute import input_tensor
from evbench.graph.model import IntegerGraph, Tensor
from evbench.graph.tflite import to_tflite

NAME = "tflite-micro"
PACKAGE = "tflite_micro"
_SPARE_BYTES = 1 << 20
"""Of the arena, beside every tensor of the network twice: for what operators keep."""


def installed() -> bool:
    """Whether the interpreter is here; the extra `peer` installs it."""
    return importlib.util.find_spec(PACKAGE) is not None


class TfliteMicro:
    """The network as a .tflite file in tflite-micro's reference kernels, every tensor kept.

    `logit_range` is how far the logits reach, which have 8 bits there. Raises ModelError where the package is not
    installed, or for a network that has no such file.
    """

    name = NAME

    def __init__(self, graph: IntegerGraph, logit_range: float) -> None:
        if not installed():
            raise ModelError(
                "tflite-micro is not installed",
                where=f"Python package {PACKAGE}",
                remedy="pip install 'evbench[peer]'; it exists for Linux on x86-64",
            )
        from tflite_micro import __version__, runtime

        self.graph = graph
        self.version: str = __version__
        self.model = to_tflite(graph, logit_range)
        arena = 2 * sum(tensor.bytes for tensor in graph.tensors.values()) + _SPARE_BYTES
        self._interpreter = runtime.Interpreter.from_bytes(
            self.model.content,
            arena_size=arena,
            intrepreter_config=runtime.InterpreterConfig.kPreserveAllTensors,
        )

    def run(self, batch: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        """Windows [N, C, H, W], uint8, to every tensor [N, ...] by name, on the graph's grids; logits in float32."""
        tensor = input_tensor(self.graph, batch)
        values: dict[str, list[NDArray[Any]]] = {name: [] for name in self.model.tensors}
        for window in batch:
            fed = (window.transpose(1, 2, 0).astype(np.int16) - 128).astype(np.int8)
            self._interpreter.set_input(np.ascontiguousarray(fed[None]), 0)
            self._interpreter.invoke()
            for name, index in self.model.tensors.items():
                found = window if name == tensor.name else self._stored(self.graph.tensors[name], index)
                values[name].append(found)
        return {name: np.stack(rows) for name, rows in values.items()}

    def _stored(self, tensor: Tensor, index: int) -> NDArray[Any]:
        """One tensor as the graph stores it, channels first."""
        found = np.asarray(self._interpreter.GetTensor(index, 0)["tensor_data"])[0]
        ordered = np.moveaxis(found, -1, 0) if len(tensor.shape) == 3 else found
        if tensor.dtype.is_float:
            real = ordered.astype(np.float32) * np.float32(self.model.logit_scale)
            return np.asarray(real.reshape(tensor.shape))
        offset = 128 if tensor.dtype.numpy == np.uint8 else 0
        return np.asarray((ordered.astype(np.int16) + offset).astype(tensor.dtype.numpy))
