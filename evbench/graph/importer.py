"""A quantised ONNX file from elsewhere as an IntegerGraph.

Read are QDQ models (float operators between QuantizeLinear and DequantizeLinear) and QOperator models (QLinearConv,
QGemm, …), int8 or uint8, with any zero points of activations and weights per tensor or per channel. An int8 activation
q with zero point z becomes the unsigned q + 128 with zero point z + 128: the same real values. What cannot be executed
exactly is refused, all of it in one message; a last Softmax is left out, and a bias that the file keeps in float is
rounded to the accumulator's steps, which may be 1 LSB of an output that lies between two.

Bytes are those of ONNX Runtime's integer kernels, but for two operators that it has no defined result for: additions
(see evbench.graph.execute) and means under a window, whose ties, frequent where input and output share a scale, its own
optimised and unoptimised executions take differently.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import shape_inference

from evbench.errors import ModelError
from evbench.graph.import_grids import REMEDY, GridReader, attributes_of
from evbench.graph.import_values import (
    Constant,
    Decision,
    Limits,
    Open,
    Real,
    Source,
    Stored,
    Unsupported,
    Value,
    layer_of,
    window_of,
)
from evbench.graph.model import Add, AveragePool2d, Concat, Conv2d, GlobalAveragePool, IntegerGraph, Linear, MaxPool2d
from evbench.graph.validate import validate

QUANTISED = ("QuantizeLinear", "DequantizeLinear", "QLinear", "QGemm")
"""How the types of operators begin that make or read integers."""


def import_onnx(path: Path) -> IntegerGraph:
    """The network in an ONNX file. Raises ModelError when it is none, or names everything that is not supported."""
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
        model = shape_inference.infer_shapes(model, data_prop=True)
    except OSError as error:
        where = f"{path}: {error.strerror}"
        raise ModelError("The model cannot be read", where=where, remedy="Check the path") from None
    except Exception as error:  # protobuf and the checker raise types of their own
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError("The file is no ONNX model", where=f"{path}: {first}", remedy="Export it again") from None
    return graph_of(model, path.stem)


def graph_of(model: onnx.ModelProto, name: str) -> IntegerGraph:
    """The network of a checked model with inferred shapes. Raises ModelError as `import_onnx` does."""
    if not any(node.op_type.startswith(QUANTISED) for node in model.graph.node):
        raise ModelError(
            "The model is not quantised",
            where=f"'{name}' has neither QuantizeLinear nor QLinear operators",
            remedy="Quantise it first, for instance with onnxruntime.quantization.quantize_static",
        )
    importer = _Importer(model.graph)
    importer.run()
    if importer.problems:
        count = sum(map(len, importer.problems.values()))
        raise ModelError(
            f"{count} operator{'s' * (count > 1)} of '{name}' cannot be imported",
            where="; ".join(f"{', '.join(names)}: {reason}" for reason, names in importer.problems.items()),
            remedy=REMEDY,
        )
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    if importer.left_out:
        metadata["left_out"] = ", ".join(importer.left_out)
    graph = importer.graph(model.graph.name or name, metadata)
    validate(graph)
    return graph


class _Importer(GridReader):
    """Reads one operator per method, named after its type in lower case."""

    # --- operators on real values -------------------------------------------------------------------------------------

    def _on_conv(self, node: onnx.NodeProto, inputs: list[Any]) -> Value:
        bias = inputs[2] if len(inputs) > 2 else None
        return self._convolution(node, _real(inputs[0]), inputs[1], bias)

    def _convolution(self, node: onnx.NodeProto, source: str, weights: Any, bias: Constant | None) -> Open:
        given = self.tensors[source]
        if not isinstance(weights, Constant) or weights.array.ndim != 4:
            raise Unsupported("only 2-D convolutions with constant weights are possible")
        groups = int(attributes_of(node).get("group", 1))
        weight, scale, folded = layer_of(weights, bias, given, 0)
        stride, padding = window_of(attributes_of(node), weight.shape[2:], given.shape[1:])
        name = node.name or node.output[0]
        return self._open(Conv2d(name, (source,), "", weight, scale, folded, stride, padding, groups, False))

    def _on_gemm(self, node: onnx.NodeProto, inputs: list[Any]) -> Value:
        bias = inputs[2] if len(inputs) > 2 else None
        return self._linear(node, _real(inputs[0]), inputs[1], bias)

    _on_matmul = _on_gemm

    def _linear(self, node: onnx.NodeProto, source: str, weights: Any, bias: Constant | None) -> Open:
        about = attributes_of(node)
        if about.get("alpha", 1.0) != 1.0 or about.get("beta", 1.0) != 1.0 or about.get("transA", 0):
            raise Unsupported("alpha and beta must be 1 and transA 0")
        if not isinstance(weights, Constant) or weights.array.ndim != 2:
            raise Unsupported("only products with a constant matrix are possible")
        plain = weights if about.get("transB", 0) else weights.transposed()
        given = self.tensors[source]
        if plain.array.shape[1] != given.size:
            raise Unsupported(f"a matrix of {plain.array.shape[1]} columns for {given.size} values")
        weight, scale, folded = layer_of(plain, bias, given, 0)
        return self._open(Linear(node.name or node.output[0], (source,), "", weight, scale, folded, False))

    def _on_add(self, node: onnx.NodeProto, inputs: list[Any]) -> Value:
        sources = tuple(_real(value) for value in inputs)
        return self._addition(node, sources)

    def _addition(self, node: onnx.NodeProto, sources: tuple[str, ...]) -> Open:
        shapes = [self.tensors[name].shape for name in sources]
        if shapes[0] != shapes[1]:
            raise Unsupported(f"it adds the shapes {shapes[0]} and {shapes[1]}")
        return self._open(Add(node.name or node.output[0], sources, "", False))

    def _on_relu(self, node: onnx.NodeProto, inputs: list[Any]) -> Value:
        return self._limited(node, inputs[0], Limits(low=0.0))

    def _on_clip(self, node: onnx.NodeProto, inputs: list[Any]) -> Value:
        about = attributes_of(node)
        bounds = [value.array.item() if isinstance(value, Constant) else None for value in (*inputs[1:], None, None)]
        low, high = (about.get("min", bounds[0]), about.get("max", bounds[1]))
        value = inputs[0]
        if isinstance(value, Stored):  # bounds in the file's integers
            tensor = replace(self.tensors[value.tensor], name=node.output[0])
            signed = any(isinstance(bound, Constant) and bound.array.dtype == np.int8 for bound in inputs[1:])
            shift = 128 if signed else 0
            low, high = (
                None if bound is None else (bound + shift - tensor.zero_point) * tensor.scale for bound in (low, high)
            )
            alone = self.readers[node.input[0]] == 1
            return self._stored_again(Real(value.tensor, Limits.of(low, high), alone, node.name), tensor)
        return self._limited(node, value, Limits.of(low, high))

    def _limited(self, node: onnx.NodeProto, value: Any, limits: Limits) -> Value:
        if isinstance(value, Open):
            return replace(value, limits=value.limits.within(limits))
        if isinstance(value, Real):
            return Real(value.tensor, value.limits.within(limits), self._read_once(node.input[0]), node.name)
        raise Unsupported("its input is not quantised")

    def _read_once(self, name: str) -> bool:
        """Whether nothing but this path reads the tensor whose real values `name` are."""
        if self.readers[name] != 1:
            return False
        maker = next((node for node in self.file.node if name in node.output), None)
        if maker is None:
            return True
        if maker.op_type == "QuantizeLinear":
            return self.readers[maker.input[0]] == 1
        return self._read_once(maker.input[0]) if maker.op_type in ("DequantizeLinear", "Relu", "Clip") else True

    def _on_maxpool(self, node: onnx.NodeProto, inputs: list[Any]) -> Value:
        value, about = inputs[0], attributes_of(node)
        name = value.tensor if isinstance(value, Stored) else _real(value)
        if len(node.output) > 1:
            raise Unsupported("the places of its maxima are used")
        kernel = tuple(about["kernel_shape"])
        stride, padding = window_of(about, kernel, self.tensors[name].shape[1:])
        made = self._open(MaxPool2d(node.name or node.output[0], (name,), "", (kernel[0], kernel[1]), stride, padding))
        if isinstance(value, Stored):
            return self._emit(made, replace(self.tensors[name], name=node.output[0], shape=made.shape))
        return made

    def _on_globalaveragepool(self, node: onnx.NodeProto, inputs: list[Any]) -> Value:
        return self._open(GlobalAveragePool(node.name or node.output[0], (_real(inputs[0]),), ""))

    def _on_averagepool(self, node: onnx.NodeProto, inputs: list[Any]) -> Value:
        return self._average(node, _real(inputs[0]))

    def _average(self, node: onnx.NodeProto, source: str) -> Open:
        about, sides = attributes_of(node), self.tensors[source].shape[1:]
        name, kernel = node.name or node.output[0], tuple(about["kernel_shape"])
        stride, padding = window_of(about, kernel, sides)
        if kernel == sides and not any(padding):
            return self._open(GlobalAveragePool(name, (source,), ""))
        counted = bool(about.get("count_include_pad", 0))
        return self._open(AveragePool2d(name, (source,), "", (kernel[0], kernel[1]), stride, padding, counted))

    def _on_concat(self, node: onnx.NodeProto, inputs: list[Any]) -> Value:
        return self._joined(node, tuple(_real(value) for value in inputs))

    def _joined(self, node: onnx.NodeProto, sources: tuple[str, ...]) -> Open:
        dimensions = len(self.shapes.get(node.output[0], ())) or 4
        sides = {self.tensors[name].shape[1:] for name in sources}
        if attributes_of(node)["axis"] % dimensions != 1 or len(sides) != 1:
            raise Unsupported("only channels of maps of one size can be joined")
        return self._open(Concat(node.name or node.output[0], sources, ""))

    def _on_softmax(self, node: onnx.NodeProto, inputs: list[Any]) -> Value:
        source = _real(inputs[0])
        if (
            attributes_of(node).get("axis", -1) not in (-1, 1)
            or self.tensors[source].size != self.tensors[source].shape[0]
        ):
            raise Unsupported("only a softmax over the classes is possible, as the last layer")
        self.left_out.append(f"{node.op_type} '{node.name or node.output[0]}'")
        return Decision(source)

    def _on_reducemean(self, node: onnx.NodeProto, inputs: list[Any]) -> Value:
        axes = inputs[1].array.tolist() if len(inputs) > 1 else list(attributes_of(node).get("axes", ()))
        if sorted(axis % 4 for axis in axes) != [2, 3] or len(self.tensors[_real(inputs[0])].shape) != 3:
            raise Unsupported("only means over the whole image are possible")
        return self._on_globalaveragepool(node, inputs)

    def _on_view(self, node: onnx.NodeProto, inputs: list[Any]) -> Value:
        value = inputs[0]
        if isinstance(value, Constant):
            raise Unsupported("it reshapes a constant")
        shape = self.shapes.get(node.output[0], [])
        size = self.tensors[value.tensor].size if isinstance(value, Stored | Real) else int(np.prod(value.shape))
        sides = shape[1:]
        if sides and sides != [size] and (sides[0] != size or any(side != 1 for side in sides[1:])):
            same = isinstance(value, Stored | Real) and tuple(sides) == self.tensors[value.tensor].shape
            if not same:
                raise Unsupported(f"it makes the shape {shape}; only flattening is possible")
        result: Value = value
        return result

    # --- operators on stored values -----------------------------------------------------------------------------------

    def _stored(self, inputs: list[Any], first: int) -> str:
        """The tensor at inputs[first], whose scale and zero point follow it."""
        value = inputs[first]
        tensor = self._tensor("", (), inputs[first + 1], inputs[first + 2])
        if isinstance(value, Source):
            return self._input(value, tensor).tensor
        if not isinstance(value, Stored):
            raise Unsupported("its input is not quantised")
        self._check_grid(value.tensor, tensor)
        return value.tensor

    def _stored_result(self, node: onnx.NodeProto, value: Open, scale: Any, zero: Any) -> Stored:
        return self._emit(value, self._tensor(node.output[0], value.shape, scale, zero))

    def _on_qlinearconv(self, node: onnx.NodeProto, inputs: list[Any]) -> Value:
        source, weights = self._stored(inputs, 0), _dequantised(inputs[3:6], axis=0)
        made = self._convolution(node, source, weights, inputs[8] if len(inputs) > 8 else None)
        return self._stored_result(node, made, inputs[6], inputs[7])

    def _on_qlinearmatmul(self, node: onnx.NodeProto, inputs: list[Any]) -> Value:
        made = self._linear(node, self._stored(inputs, 0), _dequantised(inputs[3:6], axis=1), None)
        return self._stored_result(node, made, inputs[6], inputs[7])

    def _on_qgemm(self, node: onnx.NodeProto, inputs: list[Any]) -> Value:
        axis = 0 if attributes_of(node).get("transB", 0) else 1
        made = self._linear(node, self._stored(inputs, 0), _dequantised(inputs[3:6], axis=axis), inputs[6])
        return self._stored_result(node, made, inputs[7], inputs[8]) if len(inputs) > 8 else made

    def _on_qlinearadd(self, node: onnx.NodeProto, inputs: list[Any]) -> Value:
        made = self._addition(node, (self._stored(inputs, 0), self._stored(inputs, 3)))
        return self._stored_result(node, made, inputs[6], inputs[7])

    def _on_qlinearaveragepool(self, node: onnx.NodeProto, inputs: list[Any]) -> Value:
        return self._stored_result(node, self._average(node, self._stored(inputs, 0)), inputs[3], inputs[4])

    def _on_qlinearconcat(self, node: onnx.NodeProto, inputs: list[Any]) -> Value:
        sources = tuple(self._stored(inputs, first) for first in range(2, len(inputs), 3))
        return self._stored_result(node, self._joined(node, sources), inputs[0], inputs[1])

    def _on_qlinearglobalaveragepool(self, node: onnx.NodeProto, inputs: list[Any]) -> Value:
        made = self._open(GlobalAveragePool(node.name or node.output[0], (self._stored(inputs, 0),), ""))
        return self._stored_result(node, made, inputs[3], inputs[4])


def _real(value: Any) -> str:
    """The tensor whose real values an operator reads."""
    if isinstance(value, Real) and value.limits == Limits():
        return value.tensor
    if isinstance(value, Decision):
        raise Unsupported("it reads what a Softmax made, which must be the last layer")
    raise Unsupported("an input of it is not quantised")


def _dequantised(inputs: list[Any], axis: int) -> Constant:
    """Weights with the scale and the zero point behind them."""
    if not all(isinstance(value, Constant) for value in inputs):
        raise Unsupported("its weights must be constant")
    weights, scale, zero = inputs
    made: Constant = replace(weights, scale=scale.array, zero=zero.array, axis=axis)
    return made
