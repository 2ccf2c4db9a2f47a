"""Layers on 16-bit activations in exact ONNX arithmetic, so that every execution gives the reference's integers.

ONNX Runtime executes such layers in float32, whose sums depend on the order of addition. Here an activation is split
into pieces of a few bits whose float32 sums stay below 2**24, exact in any order; the pieces' sums are put together in
float64 and rounded to float32 once, as the reference and the board do.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from onnx import TensorProto

from evbench.graph.execute import EXACT_FLOAT32, multipliers
from evbench.graph.model import Conv2d, DType, GlobalAveragePool, IntegerGraph, Linear, Operator, Tensor

_BITS = 16


class Writer(Protocol):
    """What appends to an ONNX graph: constants by value, nodes with one output each."""

    graph: IntegerGraph

    def constant(self, value: Any) -> str: ...

    def node(self, kind: str, inputs: list[str], output: str, name: str = "", **attributes: Any) -> None: ...

    def stored(self, tensor: Tensor) -> str: ...


def is_wide(graph: IntegerGraph, operator: Operator) -> bool:
    """Whether a layer sums 16-bit activations, or sums into a 16-bit one."""
    tensors = [graph.tensors[name] for name in (*operator.inputs, operator.output)]
    sums = isinstance(operator, Conv2d | Linear | GlobalAveragePool)
    return sums and any(tensor.dtype is DType.S16 for tensor in tensors)


def write_exactly(writer: Writer, operator: Operator) -> None:
    """Append the nodes of a wide layer: its stored input, exact sums, the requantisation, its stored output."""
    graph = writer.graph
    source, output = graph.tensors[operator.inputs[0]], graph.tensors[operator.output]
    name = output.name
    writer.node("Cast", [writer.stored(source)], f"{name}.grid", to=TensorProto.FLOAT)
    if isinstance(operator, GlobalAveragePool):
        _sum_of_map(writer, source, name)
    else:
        assert isinstance(operator, Conv2d | Linear)
        _sum_of_products(writer, operator, source, name)
    writer.node("Cast", [f"{name}.total"], f"{name}.rounded", to=TensorProto.FLOAT)
    scale = multipliers(graph, operator)
    shape = (-1, 1, 1) if len(output.shape) == 3 else (-1,)
    relu = bool(getattr(operator, "relu", False))
    if output.dtype.is_float:
        scaled = f"{name}.scaled" if relu else name
        writer.node("Mul", [f"{name}.rounded", writer.constant(scale.reshape(shape))], scaled)
        if relu:
            writer.node("Relu", [scaled], name)
        return
    info = np.iinfo(output.dtype.numpy)
    low, high = np.float32(0 if relu else info.min), np.float32(info.max)
    writer.node("Mul", [f"{name}.rounded", writer.constant(scale.reshape(shape))], f"{name}.scaled")
    writer.node("Round", [f"{name}.scaled"], f"{name}.whole")
    writer.node("Clip", [f"{name}.whole", writer.constant(low), writer.constant(high)], f"{name}.clipped")
    writer.node("Cast", [f"{name}.clipped"], name, to=TensorProto.INT16)


def _sum_of_map(writer: Writer, source: Tensor, name: str) -> None:
    """Sums over height and width, without zero points, in float64."""
    offset = 128 if source.dtype is DType.U8 else 0  # the file's grid of unsigned tensors begins at -128
    zero = np.float64(source.zero_point - offset)
    writer.node("Cast", [f"{name}.grid"], f"{name}.double", to=TensorProto.DOUBLE)
    writer.node("Sub", [f"{name}.double", writer.constant(zero)], f"{name}.centred")
    axes = writer.constant(np.array([2, 3], np.int64))
    writer.node("ReduceSum", [f"{name}.centred", axes], f"{name}.total", keepdims=1)


def _sum_of_products(writer: Writer, operator: Conv2d | Linear, source: Tensor, name: str) -> None:
    """Accumulators with their bias, in float64, from pieces of the 16-bit input."""
    largest = 127 * int(np.prod(operator.weight.shape[1:]))
    piece = max(1, min(_BITS, int(np.log2(EXACT_FLOAT32 / largest))))
    weight = writer.constant(operator.weight.astype(np.float32))
    rest, parts = f"{name}.grid", []
    for shift in range((_BITS - 1) // piece * piece, -1, -piece):
        part = f"{name}.piece{shift}"
        if shift:
            unit = writer.constant(np.float32(2**shift))
            writer.node("Div", [rest, unit], f"{part}.quotient")  # by a power of two: exact
            writer.node("Floor", [f"{part}.quotient"], part)
            writer.node("Mul", [part, unit], f"{part}.taken")
            writer.node("Sub", [rest, f"{part}.taken"], f"{part}.rest")
        else:
            writer.node("Identity", [rest], part)
        rest = f"{part}.rest"
        _product(writer, operator, source, part, weight)
        writer.node("Cast", [f"{part}.sum"], f"{part}.double", to=TensorProto.DOUBLE)
        writer.node("Mul", [f"{part}.double", writer.constant(np.float64(2**shift))], f"{part}.weighted")
        parts.append(f"{part}.weighted")
    bias = operator.bias.astype(np.float64).reshape((-1, 1, 1) if isinstance(operator, Conv2d) else (-1,))
    total = writer.constant(bias)
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        writer.node("Add", [total, part], f"{name}.total" if last else f"{part}.added")
        total = f"{part}.added"


def _product(writer: Writer, operator: Conv2d | Linear, source: Tensor, part: str, weight: str) -> None:
    if isinstance(operator, Conv2d):
        writer.node(
            "Conv",
            [part, weight],
            f"{part}.sum",
            kernel_shape=list(operator.weight.shape[2:]),
            strides=list(operator.stride),
            pads=list(operator.padding),
            group=operator.groups,
        )
        return
    flat = part
    if len(source.shape) > 1:
        flat = f"{part}.flat"
        writer.node("Flatten", [part], flat)
    writer.node("Gemm", [flat, weight], f"{part}.sum", transB=1)
