"""The layers of an ONNX file for the audit, whether or not evbench can import it.

Types are those that surround a layer: what DequantizeLinear reads in front of it and QuantizeLinear gives behind it in
QDQ files, the zero points' types in QOperator files, float32 elsewhere. Unlike the importer this needs no exact reading
of every attribute, so no operator is refused: what is unknown to the tables is reported under its own name.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, helper, numpy_helper

from evbench.errors import ModelError
from evbench.graph.audit import Layer, convolution_name

_NAMES = {
    "Gemm": "linear",
    "MatMul": "linear",
    "QGemm": "linear",
    "QLinearMatMul": "linear",
    "GlobalAveragePool": "global average",
    "QLinearGlobalAveragePool": "global average",
    "ReduceMean": "global average",
    "MaxPool": "max pooling",
    "AveragePool": "average pooling",
    "QLinearAveragePool": "average pooling",
    "Concat": "concatenation",
    "QLinearConcat": "concatenation",
    "Add": "addition",
    "Sum": "addition",
    "QLinearAdd": "addition",
    "Mul": "multiplication",
    "QLinearMul": "multiplication",
    "ConvTranspose": "transposed convolution",
    "Softmax": "softmax",
    "LogSoftmax": "softmax",
    "LSTM": "lstm",
    "GRU": "gru",
    **dict.fromkeys(("Sigmoid", "Tanh", "LeakyRelu", "Elu", "Selu", "HardSigmoid", "HardSwish", "Gelu"), "activation"),
}
_CONVOLUTIONS = ("Conv", "QLinearConv")
_WEIGHTED = (*_CONVOLUTIONS, "Gemm", "MatMul", "QGemm", "QLinearMatMul")
_GRID_KEEPERS = ("max pooling", "average pooling", "concatenation", "global average")
_PASSES = frozenset(
    ["Relu", "Clip", "Identity", "Flatten", "Reshape", "Squeeze", "Unsqueeze", "Dropout", "Transpose", "Cast", "Shape"]
)
"""Operators that are part of a neighbour or move values only."""

_SILENT = _PASSES | {"QuantizeLinear", "DequantizeLinear", "Constant"}
_NUMPY = {"uint8": "u8", "int8": "s8", "int16": "s16", "int32": "s32"}

_Grid = tuple[str, float, int]
_FLOAT: _Grid = ("f32", 1.0, 0)


def layers_of_file(path: Path) -> list[Layer]:
    """The layers of an ONNX file in its order. Raises ModelError when it cannot be read."""
    try:
        model = onnx.load(path)
    except OSError as error:
        where = f"{path}: {error.strerror}"
        raise ModelError("The model cannot be read", where=where, remedy="Check the path") from None
    except Exception as error:  # protobuf raises types of its own
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError("The file is no ONNX model", where=f"{path}: {first}", remedy="Export it again") from None
    return _Reader(model.graph).layers()


class _Reader:
    def __init__(self, graph: onnx.GraphProto) -> None:
        self.graph = graph
        self.makers = {name: node for node in graph.node for name in node.output}
        self.readers: dict[str, list[NodeProto]] = {}
        for node in graph.node:
            for name in node.input:
                self.readers.setdefault(name, []).append(node)
        self.constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
        for node in graph.node:
            if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value":
                self.constants[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)

    def layers(self) -> list[Layer]:
        return [self._layer(node) for node in self.graph.node if node.op_type not in _SILENT]

    def _layer(self, node: NodeProto) -> Layer:
        attributes = {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}
        inputs, output = self._inputs(node), self._after(node)
        weight = self._weight(node)
        name = _NAMES.get(node.op_type, node.op_type)
        traits = set[str]()
        if node.op_type in _CONVOLUTIONS:
            groups = int(attributes.get("group", 1))
            filters = (0, 0) if weight is None else weight.shape[:2]
            name = convolution_name(groups, groups * filters[1])
            if name == "depthwise convolution" and filters[0] != groups:
                traits.add("several filters per channel")
        if any(step != 1 for step in attributes.get("dilations", ())):
            traits.add("dilation")
        if name == "average pooling" and attributes.get("count_include_pad", 0) and any(attributes.get("pads", ())):
            traits.add("padding counted")
        weights = self._granularity(node) if node.op_type in _WEIGHTED else ""
        if weights == "float" and inputs[0][0] not in ("f32", "u8"):
            traits.add("scaled input")
        if name in _GRID_KEEPERS and any(grid != output for grid in inputs):
            traits.add("own grid")
        types = tuple(grid[0] for grid in inputs)
        return Layer(node.name or node.output[0], name, types, output[0], weights, frozenset(traits))

    def _inputs(self, node: NodeProto) -> list[_Grid]:
        """Grids of what a node reads, weights and other constants left out; the file's own input counts as float."""
        if node.op_type.startswith("QLinear") or node.op_type == "QGemm":
            return [self._grid(scale, zero) for scale, zero in self._scales(node)]
        weighted = node.op_type in (*_WEIGHTED, "ConvTranspose")
        return [self._before(name) for name in (node.input[:1] if weighted else node.input) if not self._fixed(name)]

    def _scales(self, node: NodeProto) -> Iterable[tuple[str, str]]:
        if node.op_type == "QLinearConcat":
            return list(zip(node.input[3::3], node.input[4::3], strict=True))
        pairs = [(node.input[1], node.input[2])]
        if node.op_type in ("QLinearAdd", "QLinearMul"):
            pairs.append((node.input[4], node.input[5]))
        return pairs

    def _fixed(self, name: str) -> bool:
        maker = self.makers.get(name)
        return name in self.constants or bool(
            maker is not None and maker.op_type == "DequantizeLinear" and maker.input[0] in self.constants
        )

    def _before(self, name: str) -> _Grid:
        """The grid behind a float value: that of the DequantizeLinear that made it."""
        maker = self.makers.get(name)
        while maker is not None and maker.op_type in _PASSES:
            maker = self.makers.get(maker.input[0])
        if maker is None or maker.op_type != "DequantizeLinear":
            return _FLOAT
        return self._grid(maker.input[1], maker.input[2] if len(maker.input) > 2 else "")

    def _after(self, node: NodeProto) -> _Grid:
        """The grid that a node's result gets: that of the QuantizeLinear behind it, of a QOperator its own."""
        if node.op_type == "QLinearConcat":
            return self._grid(node.input[0], node.input[1])
        if node.op_type.startswith("QLinear") or (node.op_type == "QGemm" and len(node.input) > 8):
            places = {"QLinearGlobalAveragePool": 3, "QLinearAveragePool": 3, "QGemm": 7}
            place = places.get(node.op_type, 6)
            return self._grid(node.input[place], node.input[place + 1])
        name = node.output[0]
        while len(self.readers.get(name, ())) == 1:
            reader = self.readers[name][0]
            if reader.op_type == "QuantizeLinear":
                return self._grid(reader.input[1], reader.input[2] if len(reader.input) > 2 else "")
            if reader.op_type not in _PASSES:
                break
            name = reader.output[0]
        return _FLOAT

    def _grid(self, scale: str, zero: str) -> _Grid:
        value = self.constants.get(scale)
        point = self.constants.get(zero)
        step = float(value.flat[0]) if value is not None and value.size else 1.0
        if point is None:
            return "u8", step, 0  # the default of QuantizeLinear
        return _NUMPY.get(str(point.dtype), str(point.dtype)), step, int(point.flat[0])

    def _weight(self, node: NodeProto) -> NDArray[Any] | None:
        if node.op_type not in _WEIGHTED:
            return None
        name = node.input[3] if node.op_type.startswith("Q") else node.input[1]
        maker = self.makers.get(name)
        if maker is not None and maker.op_type == "DequantizeLinear":
            name = maker.input[0]
        return self.constants.get(name)

    def _granularity(self, node: NodeProto) -> str:
        if node.op_type.startswith("Q"):
            scale = self.constants.get(node.input[4])
        else:
            maker = self.makers.get(node.input[1])
            if maker is None or maker.op_type != "DequantizeLinear":
                return "float"
            scale = self.constants.get(maker.input[1])
        return "per tensor" if scale is None or bool(np.all(scale == scale.flat[0])) else "per channel"
