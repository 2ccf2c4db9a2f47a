"""Every kernel against the reference execution: integer layers byte for byte, float layers to rounding."""

from __future__ import annotations

import ctypes
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from evbench.compile import layers as lowering
from evbench.graph.model import (
    Add,
    AveragePool2d,
    Concat,
    Conv2d,
    DType,
    GlobalAveragePool,
    Linear,
    MaxPool2d,
    Rescale,
    Tensor,
)
from tests.firmware.draws import (
    EIGHT_BIT,
    INTEGER,
    MANY,
    PAIRS,
    RESCALED,
    SIDES,
    check_convolution,
    convolutions,
    geometry,
    output_sides,
    random_scale,
    random_values,
    reference,
    requantised,
    zero_point,
)
from tests.firmware.layers import Caller, Window


@MANY
@given(case=convolutions("dense", floats=False))
def test_integer_convolution_equals_the_reference(kernels: ctypes.CDLL, case: Any) -> None:
    check_convolution(kernels, case)


@MANY
@given(case=convolutions("dense", floats=False))
def test_integer_convolution_with_little_scratch_equals_the_reference(kernels: ctypes.CDLL, case: Any) -> None:
    with mock.patch.object(lowering, "SCRATCH_WORDS", 0):  # three channels at a time
        check_convolution(kernels, case)


@MANY
@given(case=convolutions("depthwise", floats=False))
def test_integer_depthwise_convolution_equals_the_reference(kernels: ctypes.CDLL, case: Any) -> None:
    check_convolution(kernels, case)


@MANY
@given(case=convolutions("grouped", floats=False), scratch=st.sampled_from([0, lowering.SCRATCH_WORDS]))
def test_integer_convolution_in_groups_equals_the_reference(kernels: ctypes.CDLL, case: Any, scratch: int) -> None:
    with mock.patch.object(lowering, "SCRATCH_WORDS", scratch):
        check_convolution(kernels, case)


@MANY
@given(case=convolutions("grouped", floats=True))
def test_float_convolution_in_groups_agrees_with_the_reference_to_rounding(kernels: ctypes.CDLL, case: Any) -> None:
    check_convolution(kernels, case)


@MANY
@given(case=convolutions("multiplied", floats=False, types=EIGHT_BIT))
def test_integer_convolution_with_several_filters_per_channel_equals_the_reference(
    kernels: ctypes.CDLL, case: Any
) -> None:
    check_convolution(kernels, case)


@MANY
@given(case=convolutions("dense", floats=True))
def test_float_convolution_agrees_with_the_reference_to_rounding(kernels: ctypes.CDLL, case: Any) -> None:
    check_convolution(kernels, case)


@MANY
@given(case=convolutions("depthwise", floats=True))
def test_float_depthwise_convolution_agrees_with_the_reference_to_rounding(kernels: ctypes.CDLL, case: Any) -> None:
    check_convolution(kernels, case)


@st.composite
def linear_layers(draw: Any) -> tuple[Linear, Tensor, Tensor, NDArray[Any]]:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    inputs, outputs, dtype = draw(st.integers(1, 80)), draw(SIDES), draw(INTEGER)
    source = Tensor("input", (inputs,), dtype, random_scale(rng), zero_point(draw, dtype))
    weight = rng.integers(-127, 127, (outputs, inputs), endpoint=True).astype(np.int8)
    bias = rng.integers(-(2**14), 2**14, outputs).astype(np.int32)
    scale = rng.uniform(0.001, 0.02, outputs).astype(np.float32)
    logits = Tensor("output", (outputs,), DType.F32)
    output = logits if draw(st.booleans()) else requantised(rng, source, (outputs,), draw, inputs)
    layer = Linear("fc", ("input",), "output", weight, scale, bias, draw(st.booleans()))
    return layer, source, output, random_values(rng, source)


@MANY
@given(case=linear_layers())
def test_integer_linear_layer_equals_the_reference(kernels: ctypes.CDLL, case: Any) -> None:
    layer, source, output, values = case
    caller = Caller(kernels, layer, [source], output)
    suffix = "_f32" if output.dtype is DType.F32 else ""
    found = caller.call(f"ev_linear_{source.dtype}s8{suffix}", caller.linear(layer), values)
    np.testing.assert_array_equal(found, reference(caller, values))


