"""Layers and values that hypothesis draws for the tests of kernels."""

from __future__ import annotations

import ctypes
from itertools import product
from typing import Any, Literal

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from evbench.graph.execute import run_operator
from evbench.graph.model import Conv2d, DType, Tensor
from tests.firmware.layers import Caller

EIGHT_BIT = st.sampled_from([DType.U8, DType.S8])
INTEGER = st.sampled_from([DType.U8, DType.S8, DType.S16])
PAIRS = [(DType.U8, DType.U8), (DType.U8, DType.S8), (DType.S8, DType.S8), (DType.S16, DType.S16)]
RESCALED = [pair for pair in product(DType, repeat=2) if DType.S32 not in pair and pair != (DType.F32, DType.F32)]
SIDES = st.integers(1, 9)
MANY = settings(max_examples=120, deadline=None)


def zero_point(draw: Any, dtype: DType) -> int:
    info = np.iinfo(dtype.numpy)
    if dtype is DType.S16:
        return 0
    return draw(st.one_of(st.just(0), st.integers(int(info.min), int(info.max))))


def random_values(rng: np.random.Generator, tensor: Tensor) -> NDArray[Any]:
    """Values over the tensor's whole range, a third of them at its zero point."""
    if tensor.dtype is DType.F32:
        return rng.normal(0, 1, tensor.shape).astype(np.float32)
    info = np.iinfo(tensor.dtype.numpy)
    values = rng.integers(info.min, info.max, tensor.shape, endpoint=True)
    return np.where(rng.random(tensor.shape) < 1 / 3, tensor.zero_point, values).astype(tensor.dtype.numpy)


def random_scale(rng: np.random.Generator) -> float:
    return float(np.float32(np.exp(rng.uniform(-6, 0))))


def geometry(draw: Any) -> tuple[tuple[int, int, int], tuple[int, int], tuple[int, int], tuple[int, int, int, int]]:
    """Input shape, kernel, stride and padding of a sliding window with at least one output."""
    kernel = (draw(st.integers(1, 5)), draw(st.integers(1, 5)))
    padding = tuple(draw(st.integers(0, kernel[side % 2] - 1)) for side in range(4))
    height = draw(st.integers(max(1, kernel[0] - padding[0] - padding[2]), 9))
    width = draw(st.integers(max(1, kernel[1] - padding[1] - padding[3]), 9))
    stride = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    return (draw(SIDES), height, width), kernel, stride, padding  # type: ignore[return-value]


def output_sides(
    shape: tuple[int, ...], kernel: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int, int, int]
) -> tuple[int, int]:
    rows = (shape[1] + padding[0] + padding[2] - kernel[0]) // stride[0] + 1
    return rows, (shape[2] + padding[1] + padding[3] - kernel[1]) // stride[1] + 1


def requantised(rng: np.random.Generator, given: Tensor, shape: tuple[int, ...], draw: Any, fan_in: int) -> Tensor:
    """An output whose scale makes most results fall inside its range, and some outside."""
    dtype = given.dtype if given.dtype is DType.S16 else draw(EIGHT_BIT)
    scale = float(np.float32(given.scale * 0.01 * np.sqrt(fan_in) * np.exp(rng.uniform(-1, 1))))
    return Tensor("output", shape, dtype, scale, zero_point(draw, dtype))


@st.composite
def convolutions(
    draw: Any, form: Literal["dense", "depthwise", "multiplied", "grouped"], floats: bool, types: Any = INTEGER
) -> tuple[Conv2d, Tensor, Tensor, NDArray[Any]]:
    shape, kernel, stride, padding = geometry(draw)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    outputs, groups = draw(SIDES), 1
    if form == "depthwise":
        outputs = groups = max(shape[0], 2)
        shape = (groups, *shape[1:])
    elif form == "multiplied":
        groups = max(shape[0], 2)
        shape, outputs = (groups, *shape[1:]), groups * draw(st.integers(2, 4))
    elif form == "grouped":
        groups, each = draw(st.integers(2, 4)), draw(st.integers(1, 5))
        outputs = groups * draw(st.integers(2 if each == 1 else 1, 5))
        shape = (groups * each, *shape[1:])
    weights = (outputs, shape[0] // groups, *kernel)
    fan_in = int(np.prod(weights[1:]))
    extent = (outputs, *output_sides(shape, kernel, stride, padding))
    relu = draw(st.booleans())
    if floats:
        source = Tensor("input", shape, draw(st.sampled_from([DType.U8, DType.F32])))
        weight = rng.normal(0, 1, weights).astype(np.float32)
        bias = rng.normal(0, 1, outputs).astype(np.float32)
        output = Tensor("output", extent, DType.F32)
        scale = np.zeros(0, np.float32)
    else:
        dtype = draw(types)
        source = Tensor("input", shape, dtype, random_scale(rng), zero_point(draw, dtype))
        weight = rng.integers(-127, 127, weights, endpoint=True).astype(np.int8)
        bias = rng.integers(-(2**14), 2**14, outputs).astype(np.int32)
        scale = rng.uniform(0.001, 0.02, outputs).astype(np.float32)
        output = requantised(rng, source, extent, draw, fan_in)
    conv = Conv2d("conv", ("input",), "output", weight, scale, bias, stride, padding, groups, relu)
    return conv, source, output, random_values(rng, source)


def reference(caller: Caller, *inputs: NDArray[Any]) -> NDArray[Any]:
    return run_operator(caller.graph, caller.operator, [value[None] for value in inputs])[0]


def check_convolution(kernels: ctypes.CDLL, case: tuple[Conv2d, Tensor, Tensor, NDArray[Any]]) -> None:
    conv, source, output, values = case
    caller = Caller(kernels, conv, [source], output)
    found = caller.convolve(conv, values)
    expected = reference(caller, values)
    if conv.weight.dtype == np.int8:
        np.testing.assert_array_equal(found, expected)
    else:
        magnitude = max(float(np.abs(values.astype(np.float32)).max()), 1.0) * conv.weight[0].size
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6 * magnitude)
