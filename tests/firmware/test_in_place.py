"""Kernels that the memory plan lets write over their input give the same bytes there."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from evbench.graph.execute import run_operator
from evbench.graph.memory import reads_ahead
from evbench.graph.model import DType, IntegerGraph, MaxPool2d, Tensor
from tests.firmware.draws import geometry, output_sides, random_values
from tests.firmware.layers import Caller


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