@pytest.mark.parametrize("dtype", [DType.U8, DType.F32])
@pytest.mark.parametrize("relu", [False, True])
def test_float_linear_layer_agrees_with_the_reference_to_rounding(
    kernels: ctypes.CDLL, dtype: DType, relu: bool
) -> None:
    rng = np.random.default_rng(4)
    weight, bias = rng.normal(0, 1, (7, 33)).astype(np.float32), rng.normal(0, 1, 7).astype(np.float32)
    source, output = Tensor("input", (33,), dtype), Tensor("output", (7,), DType.F32)
    layer = Linear("fc", ("input",), "output", weight, np.zeros(0, np.float32), bias, relu)
    values = random_values(rng, source)
    caller = Caller(kernels, layer, [source], output)
    found = caller.call(f"ev_linear_{dtype}f32", caller.linear(layer), values)
    np.testing.assert_allclose(found, reference(caller, values), rtol=1e-5, atol=1e-3)
    assert (found >= 0).all() == relu


@MANY
@given(data=st.data())
def test_integer_global_average_equals_the_reference(kernels: ctypes.CDLL, data: Any) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    shape = (data.draw(SIDES), data.draw(SIDES), data.draw(SIDES))
    given_type = data.draw(INTEGER)
    made_type = DType.S16 if given_type is DType.S16 else data.draw(INTEGER)
    source = Tensor("input", shape, given_type, random_scale(rng), zero_point(data.draw, given_type))
    scale = float(np.float32(source.scale * np.exp(rng.uniform(-2, 1))))
    output = Tensor("output", (shape[0], 1, 1), made_type, scale, zero_point(data.draw, made_type))
    layer = GlobalAveragePool("mean", ("input",), "output")
    values = random_values(rng, source)
    caller = Caller(kernels, layer, [source], output)
    suffix = "_s16" if made_type is DType.S16 and given_type is not DType.S16 else ""
    found = caller.call(f"ev_avgpool_{given_type}{suffix}", caller.average(layer), values)
    np.testing.assert_array_equal(found, reference(caller, values))


def test_float_global_average_agrees_with_the_reference_to_rounding(kernels: ctypes.CDLL) -> None:
    values = np.random.default_rng(1).normal(0, 1, (5, 6, 7)).astype(np.float32)
    stored, out = np.ascontiguousarray(values.transpose(1, 2, 0)), np.zeros(5, np.float32)
    kernels.ev_avgpool_f32(42, 5, ctypes.c_void_p(stored.ctypes.data), ctypes.c_void_p(out.ctypes.data))
    np.testing.assert_allclose(out, values.mean(axis=(1, 2)), rtol=1e-5, atol=1e-7)


@MANY
@given(data=st.data(), counted=st.booleans(), ratio=st.sampled_from([0.5, 1.0, 2.0, 0.7, 1.3]))
def test_integer_average_under_a_window_equals_the_reference(
    kernels: ctypes.CDLL, data: Any, counted: bool, ratio: float
) -> None:
    shape, kernel, stride, padding = geometry(data.draw)
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    given_type, made_type = data.draw(EIGHT_BIT), data.draw(EIGHT_BIT)
    source = Tensor("input", shape, given_type, random_scale(rng), zero_point(data.draw, given_type))
    sides = (shape[0], *output_sides(shape, kernel, stride, padding))
    scale = float(np.float32(source.scale * ratio))  # equal and halved grids make results lie on rounding ties
    output = Tensor("output", sides, made_type, scale, zero_point(data.draw, made_type))
    pool = AveragePool2d("pool", ("input",), "output", kernel, stride, padding, counted)
    values = random_values(rng, source)
    caller = Caller(kernels, pool, [source], output)
    found = caller.call(f"ev_avgpool2d_{given_type}", caller.average_window(pool), values)
    np.testing.assert_array_equal(found, reference(caller, values))


@MANY
@given(data=st.data(), counted=st.booleans())
def test_float_average_under_a_window_equals_the_reference(kernels: ctypes.CDLL, data: Any, counted: bool) -> None:
    shape, kernel, stride, padding = geometry(data.draw)
    source = Tensor("input", shape, DType.F32)
    output = Tensor("output", (shape[0], *output_sides(shape, kernel, stride, padding)), DType.F32)
    pool = AveragePool2d("pool", ("input",), "output", kernel, stride, padding, counted)
    values = random_values(np.random.default_rng(data.draw(st.integers(0, 2**32 - 1))), source)
    caller = Caller(kernels, pool, [source], output)
    window = caller.window(kernel, stride, padding)
    found = caller.call("ev_avgpool2d_f32", window, values, settings=(int(counted),))
    np.testing.assert_array_equal(found, reference(caller, values))


