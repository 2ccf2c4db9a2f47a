"""Parity's `torch`: the converted program run by torch, every tensor of the graph kept as integers on its own grid."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.fx import Interpreter, Node

from evbench.quantize.lower import Lowering
from evbench.quantize.program import ConvertedProgram


class TorchExecution:
    """Executes a converted program; compares with executions of the graph `lower` makes of it, name by name."""

    name = "torch"

    def __init__(self, converted: ConvertedProgram) -> None:
        self._program = converted.program
        self._lowering = Lowering(converted.program)

    def run(self, batch: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        """batch: uint8 [N, C, H, W] -> name: [N, *shape] in the tensor's stored dtype; logits are float32."""
        recorder = _Recorder(self._program, self._lowering)
        with torch.no_grad():
            recorder.run(torch.from_numpy(batch).float())
        return recorder.stored


class _Recorder(Interpreter):
    def __init__(self, program: torch.fx.GraphModule, lowering: Lowering) -> None:
        super().__init__(program)
        self._lowering = lowering
        self.stored: dict[str, NDArray[Any]] = {}

    def run_node(self, n: Node) -> Any:
        value = super().run_node(n)
        if n in self._lowering.sources:
            name, scale = self._lowering.sources[n]
            tensor = self._lowering.tensors[name]
            on_grid = value if scale is None else (value / scale).round()
            self.stored[name] = on_grid.numpy().astype(tensor.dtype.numpy).reshape(-1, *tensor.shape)
        return value
