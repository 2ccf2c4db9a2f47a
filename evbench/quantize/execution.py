"""Parity's `torch`: the converted program run by torch, every tensor of the graph kept as integers on its own grid."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.fx import Interpreter, Node

from evbench.graph.execute import regrid
from evbench.graph.model import Rescale
from evbench.quantize.lower import Lowering
from evbench.quantize.program import ConvertedProgram


class TorchExecution:
    """Executes a converted program; compares with executions of the graph `lower` makes of it, name by name."""

    name = "torch"

    def __init__(self, converted: ConvertedProgram) -> None:
        self._program = converted.program
        self._lowering = Lowering(converted.program)

    def run(self, batch: NDArray[np.uint8], given: Mapping[str, NDArray[Any]] | None = None) -> dict[str, NDArray[Any]]:
        """batch: uint8 [N, C, H, W] -> name: [N, *shape] in the tensor's stored dtype; logits are float32.

        A tensor in `given` (name: stored integers) is computed and returned as always, but the layers behind it read
        the given one. With another execution's tensors every layer is compared on equal inputs: what differs then
        arose in that layer, and one rounding tie early on does not count again in every layer it reaches.
        """
        recorder = _Recorder(self._program, self._lowering, given or {})
        with torch.no_grad():
            recorder.run(torch.from_numpy(batch).float())
        # Widening loses nothing, so the program has no node for it.
        for operator in self._lowering.operators:
            if isinstance(operator, Rescale) and operator.output not in recorder.stored:
                source, target = (self._lowering.tensors[name] for name in (operator.inputs[0], operator.output))
                recorder.stored[target.name] = regrid(recorder.stored[source.name], source, target)
        return recorder.stored


class _Recorder(Interpreter):
    def __init__(self, program: torch.fx.GraphModule, lowering: Lowering, given: Mapping[str, NDArray[Any]]) -> None:
        super().__init__(program)
        self._lowering = lowering
        self._given = given
        self.stored: dict[str, NDArray[Any]] = {}

    def run_node(self, n: Node) -> Any:
        value = super().run_node(n)
        if n not in self._lowering.sources:
            return value
        name, scale = self._lowering.sources[n]
        tensor = self._lowering.tensors[name]
        on_grid = value if scale is None else (value / scale).round()
        self.stored[name] = on_grid.numpy().astype(tensor.dtype.numpy).reshape(-1, *tensor.shape)
        if name not in self._given:
            return value
        replaced = torch.from_numpy(self._given[name]).reshape(value.shape).to(value.dtype)
        return replaced if scale is None else replaced * scale
