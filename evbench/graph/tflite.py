"""Writes an integer network as a TensorFlow Lite file: what tflite-micro and vendors' tools read.

Tensors are NHWC with a batch of one. uint8 with zero point z becomes int8 with zero point z - 128, the only 8-bit type
of integer layers there; the stored bytes differ by 128 and mean the same. Where a convolution's padding is none that
TensorFlow knows (it pads a stride-2 layer only on the far side), a PAD stands before it; where inputs of a
concatenation have grids of their own, a QUANTIZE.

TensorFlow Lite has no integer layer with float results, so the logits become 8 bits: `logit_range` says how far they
reach. Numbers of fields, operators and types are those of the schema, tensorflow/compiler/mlir/lite/schema/schema.fbs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evbench.errors import ModelError
from evbench.graph.flatbuffer import Bytes, Field, Scalar, Table, serialise
from evbench.graph.model import (
    Add,
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

IDENTIFIER = b"TFL3"
VERSION = 3

ADD, CONCATENATION, CONV_2D, DEPTHWISE_CONV_2D, FULLY_CONNECTED = 0, 2, 3, 4, 9
MAX_POOL_2D, PAD, MEAN, QUANTIZE = 17, 34, 40, 114
"""Numbers of operators."""

_INT32, _INT64, _INT8 = 2, 4, 9
_TYPES = {np.dtype(np.int32): _INT32, np.dtype(np.int64): _INT64, np.dtype(np.int8): _INT8}
_OPTIONS = {CONV_2D: 1, DEPTHWISE_CONV_2D: 2, MAX_POOL_2D: 5, FULLY_CONNECTED: 8, CONCATENATION: 10, ADD: 11, MEAN: 27}
"""The number of the table of an operator's options in their union."""

_VERSIONS = {CONV_2D: 3, DEPTHWISE_CONV_2D: 3, FULLY_CONNECTED: 4, MAX_POOL_2D: 2, CONCATENATION: 2, ADD: 2, MEAN: 2}
"""The version of each operator that has int8 inputs; 1 where not named."""

_SAME, _VALID = 0, 1
_NONE, _RELU = 0, 1
_ALIGNMENT = 16
_CHANNELS_LAST = 3


@dataclass(frozen=True, slots=True)
class TfliteModel:
    """A file and where the network's tensors are in it. tensors: their index by name; logit_scale: of the outputs."""

    content: bytes
    tensors: dict[str, int]
    logit_scale: float


def to_tflite(graph: IntegerGraph, logit_range: float) -> TfliteModel:
    """The network as a TensorFlow Lite file whose logits reach from -`logit_range` to `logit_range`.

    Raises ModelError for a float network, and names the first layer that has no counterpart.
    """
    if graph.is_float:
        raise ModelError(
            f"'{graph.name}' computes in float32", where="TensorFlow Lite file", remedy="Write an int8 model of it"
        )
    writer = _Writer(graph, logit_range)
    for operator in graph.operators:
        writer.add(operator)
    return TfliteModel(writer.file(), writer.tensors, writer.logit_scale)


