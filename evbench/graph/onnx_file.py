"""An ONNX file from elsewhere, executed by ONNX Runtime as it stands: what its imported network is compared with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray

from evbench.graph.execute import input_tensor, real_grid
from evbench.graph.model import IntegerGraph


class OnnxFile:
    """The file behind an imported graph, with every tensor that both know as an output.

    Its float operators run without optimisations, so that rounding is the only freedom they have; `optimised` runs ONNX
    Runtime's integer kernels, whose sums saturate where uint8 meets int8 on an x86 CPU without VNNI.
    """

    name = "onnx-file"

    def __init__(self, graph: IntegerGraph, path: Path, optimised: bool = False) -> None:
        self.graph = graph
        model = onnx.load(path)
        made = {name for node in model.graph.node for name in node.output}
        self._names = [name for name in graph.tensors if name in made]
        sums = [node.output[0] for node in model.graph.node if node.op_type == "Add"]  # else fused into a QLinearAdd
        declared = {value.name for value in model.graph.output}
        for name in (*self._names, *(sums if optimised else ())):
            if name not in declared:
                model.graph.output.append(onnx.ValueInfoProto(name=name))
                declared.add(name)
        options = ort.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        levels = ort.GraphOptimizationLevel
        options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimised else levels.ORT_DISABLE_ALL
        options.add_session_config_entry("session.qdqisint8allowed", "1")
        self._session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        self._input = next(given for given in self._session.get_inputs() if given.name == graph.inputs[0])

    def run(self, batch: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        """Windows [N, *shape], uint8 on the grid of the graph's input, to tensors [N, *shape] by name, on its grids."""
        values: dict[str, NDArray[Any]] = {self.graph.inputs[0]: batch}
        fed = self._fed(batch)
        size = self._input.shape[0]
        if isinstance(size, int):  # a fixed batch: each window fills it
            full = (np.repeat(one, size, axis=0) for one in fed[:, None])
            runs = [self._session.run(self._names, {self._input.name: filled}) for filled in full]
            results = [np.concatenate([run[index][:1] for run in runs]) for index in range(len(self._names))]
        else:
            results = self._session.run(self._names, {self._input.name: fed})
        for name, result in zip(self._names, results, strict=True):
            tensor = self.graph.tensors[name]
            grid = (result.astype(np.int16) + 128).astype(np.uint8) if result.dtype == np.int8 else result
            values[name] = grid.reshape(len(batch), *tensor.shape)
        return values

    def _fed(self, batch: NDArray[np.uint8]) -> NDArray[Any]:
        """The windows as the file wants them: real values, or its own integers."""
        tensor = input_tensor(self.graph, batch)
        shaped = batch.reshape(len(batch), -1) if len(self._input.shape) == 2 else batch
        if self._input.type == "tensor(uint8)":
            return shaped
        if self._input.type == "tensor(int8)":
            return (shaped.astype(np.int16) - 128).astype(np.int8)
        return real_grid(shaped, tensor, scaled=True)
