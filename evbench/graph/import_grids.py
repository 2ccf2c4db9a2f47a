"""Quantised tensors of an ONNX file as it is read: what each name stands for, and the grids that values lie on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from evbench.errors import ModelError
from evbench.graph.import_values import (
    Constant,
    Decision,
    Open,
    Real,
    Source,
    Stored,
    Unknown,
    Unsupported,
    Value,
)
from evbench.graph.model import Add, Conv2d, DType, IntegerGraph, Linear, MaxPool2d, Operator, Rescale, Tensor
from evbench.graph.validate import output_shape

VIEWS = ("Flatten", "Reshape", "Squeeze", "Unsqueeze", "Identity", "Dropout")
REMEDY = (
    "Use Conv, Gemm, MatMul, Relu, Clip, Add, Concat, MaxPool, AveragePool, GlobalAveragePool, Flatten and a last "
    "Softmax only, all quantised, weights int8 or symmetric"
)


class GridReader:
    """Walks the nodes in their order; `values` says what each name in the file stands for."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.file = graph
        self.problems: dict[str, list[str]] = {}  # nodes by reason
        self.values: dict[str, Value] = {}
        self.tensors: dict[str, Tensor] = {}
        self.operators: dict[str, Operator] = {}  # by output
        self.inputs: list[str] = []
        self._emitted: dict[
            tuple[Any, ...], tuple[Stored, Open]
        ] = {}  # by the identity of its operator, limits and grid
        self.left_out: list[str] = []  # nodes that firmware leaves to its host
        self.readers = Counter(name for node in graph.node for name in node.input)
        self.readers.update(value.name for value in graph.output)
        self.shapes = {
            value.name: [side.dim_value for side in value.type.tensor_type.shape.dim]
            for value in (*graph.input, *graph.value_info, *graph.output)
        }
        for constant in graph.initializer:
            self.values[constant.name] = Constant(_array(constant))
        for given in graph.input:
            if given.name not in self.values:
                self.values[given.name] = Source(given.name, given.type.tensor_type.elem_type)

    def run(self) -> None:
        for node in self.file.node:
            try:
                handler = self._handler(node)
                inputs = [self.values[name] if name else None for name in node.input]
                unknown = any(isinstance(value, Unknown) for value in inputs)
                result: Value = self._behind_unknown(node, inputs) if unknown else handler(node, inputs)
            except (Unsupported, AttributeError, IndexError, KeyError, TypeError, ValueError) as reason:
                told = str(reason) if isinstance(reason, Unsupported) else f"it is malformed ({reason})"
                self.problems.setdefault(told, []).append(f"{node.op_type} '{node.name or node.output[0]}'")
                result = Unknown()
            for name in node.output:
                self.values[name] = result
        if len(self.inputs) != 1 and not self.problems:
            raise ModelError(
                f"The model has {len(self.inputs)} quantised inputs",
                where=", ".join(value.name for value in self.file.input),
                remedy="Give it exactly one input, quantised before the first layer",
            )

    def _behind_unknown(self, node: onnx.NodeProto, inputs: list[Any]) -> Value:
        """What goes on behind something unsupported: the next quantised tensor is known again, so all can be named."""
        shape = self.shapes.get(node.output[0], [])[1:]
        if node.op_type != "QuantizeLinear" or not shape or not all(shape):
            return Unknown()
        self.tensors[node.output[0]] = self._tensor(node.output[0], tuple(shape), inputs[1], inputs[2])
        return Stored(node.output[0])

    def graph(self, name: str, metadata: dict[str, str]) -> IntegerGraph:
        """What has been read; raises ModelError for an output that is no quantised tensor and no logits."""
        outputs = tuple(self._output(value.name) for value in self.file.output)
        return IntegerGraph(
            name, self.tensors, tuple(self.operators.values()), tuple(self.inputs), outputs, (), metadata
        )

    def _output(self, name: str) -> str:
        found = self.values[name]
        try:
            if isinstance(found, Open):
                return self._emit(found, Tensor(name, found.shape, DType.F32)).tensor
            if isinstance(found, Real):
                return self._stored_again(found, replace(self.tensors[found.tensor], name=name)).tensor
            if isinstance(found, Stored | Decision):
                return found.tensor
            raise Unsupported("it is not computed from quantised values")
        except Unsupported as reason:
            raise ModelError(
                f"The model's output is not possible: {reason}", where=f"'{name}'", remedy=REMEDY
            ) from None

    def _handler(self, node: onnx.NodeProto) -> Callable[[onnx.NodeProto, list[Any]], Value]:
        kind = "view" if node.op_type in VIEWS else node.op_type.lower()
        found = getattr(self, f"_on_{kind}", None)
        if found is None:
            raise Unsupported("firmware has no kernel for it")
        return found  # type: ignore[no-any-return]

    # --- between real and stored values -------------------------------------------------------------------------------

    def _on_constant(self, node: onnx.NodeProto, inputs: list[Any]) -> Value:
        (attribute,) = (helper.get_attribute_value(entry) for entry in node.attribute)
        return Constant(_array(attribute) if isinstance(attribute, onnx.TensorProto) else np.asarray(attribute))

    def _on_quantizelinear(self, node: onnx.NodeProto, inputs: list[Any]) -> Value:
        value, scale, zero = inputs[0], inputs[1], inputs[2] if len(inputs) > 2 else Constant(np.zeros((), np.uint8))
        if isinstance(value, Constant):
            return value.quantised(scale.array, zero.array, attributes_of(node).get("axis", 1))
        tensor = self._tensor(node.output[0], (), scale, zero)
        if isinstance(value, Source):
            return self._input(value, tensor)
        if isinstance(value, Real):
            return self._stored_again(value, tensor)
        if isinstance(value, Open):
            return self._emit(value, replace(tensor, shape=value.shape))
        if isinstance(value, Decision):
            return value
        raise Unsupported("its input is quantised already")

    def _on_dequantizelinear(self, node: onnx.NodeProto, inputs: list[Any]) -> Value:
        value, scale = inputs[:2]
        if isinstance(value, Constant):
            zero = inputs[2].array if len(inputs) > 2 else np.zeros((), value.array.dtype)
            return replace(value, scale=scale.array, zero=zero, axis=attributes_of(node).get("axis", 1))
        kind = np.int8 if isinstance(value, Source) and value.kind == onnx.TensorProto.INT8 else np.uint8
        tensor = self._tensor("", (), scale, inputs[2] if len(inputs) > 2 else Constant(np.zeros((), kind)))
        if isinstance(value, Source):
            return Real(self._input(value, tensor).tensor)
        if isinstance(value, Decision):
            return value
        if not isinstance(value, Stored):
            raise Unsupported("its input is not quantised")
        self._check_grid(value.tensor, tensor)
        return Real(value.tensor)

    def _input(self, source: Source, tensor: Tensor) -> Stored:
        """The network's input, one pixel high and wide when it is a vector."""
        shape = tuple(self.shapes[source.name][1:])
        if not all(shape) or len(shape) not in (1, 3):
            raise Unsupported(f"input '{source.name}' has the shape {self.shapes[source.name]}")
        made = replace(tensor, name=source.name, shape=shape if len(shape) == 3 else (*shape, 1, 1))
        if self.tensors.setdefault(source.name, made) != made:
            raise Unsupported(f"input '{source.name}' is quantised in two ways")
        if source.name not in self.inputs:
            self.inputs.append(source.name)
        return Stored(source.name)

    def _tensor(self, name: str, shape: tuple[int, ...], scale: Constant, zero: Constant) -> Tensor:
        """An unsigned activation with the grid that the file gives it."""
        if not isinstance(scale, Constant) or not isinstance(zero, Constant) or scale.array.size != 1:
            raise Unsupported("scale and zero point of an activation must be one constant each")
        if zero.array.dtype not in (np.uint8, np.int8):
            raise Unsupported(f"{zero.array.dtype} activations; only int8 and uint8 are possible")
        shift = 128 if zero.array.dtype == np.int8 else 0
        return Tensor(name, shape, DType.U8, float(np.float32(scale.array.item())), int(zero.array.item()) + shift)

    def _check_grid(self, name: str, tensor: Tensor) -> None:
        known = self.tensors[name]
        if (known.scale, known.zero_point) != (tensor.scale, tensor.zero_point):
            raise Unsupported("it changes scale or zero point of a quantised tensor")

    def _stored_again(self, value: Real, tensor: Tensor) -> Stored:
        """Real values on a grid again: as they were, limited by the operator that made them or by one of their own."""
        known = self.tensors[value.tensor]
        tensor = replace(tensor, shape=known.shape)
        grids, relu = value.limits.grids(tensor), value.limits.rectifies(tensor)
        same = known.grid == tensor.grid
        if same and not grids:
            return Stored(value.tensor)
        maker = self.operators.get(value.tensor)
        if same and relu and len(grids) == 1 and value.alone and isinstance(maker, Conv2d | Linear | Add):
            rectified = replace(maker, relu=True, output=tensor.name)
            self.tensors = _renamed(self.tensors, value.tensor, tensor, tensor.name)
            self.operators = _renamed(self.operators, value.tensor, rectified, tensor.name)
            return Stored(tensor.name)
        return self._rescale(value.maker or tensor.name, value.tensor, [*grids, tensor])

    def _emit(self, value: Open, tensor: Tensor) -> Stored:
        """The operator behind a real value, with its output on the grid of `tensor`; quantised twice, it runs once."""
        key = (id(value.operator), value.limits, tensor.grid)
        if key in self._emitted:
            return self._emitted[key][0]
        operator, grids = value.operator, [] if tensor.dtype.is_float else value.limits.grids(tensor)
        if value.limits.rectifies(tensor) and isinstance(operator, Conv2d | Linear | Add):
            operator, grids = replace(operator, relu=True), grids[:-1]
        first, *others = (*grids, tensor)
        if isinstance(operator, MaxPool2d):
            self._check_grid(operator.inputs[0], first)
        if tensor.dtype.is_float and not isinstance(operator, Linear):
            raise Unsupported(f"the output of a {operator.kind} must be quantised")
        self._append(operator, first)
        made = self._rescale(f"{operator.name}.limit", first.name, others)
        self._emitted[key] = made, value
        return made

    def _rescale(self, name: str, source: str, grids: list[Tensor]) -> Stored:
        """A tensor brought to the last of `grids` through all of them."""
        for tensor in grids:
            self._append(Rescale(name, (source,), ""), tensor)
            source = tensor.name
        return Stored(source)

    def _append(self, operator: Operator, tensor: Tensor) -> None:
        taken = {known.name for known in self.operators.values()}
        while operator.name in taken:
            operator = replace(operator, name=f"{operator.name}_")
        self.tensors[tensor.name] = tensor
        self.operators[tensor.name] = replace(operator, output=tensor.name)

    def _open(self, operator: Operator) -> Open:
        sources = [self.tensors[name] for name in operator.inputs]
        return Open(operator, output_shape(operator, sources))


def _array(constant: onnx.TensorProto) -> NDArray[Any]:
    try:
        return numpy_helper.to_array(constant)
    except Exception as error:  # what damage makes of sizes and types ends in many kinds of them
        where = f"constant '{constant.name}': {error}"
        raise ModelError("The file is no ONNX model", where=where, remedy="Export it again") from None


def _renamed(entries: dict[str, Any], name: str, entry: Any, key: str) -> dict[str, Any]:
    """The entries in their order, with `entry` as `key` in place of `name`."""
    return dict((key, entry) if known == name else (known, value) for known, value in entries.items())


def attributes_of(node: onnx.NodeProto) -> dict[str, Any]:
    return {
        entry.name: value.decode() if isinstance(value, bytes) else value
        for entry in node.attribute
        for value in (helper.get_attribute_value(entry),)
    }