@MANY
@given(data=st.data(), types=st.sampled_from(RESCALED))
def test_a_change_of_grid_equals_the_reference(kernels: ctypes.CDLL, data: Any, types: tuple[DType, DType]) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    shape = (data.draw(SIDES), data.draw(SIDES), data.draw(SIDES))
    source, output = (
        Tensor(name, shape, dtype)
        if dtype.is_float
        else Tensor(name, shape, dtype, random_scale(rng), zero_point(data.draw, dtype))
        for name, dtype in zip(("input", "output"), types, strict=True)
    )
    values = random_values(rng, source)
    caller = Caller(kernels, Rescale("grid", ("input",), "output"), [source], output)
    np.testing.assert_array_equal(caller.rescale(values), reference(caller, values))


@pytest.mark.parametrize("outputs", [1, 2, 3, 7])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("kind", ["conv", "linear", "logits"])
def test_sums_of_16_bit_activations_beyond_32_bits_equal_the_reference(
    kernels: ctypes.CDLL, kind: str, sign: int, outputs: int
) -> None:
    rng = np.random.default_rng(outputs)
    inputs = 1021  # all weights and activations near their largest: sums of 4e9
    source = Tensor("input", (inputs, 3, 1) if kind == "conv" else (inputs,), DType.S16, 1.0)
    values = rng.integers(32000, 32767, source.shape, endpoint=True).astype(np.int16)
    weight = (sign * rng.integers(120, 127, (outputs, inputs), endpoint=True)).astype(np.int8)
    bias = rng.integers(-(2**20), 2**20, outputs).astype(np.int32)
    scale = rng.uniform(0.6e-8, 0.7e-8, outputs).astype(np.float32)
    if kind == "conv":
        output = Tensor("output", (outputs, 3, 1), DType.S16, 0.001)
        layer: Conv2d | Linear = Conv2d(
            "conv", ("input",), "output", weight[:, :, None, None], scale, bias, (1, 1), (0, 0, 0, 0), 1, False
        )
        caller = Caller(kernels, layer, [source], output)
        found = caller.convolve(layer, values)
    else:
        logits = kind == "logits"
        output = Tensor("output", (outputs,), DType.F32) if logits else Tensor("output", (outputs,), DType.S16, 0.001)
        layer = Linear("fc", ("input",), "output", weight, scale, bias, False)
        caller = Caller(kernels, layer, [source], output)
        found = caller.call("ev_linear_s16s8_f32" if logits else "ev_linear_s16s8", caller.linear(layer), values)
    assert caller.wide
    np.testing.assert_array_equal(found, reference(caller, values))
    assert kind == "logits" or 10000 < abs(int(found.flat[0])) < 32767  # not merely saturated


@MANY
@given(data=st.data(), floats=st.booleans())
def test_concatenation_equals_the_reference(kernels: ctypes.CDLL, data: Any, floats: bool) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    sides = (data.draw(SIDES), data.draw(SIDES))

    def tensor(name: str, channels: int) -> Tensor:
        dtype = DType.F32 if floats else data.draw(EIGHT_BIT)
        scale, zero = (1.0, 0) if floats else (random_scale(rng), zero_point(data.draw, dtype))
        return Tensor(name, (channels, *sides), dtype, scale, zero)

    sources = [tensor(name, data.draw(SIDES)) for name in "abc"[: data.draw(st.integers(2, 3))]]
    channels = sum(source.shape[0] for source in sources)
    output = (
        Tensor("output", (channels, *sides), *sources[0].grid)
        if data.draw(st.booleans())
        else tensor("output", channels)
    )
    names = tuple(source.name for source in sources)
    values = [random_values(rng, source) for source in sources]
    caller = Caller(kernels, Concat("join", names, "output"), sources, output)
    np.testing.assert_array_equal(caller.concat(*values), reference(caller, *values))


