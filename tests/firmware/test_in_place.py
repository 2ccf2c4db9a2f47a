"""Kernels that the memory plan lets write over their input give the same bytes there."""

from __future__ import annotations

import ctypes
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from evbench.compile.layers import lookup_table
from evbench.graph.execute import run_operator
from evbench.graph.memory import reads_ahead
from evbench.graph.model import AveragePool2d, DType, IntegerGraph, MaxPool2d, Rescale, Tensor
from tests.firmware.draws import geometry, output_sides, random_scale, random_values, zero_point
from tests.firmware.layers import Caller, Rescaling


@pytest.mark.parametrize("dtype", [DType.U8, DType.S8, DType.F32])
@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_max_pooling_over_its_own_input_equals_the_reference(kernels: ctypes.CDLL, data: Any, dtype: DType) -> None:
    shape, kernel, stride, padding = geometry(data.draw)
    source = Tensor("input", shape, dtype)
    output = Tensor("output", (shape[0], *output_sides(shape, kernel, stride, padding)), dtype)
    pool = MaxPool2d("pool", ("input",), "output", kernel, stride, padding)
    graph = IntegerGraph("pool", {"input": source, "output": output}, (pool,), ("input",), ("output",))
    assume(reads_ahead(graph, pool))
    values = random_values(np.random.default_rng(data.draw(st.integers(0, 2**32 - 1))), source)
    window = Caller(kernels, pool, [source], output).window(kernel, stride, padding)
    memory = np.moveaxis(values, 0, -1).flatten()
    place = ctypes.c_void_p(memory.ctypes.data)
    getattr(kernels, f"ev_maxpool_{dtype}")(ctypes.byref(window), place, place)
    expected = np.moveaxis(run_operator(graph, pool, [values[None]])[0], 0, -1)
    np.testing.assert_array_equal(memory[: output.size].reshape(expected.shape), expected)


@pytest.mark.parametrize("dtype", [DType.U8, DType.S8])
@settings(max_examples=80, deadline=None)
@given(data=st.data(), counted=st.booleans())
def test_a_mean_under_a_window_over_its_own_input_equals_the_reference(
    kernels: ctypes.CDLL, data: Any, counted: bool, dtype: DType
) -> None:
    shape, kernel, stride, padding = geometry(data.draw)
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    source = Tensor("input", shape, dtype, random_scale(rng), zero_point(data.draw, dtype))
    sides = (shape[0], *output_sides(shape, kernel, stride, padding))
    output = Tensor("output", sides, dtype, source.scale, zero_point(data.draw, dtype))
    pool = AveragePool2d("pool", ("input",), "output", kernel, stride, padding, counted)
    graph = IntegerGraph("pool", {"input": source, "output": output}, (pool,), ("input",), ("output",))
    assume(reads_ahead(graph, pool))
    values = random_values(rng, source)
    layer = Caller(kernels, pool, [source], output).average_window(pool)
    memory = np.moveaxis(values, 0, -1).flatten()
    place = ctypes.c_void_p(memory.ctypes.data)
    getattr(kernels, f"ev_avgpool2d_{dtype}")(ctypes.byref(layer), place, place)
    expected = np.moveaxis(run_operator(graph, pool, [values[None]])[0], 0, -1)
    np.testing.assert_array_equal(memory[: output.size].reshape(expected.shape), expected)


@pytest.mark.parametrize(
    ("given_type", "made_type"), [(DType.U8, DType.U8), (DType.S8, DType.U8), (DType.S16, DType.S16)]
)
def test_a_change_of_grid_in_place_equals_the_reference(
    kernels: ctypes.CDLL, given_type: DType, made_type: DType
) -> None:
    rng = np.random.default_rng(8)
    source = Tensor("input", (3, 9, 7), given_type, 0.013, 5 if given_type is not DType.S16 else 0)
    output = Tensor("output", (3, 9, 7), made_type, 0.021, 0)
    source, output = (replace(t, scale=float(np.float32(t.scale))) for t in (source, output))
    change = Rescale("grid", ("input",), "output")
    graph = IntegerGraph("grid", {"input": source, "output": output}, (change,), ("input",), ("output",))
    values = random_values(rng, source)
    expected = run_operator(graph, change, [values[None]])[0]
    memory = values.copy()
    place = ctypes.c_void_p(memory.ctypes.data)
    if given_type is DType.S16:
        info = np.iinfo(np.int16)
        scales = (source.scale, output.scale)
        layer = Rescaling(output.size, source.zero_point, *scales, output.zero_point, int(info.min), int(info.max))
        kernels.ev_rescale_s16_s16(ctypes.byref(layer), place, place)
    else:
        table = lookup_table(source, output)
        kernels.ev_rescale_8(ctypes.c_int32(output.size), ctypes.c_void_p(table.ctypes.data), place, place)
    np.testing.assert_array_equal(memory.view(expected.dtype), expected)