class _Writer:
    """Collects tensors, buffers and operators in the order they are written."""

    def __init__(self, graph: IntegerGraph, logit_range: float) -> None:
        self._graph = graph
        self.logit_scale = max(logit_range, 1e-6) / 127
        self._buffers = [b""]  # the first is empty, and every tensor that is computed names it
        self._tables: list[Table] = []
        self._codes: list[int] = []
        self._operators: list[Table] = []
        self.tensors = {name: self._activation(graph.tensors[name]) for name in graph.inputs}

    def file(self) -> bytes:
        """Everything as one file."""
        graph = self._graph
        subgraph = Table(
            {
                0: self._tables,
                1: np.array([self.tensors[name] for name in graph.inputs], np.int32),
                2: np.array([self.tensors[name] for name in graph.outputs], np.int32),
                3: self._operators,
                4: graph.name,
            }
        )
        codes = [
            Table({0: Scalar("Int8", code), 2: Scalar("Int32", _VERSIONS.get(code, 1)), 3: Scalar("Int32", code)})
            for code in self._codes
        ]
        root = Table(
            {
                0: Scalar("Uint32", VERSION),
                1: codes,
                2: [subgraph],
                3: "evbench",
                4: [Table({0: Bytes(data, _ALIGNMENT)} if data else {}) for data in self._buffers],
            }
        )
        return serialise(root, IDENTIFIER)

    def add(self, operator: Operator) -> None:
        """One layer, and what must stand before it."""
        graph = self._graph
        inputs, output = [graph.tensors[name] for name in operator.inputs], graph.tensors[operator.output]
        sources = [self.tensors[name] for name in operator.inputs]
        match operator:
            case Conv2d():
                self._convolution(operator, inputs[0], sources[0], output)
            case Linear():
                weight = operator.weight.reshape(-1, *inputs[0].shape)
                rows = np.moveaxis(weight, 1, -1).reshape(operator.weight.shape)
                constants = self._weights(operator, rows, inputs[0], dimension=0)
                self._emit(FULLY_CONNECTED, [sources[0], *constants], output, {0: _activation(operator.relu)})
            case GlobalAveragePool():
                axes = self._constant(f"{operator.name}/axes", np.array([1, 2], np.int32))
                self._emit(MEAN, [sources[0], axes], output, {0: Scalar("Bool", 1)})
            case MaxPool2d():
                source, padding = self._padded(operator, operator.kernel, operator.stride, operator.padding, sources[0])
                options = {**_strides(padding, operator.stride), **_size(operator.kernel)}
                self._emit(MAX_POOL_2D, [source], output, options)
            case Add():
                self._emit(ADD, sources, output, {0: _activation(operator.relu)})
            case Concat():
                parts = [
                    source
                    if tensor.grid == output.grid
                    else self._regrid(f"{operator.name}/{name}", source, tensor, output)
                    for name, source, tensor in zip(operator.inputs, sources, inputs, strict=True)
                ]
                self._emit(CONCATENATION, parts, output, {0: Scalar("Int32", _CHANNELS_LAST)})
            case Rescale():
                self._emit(QUANTIZE, sources, output, {})
            case _:
                raise ModelError(
                    f"TensorFlow Lite has no {operator.kind} with a grid of its own for its result",
                    where=f"layer '{operator.name}'",
                    remedy="Use another pooling, or compare with other executions",
                )

    def _convolution(self, operator: Conv2d, source: Tensor, index: int, output: Tensor) -> None:
        kernel = (int(operator.weight.shape[2]), int(operator.weight.shape[3]))
        index, padding = self._padded(operator, kernel, operator.stride, operator.padding, index)
        channels = source.shape[0]
        options = _strides(padding, operator.stride)
        if operator.groups == 1:
            constants = self._weights(operator, operator.weight.transpose(0, 2, 3, 1), source, dimension=0)
            self._emit(CONV_2D, [index, *constants], output, {**options, 3: _activation(operator.relu)})
            return
        if operator.groups != channels:
            raise ModelError(
                f"tflite-micro has no convolution in {operator.groups} groups of several channels",
                where=f"layer '{operator.name}'",
                remedy="Use a depthwise convolution and a pointwise one behind it",
            )
        rows = operator.weight.transpose(1, 2, 3, 0)  # [1, kH, kW, O]
        constants = self._weights(operator, rows, source, dimension=3)
        multiplier = Scalar("Int32", operator.weight.shape[0] // channels)
        options |= {3: multiplier, 4: _activation(operator.relu)}
        self._emit(DEPTHWISE_CONV_2D, [index, *constants], output, options)

    def _padded(
        self,
        operator: Operator,
        kernel: tuple[int, int],
        stride: tuple[int, int],
        padding: tuple[int, int, int, int],
        index: int,
    ) -> tuple[int, int]:
        """The tensor an operator reads and its kind of padding, behind a PAD where TensorFlow has no such kind."""
        source = self._graph.tensors[operator.inputs[0]]
        if padding == (0, 0, 0, 0):
            return index, _VALID
        if padding == _same_padding(source.shape[1:], kernel, stride):
            return index, _SAME
        if isinstance(operator, MaxPool2d) and source.zero_point != np.iinfo(source.dtype.numpy).min:
            raise ModelError(
                f"TensorFlow Lite pads no maximum of signed values by {padding}: a PAD's zeros would take part in it",
                where=f"layer '{operator.name}'",
                remedy="Use a pooling without padding",
            )
        top, left, bottom, right = padding
        amounts = self._constant(
            f"{operator.name}/padding", np.array([[0, 0], [top, bottom], [left, right], [0, 0]], np.int32)
        )
        channels, height, width = source.shape
        padded = Tensor(
            f"{operator.name}/padded",
            (channels, height + top + bottom, width + left + right),
            source.dtype,
            source.scale,
            source.zero_point,
        )
        return self._emit(PAD, [index, amounts], padded, {}), _VALID

    def _regrid(self, name: str, index: int, source: Tensor, output: Tensor) -> int:
        """An input brought to the grid of the output behind it."""
        return self._emit(QUANTIZE, [index], Tensor(name, source.shape, *output.grid), {})

    def _weights(
        self, operator: Conv2d | Linear, rows: NDArray[np.int8], source: Tensor, dimension: int
    ) -> tuple[int, int]:
        """The weight in TensorFlow's order and the bias; one scale where all are equal, else one per output channel."""
        scales = operator.weight_scale
        scales = scales[:1] if (scales == scales[0]).all() else scales
        weight = self._constant(f"{operator.name}/weight", rows, scales, dimension)
        bias_scales = (np.float32(source.scale) * scales).astype(np.float32)
        return weight, self._constant(f"{operator.name}/bias", operator.bias.astype(np.int32), bias_scales, 0)

    def _activation(self, tensor: Tensor) -> int:
        """A tensor that is computed; its index."""
        if tensor.dtype in (DType.U8, DType.S8):
            scale, zero = tensor.scale, tensor.zero_point - (128 if tensor.dtype is DType.U8 else 0)
        elif tensor.name in self._graph.outputs:
            scale, zero = self.logit_scale, 0
        else:
            raise ModelError(
                f"A tensor of type {tensor.dtype} is written by no 8-bit layer",
                where=f"tensor '{tensor.name}'",
                remedy="Keep every layer on 8 bits",
            )
        shape = (*tensor.shape[1:], tensor.shape[0]) if len(tensor.shape) == 3 else tensor.shape
        return self._tensor(tensor.name, (1, *shape), _INT8, np.array([scale], np.float32), zero)

    def _constant(
        self,
        name: str,
        values: NDArray[np.int8 | np.int32],
        scales: NDArray[np.float32] | None = None,
        dimension: int = 0,
    ) -> int:
        """A tensor whose values are in the file; its index."""
        data = np.ascontiguousarray(values, values.dtype.newbyteorder("<")).tobytes()
        self._buffers.append(data)
        kind = _TYPES[values.dtype]
        return self._tensor(name, values.shape, kind, scales, 0, dimension, buffer=len(self._buffers) - 1)

    def _tensor(
        self,
        name: str,
        shape: Sequence[int],
        kind: int,
        scales: NDArray[np.float32] | None,
        zero: int,
        dimension: int = 0,
        buffer: int = 0,
    ) -> int:
        fields: dict[int, Field] = {
            0: np.array(shape, np.int32),
            1: Scalar("Int8", kind),
            2: Scalar("Uint32", buffer),
            3: name,
        }
        if scales is not None:
            zeros = np.full(len(scales), zero, np.int64)
            fields[4] = Table({2: scales, 3: zeros, 6: Scalar("Int32", dimension)})
        self._tables.append(Table(fields))
        return len(self._tables) - 1

    def _emit(self, code: int, inputs: Sequence[int], output: Tensor, options: dict[int, Field]) -> int:
        """One operator; returns the index of what it gives."""
        index = self._activation(output)
        if output.name in self._graph.tensors:
            self.tensors[output.name] = index
        if code not in self._codes:
            self._codes.append(code)
        fields: dict[int, Field] = {
            0: Scalar("Uint32", self._codes.index(code)),
            1: np.array(inputs, np.int32),
            2: np.array([index], np.int32),
        }
        if code in _OPTIONS:
            fields |= {3: Scalar("Uint8", _OPTIONS[code]), 4: Table(options)}
        self._operators.append(Table(fields))
        return index


def _activation(relu: bool) -> Scalar:
    return Scalar("Int8", _RELU if relu else _NONE)


def _strides(padding: int, stride: tuple[int, int]) -> dict[int, Field]:
    """The first three fields of what convolves or pools."""
    return {0: Scalar("Int8", padding), 1: Scalar("Int32", stride[1]), 2: Scalar("Int32", stride[0])}


def _size(kernel: tuple[int, int]) -> dict[int, Field]:
    return {3: Scalar("Int32", kernel[1]), 4: Scalar("Int32", kernel[0])}


def _same_padding(size: Sequence[int], kernel: tuple[int, int], stride: tuple[int, int]) -> tuple[int, int, int, int]:
    """Top, left, bottom, right of TensorFlow's padding SAME: an output of ceil(size / stride), the odd pixel behind."""
    totals = [
        max((-(-length // step) - 1) * step + width - length, 0)
        for length, width, step in zip(size, kernel, stride, strict=True)
    ]
    top, left = totals[0] // 2, totals[1] // 2
    return top, left, totals[0] - top, totals[1] - left