@MANY
@given(data=st.data(), dtype=st.sampled_from([DType.U8, DType.S8, DType.S16, DType.F32]))
def test_max_pooling_equals_the_reference(kernels: ctypes.CDLL, data: Any, dtype: DType) -> None:
    shape, kernel, stride, padding = geometry(data.draw)
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    source = Tensor("input", shape, dtype)
    output = Tensor("output", (shape[0], *output_sides(shape, kernel, stride, padding)), dtype)
    pool = MaxPool2d("pool", ("input",), "output", kernel, stride, padding)
    values = random_values(rng, source)
    caller = Caller(kernels, pool, [source], output)
    window: Window = caller.window(kernel, stride, padding)
    found = caller.call(f"ev_maxpool_{dtype}", window, values)
    np.testing.assert_array_equal(found, reference(caller, values))


@MANY
@given(data=st.data(), pair=st.sampled_from(PAIRS))
def test_integer_addition_equals_the_reference(kernels: ctypes.CDLL, data: Any, pair: tuple[DType, DType]) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    shape = (data.draw(SIDES), data.draw(SIDES), data.draw(SIDES))
    sources = [
        Tensor(name, shape, dtype, random_scale(rng), zero_point(data.draw, dtype))
        for name, dtype in zip("ab", pair, strict=True)
    ]
    made = DType.S16 if DType.S16 in pair else data.draw(EIGHT_BIT)
    output = Tensor("output", shape, made, random_scale(rng), zero_point(data.draw, made))
    relu = data.draw(st.booleans())
    values = [random_values(rng, source) for source in sources]
    caller = Caller(kernels, Add("add", ("a", "b"), "output", relu), sources, output)
    found = caller.call(f"ev_add_{pair[0]}{pair[1]}", caller.addition(relu), *values)
    np.testing.assert_array_equal(found, reference(caller, *values))


@pytest.mark.parametrize("scale", [2.0, 2.0000002, 1.9999998, 0.01])
def test_integer_additions_on_ties_or_far_outside_the_range_equal_the_reference(
    kernels: ctypes.CDLL, scale: float
) -> None:
    rng = np.random.default_rng(5)
    sources = [Tensor(name, (9, 7, 11), DType.U8, 1.0, 0) for name in "ab"]
    output = Tensor("output", (9, 7, 11), DType.U8, float(np.float32(scale)), 7)
    values = [random_values(rng, source) for source in sources]
    caller = Caller(kernels, Add("add", ("a", "b"), "output", False), sources, output)
    found = caller.call("ev_add_u8u8", caller.addition(False), *values)
    np.testing.assert_array_equal(found, reference(caller, *values))


@pytest.mark.parametrize("relu", [False, True])
def test_float_addition_equals_the_reference(kernels: ctypes.CDLL, relu: bool) -> None:
    rng = np.random.default_rng(2)
    a, b = (rng.normal(0, 1, 50).astype(np.float32) for _ in range(2))
    out = np.zeros(50, np.float32)
    kernels.ev_add_f32(50, int(relu), *(ctypes.c_void_p(array.ctypes.data) for array in (a, b, out)))
    np.testing.assert_array_equal(out, np.maximum(a + b, 0) if relu else a + b)


def test_ties_round_to_even_and_large_values_saturate(kernels: ctypes.CDLL) -> None:
    sums = np.array([1, 3, 5, -1, -3, 2**30, -(2**30), 253, 255], np.int32)
    source, output = Tensor("input", (1,), DType.U8), Tensor("output", (9,), DType.S8, 2.0, 3)
    weight = np.zeros((9, 1), np.int8)
    layer = Linear("fc", ("input",), "output", weight, np.ones(9, np.float32), sums, relu=False)
    caller = Caller(kernels, layer, [source], output)
    found = caller.call("ev_linear_u8s8", caller.linear(layer), np.zeros(1, np.uint8))
    assert found.tolist() == [3, 5, 5, 3, 1, 127, -128, 127, 127]


def test_every_finite_half_becomes_the_same_float(kernels: ctypes.CDLL) -> None:
    halves = np.arange(2**16, dtype=np.uint16)
    halves = halves[np.isfinite(halves.view(np.float16))][:-3]  # no multiple of the eight that are widened together
    found = np.full(len(halves), 77, np.float32)
    pointers = (ctypes.c_void_p(array.ctypes.data) for array in (halves, found))
    kernels.ev_widen_f16(ctypes.c_int32(len(halves)), *pointers)
    np.testing.assert_array_equal(found.view(np.uint32), halves.view(np.float16).astype(np.float32).view(np.uint32))
