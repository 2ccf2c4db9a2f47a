"""Lowering: a torch program of few operators becomes an IntegerGraph, layer by layer, under the user's layer names.

Both roads use one walk over the program. The quantised one reads the converted program, whose quantize nodes say each
tensor's grid; the float one reads the captured network with batch norm folded in and no grids at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.fx import GraphModule, Node

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
    Tensor,
)
from evbench.quantize import nodes as form
from evbench.quantize.capture import capture
from evbench.quantize.precision import is_conversion
from evbench.quantize.program import ConvertedProgram, write_out_layers

_quantized = torch.ops.quantized_decomposed
_QUANTIZE = _quantized.quantize_per_tensor.default
_DEQUANTIZE_WEIGHT = _quantized.dequantize_per_channel.default
_COMPUTES = frozenset(
    {*form.CONVOLUTION, form.LINEAR, form.ADD, form.CONCAT, form.MAX_POOL, form.AVERAGE_POOL, *form.GLOBAL_MEAN},
)


@dataclass(frozen=True)
class _Grid:
    dtype: DType
    scale: float
    zero_point: int

    @property
    def as_tuple(self) -> tuple[DType, float, int]:
        return self.dtype, self.scale, self.zero_point


_FLOAT = _Grid(DType.F32, 1.0, 0)
_COUNTS = _Grid(DType.U8, 1.0, 0)
_STORED = {torch.uint8: DType.U8, torch.int8: DType.S8, torch.int16: DType.S16}


def lower(converted: ConvertedProgram, name: str, metadata: Mapping[str, str] | None = None) -> IntegerGraph:
    """The integer graph of a converted program: the same int8 weights, int32 biases and float32 scales."""
    return Lowering(converted.program).graph(name, metadata or {})


def lower_float(
    network: nn.Module, example_shape: Sequence[int], name: str, metadata: Mapping[str, str] | None = None
) -> IntegerGraph:
    """The float32 graph of `network` in evaluation mode, batch norm folded in; its first layer reads the u8 counts.

    `example_shape` is (C, H, W). Raises ModelError for a network that no graph can hold.
    """
    captured = capture(network, example_shape)
    write_out_layers(captured, {})
    return Lowering(captured).graph(name, metadata or {})


class Lowering:
    """One walk over a program; afterwards `tensors`, `operators` and `sources` are complete."""

    def __init__(self, graph_module: GraphModule) -> None:
        self._module = graph_module
        self._names: dict[Node, str] = {}
        self.tensors: dict[str, Tensor] = {}
        self.operators: list[Operator] = []
        self.sources: dict[Node, tuple[str, float | None]] = {}
        for node in graph_module.graph.nodes:
            self._visit(node)

    def graph(self, name: str, metadata: Mapping[str, str]) -> IntegerGraph:
        logits = self._names[form.only_output(self._module)]
        return IntegerGraph(
            name=name,
            tensors=self.tensors,
            operators=tuple(self.operators),
            inputs=("input",),
            outputs=(logits,),
            metadata=dict(metadata),
        )

    def _visit(self, node: Node) -> None:
        if node.op == "placeholder":
            self._add_tensor("input", form.value_shape(node), _COUNTS, [node, *self._quantize_of(node)])
        elif node.target in _COMPUTES:
            self._add_operator(node)
        elif is_conversion(node):
            self._add_conversion(node)
        elif node.op == "call_function" and node not in self._names and node.target != _DEQUANTIZE_WEIGHT:
            source = node.args[0]
            if isinstance(source, Node) and source in self._names:
                self._names[node] = self._names[source]

    def _add_operator(self, node: Node) -> None:
        name = str(node.meta["layer"])
        last, relu = node, False
        user = form.single_user(node)
        if user is not None and user.target == form.RELU:
            last, relu = user, True
        given = node.args[0] if node.target == form.CONCAT else node.args
        inputs = [
            self._names[arg] for arg in cast(Sequence[Any], given) if isinstance(arg, Node) and arg in self._names
        ]
        quantize = self._quantize_of(last)
        if node.target != form.MAX_POOL:
            inputs = self._widened(node, inputs, _grid(quantize[0]) if quantize else _FLOAT)
        source = self.tensors[inputs[0]]
        if node.target == form.MAX_POOL:
            grid = _Grid(source.dtype, source.scale, source.zero_point)
        else:
            grid = _grid(quantize[0]) if quantize else _FLOAT
        shape = form.value_shape(node)
        if node.target in form.GLOBAL_MEAN:
            shape = (shape[0], 1, 1)
        self._add_tensor(name, shape, grid, [node, last, *quantize])
        self.operators.append(self._operator(node, name, tuple(inputs), relu))

    def _operator(self, node: Node, name: str, inputs: tuple[str, ...], relu: bool) -> Operator:
        base: dict[str, Any] = {"name": name, "inputs": inputs, "output": name}
        source = self.tensors[inputs[0]]
        if node.target == form.ADD:
            operator: Operator = Add(**base, relu=relu)
        elif node.target == form.CONCAT:
            operator = Concat(**base)
        elif node.target == form.AVERAGE_POOL:
            arguments = form.average_pool_arguments(node)
            vertical, horizontal = form.pair(arguments["padding"])
            operator = AveragePool2d(
                **base,
                kernel=form.pair(arguments["kernel_size"]),
                stride=form.pair(arguments["stride"]),
                padding=(vertical, horizontal, vertical, horizontal),
                count_padding=bool(arguments["count_include_pad"]),
            )
        elif node.target == form.MAX_POOL:
            arguments = form.max_pool_arguments(node)
            vertical, horizontal = form.pair(arguments["padding"])
            operator = MaxPool2d(
                **base,
                kernel=form.pair(arguments["kernel_size"]),
                stride=form.pair(arguments["stride"]),
                padding=(vertical, horizontal, vertical, horizontal),
            )
        elif node.target in form.GLOBAL_MEAN:
            operator = GlobalAveragePool(**base)
        else:
            weight, scale, bias = self._constants(node, source.scale)
            weighted = {**base, "weight": weight, "weight_scale": scale, "bias": bias, "relu": relu}
            if node.target == form.LINEAR:
                return Linear(**weighted)
            stride, padding, _, groups = node.args[3:7]
            vertical, horizontal = form.pair(padding)
            around = form.zero_padding(cast(Node, node.args[0])) or (vertical, horizontal, vertical, horizontal)
            return Conv2d(
                **weighted,
                stride=form.pair(stride),
                padding=around,
                groups=cast(int, groups),
            )
        return operator

    def _widened(self, node: Node, inputs: list[str], made: _Grid) -> list[str]:
        """The names of a layer's inputs once all have the type it computes on; none loses anything by that.

        Float layers read float32, but those with weights may read counts; layers that read or make 16 bits read 16.
        """
        weighted = node.target in form.CONVOLUTION or node.target == form.LINEAR
        float_weights = weighted and cast(Node, node.args[1]).target != _DEQUANTIZE_WEIGHT
        if float_weights or (made.dtype.is_float and not weighted):
            counts = {name for name in inputs if weighted and self.tensors[name].grid == _COUNTS.as_tuple}
            return [name if name in counts else self._rescaled(name, DType.F32) for name in inputs]
        types = {self.tensors[name].dtype for name in inputs}
        mean = node.target in form.GLOBAL_MEAN and DType.S16 not in types
        if DType.S16 in types or (made.dtype is DType.S16 and not mean):
            return [self._rescaled(name, DType.S16) for name in inputs]
        return inputs

    def _rescaled(self, name: str, dtype: DType) -> str:
        """The name of a tensor in a type that holds all of its values; on the same scale, or as real values."""
        source = self.tensors[name]
        if source.dtype is dtype:
            return name
        wide = f"{name}.{'fp32' if dtype.is_float else 'int16'}"
        if wide not in self.tensors:
            self.tensors[wide] = Tensor(wide, source.shape, dtype, 1.0 if dtype.is_float else source.scale)
            self.operators.append(Rescale(wide, (name,), wide))
        return wide

    def _add_conversion(self, node: Node) -> None:
        name = str(node.meta["layer"])
        quantize = self._quantize_of(node)
        source = self._names[cast(Node, node.args[0])]
        self._add_tensor(name, self.tensors[source].shape, _grid(quantize[0]), [node, *quantize])
        self.operators.append(Rescale(name, (source,), name))

    def _constants(self, node: Node, input_scale: float) -> tuple[NDArray[Any], NDArray[np.float32], NDArray[Any]]:
        weight_node, bias_node = cast(tuple[Node, Node], node.args[1:3])
        bias = self._constant(bias_node)
        if weight_node.target != _DEQUANTIZE_WEIGHT:
            stored_as = np.float16 if node.meta.get("half_weights", False) else np.float32
            return self._constant(weight_node).astype(stored_as), np.zeros(0, np.float32), bias
        stored, scale_node = cast(tuple[Node, Node], weight_node.args[:2])
        scale = self._constant(scale_node)
        grid = (np.float32(input_scale) * scale).astype(np.float64)
        integers = np.rint(bias.astype(np.float64) / grid)
        if not np.allclose(integers * grid, bias, rtol=1e-6, atol=0):
            raise ModelError(
                "The bias does not lie on the grid of its accumulator",
                where=f"layer {node.meta['layer']!r}",
                remedy="Convert the program with evbench",
            )
        return self._constant(stored), scale, integers.astype(np.int32)

    def _constant(self, node: Node) -> NDArray[Any]:
        return form.constant(self._module, node).numpy().copy()

    def _add_tensor(self, name: str, shape: tuple[int, ...], grid: _Grid, nodes: list[Node]) -> None:
        self.tensors[name] = Tensor(name, shape, grid.dtype, grid.scale, grid.zero_point)
        for node in nodes:
            self._names[node] = name
        real = grid is not _FLOAT and nodes[-1].target != _QUANTIZE
        self.sources[nodes[-1]] = (name, grid.scale if real else None)

    def _quantize_of(self, node: Node) -> list[Node]:
        return [user for user in node.users if user.target == _QUANTIZE][:1]


def _grid(quantize: Node) -> _Grid:
    scale, zero_point, _, _, dtype = quantize.args[1:6]
    return _Grid(_STORED[cast(torch.dtype, dtype)], float(np.float32(cast(float, scale))), cast(int, zero_point))
