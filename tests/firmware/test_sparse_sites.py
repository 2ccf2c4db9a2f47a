"""Poolings and additions that skip give the reference execution's bytes, over their own input as well."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from evbench.graph.background import classify, spread
from evbench.graph.memory import reads_ahead
from evbench.graph.model import Add, AveragePool2d, DType, MaxPool2d, Tensor
from tests.firmware.draws import EIGHT_BIT, geometry, output_sides, random_scale, random_values, reference, zero_point
from tests.firmware.layers import Caller, pack_sites

SHARES = st.sampled_from([0.0, 0.05, 0.3, 0.97, 1.0])
PAIRS = [(DType.U8, DType.U8), (DType.U8, DType.S8), (DType.S8, DType.S8)]


def check(
    kernels: ctypes.CDLL,
    kernel: str,
    caller: Caller,
    layer: ctypes.Structure,
    rng: np.random.Generator,
    share: float,
    *,
    over: bool,
) -> None:
    """Random values where a site is active, the background elsewhere; `over`: the output begins where an input does."""
    backgrounds = [random_values(rng, source) for source in caller.sources]
    active = [rng.random(source.shape[1:]) < share for source in caller.sources]
    values = [
        np.where(here, random_values(rng, source), background)
        for here, source, background in zip(active, caller.sources, backgrounds, strict=True)
    ]
    marked, bits = caller.sites(rng.random(caller.output.shape[1:]) < 0.5)
    sites = [caller.sites(here)[0] for here in active]
    empty = classify(reference(caller, *backgrounds))
    stored = [np.moveaxis(value, 0, -1).copy() for value in values]
    memory = stored[0] if over else np.full(caller.output.size, 77, np.uint8)
    places = [ctypes.c_void_p(array.ctypes.data) for array in (*stored, memory)]
    getattr(kernels, kernel)(ctypes.byref(caller.skipping(layer, empty, *sites, marked)), *places)
    expected = np.moveaxis(reference(caller, *values), 0, -1)
    found: NDArray[Any] = memory.reshape(-1).view(expected.dtype)[: expected.size]
    np.testing.assert_array_equal(found.reshape(expected.shape), expected)
    seen = spread(caller.graph, caller.operator, [here[None] for here in active])[0]
    np.testing.assert_array_equal(bits, pack_sites(seen))


@settings(max_examples=150, deadline=None)
@given(data=st.data(), dtype=EIGHT_BIT, share=SHARES, seed=st.integers(0, 2**32 - 1), over=st.booleans())
def test_max_pooling_that_skips_equals_the_reference(
    kernels: ctypes.CDLL, data: Any, dtype: DType, share: float, seed: int, over: bool
) -> None:
    shape, kernel, stride, padding = geometry(data.draw)
    source = Tensor("input", shape, dtype)
    output = Tensor("output", (shape[0], *output_sides(shape, kernel, stride, padding)), dtype)
    pool = MaxPool2d("pool", ("input",), "output", kernel, stride, padding)
    caller = Caller(kernels, pool, [source], output)
    over = over and reads_ahead(caller.graph, pool)
    window = caller.window(kernel, stride, padding)
    check(kernels, f"ev_sparse_maxpool_{dtype}", caller, window, np.random.default_rng(seed), share, over=over)


@settings(max_examples=150, deadline=None)
@given(data=st.data(), dtype=EIGHT_BIT, share=SHARES, seed=st.integers(0, 2**32 - 1), over=st.booleans())
def test_a_mean_under_a_window_that_skips_equals_the_reference(
    kernels: ctypes.CDLL, data: Any, dtype: DType, share: float, seed: int, over: bool
) -> None:
    shape, kernel, stride, padding = geometry(data.draw)
    rng = np.random.default_rng(seed)
    source = Tensor("input", shape, dtype, random_scale(rng), zero_point(data.draw, dtype))
    sides = (shape[0], *output_sides(shape, kernel, stride, padding))
    output = Tensor("output", sides, dtype, source.scale, zero_point(data.draw, dtype))
    pool = AveragePool2d("pool", ("input",), "output", kernel, stride, padding, data.draw(st.booleans()))
    caller = Caller(kernels, pool, [source], output)
    over = over and reads_ahead(caller.graph, pool)
    check(kernels, f"ev_sparse_avgpool2d_{dtype}", caller, caller.average_window(pool), rng, share, over=over)


@pytest.mark.parametrize(("first", "second"), PAIRS)
@settings(max_examples=80, deadline=None)
@given(data=st.data(), share=SHARES, seed=st.integers(0, 2**32 - 1), over=st.booleans())
def test_an_addition_that_skips_equals_the_reference(
    kernels: ctypes.CDLL, data: Any, first: DType, second: DType, share: float, seed: int, over: bool
) -> None:
    rng = np.random.default_rng(seed)
    shape = (data.draw(st.integers(1, 9)), data.draw(st.integers(1, 5)), data.draw(st.sampled_from([1, 6, 32, 33])))
    a, b = (
        Tensor(name, shape, dtype, random_scale(rng), zero_point(data.draw, dtype))
        for name, dtype in (("a", first), ("b", second))
    )
    dtype, relu = data.draw(EIGHT_BIT), data.draw(st.booleans())
    output = Tensor("output", shape, dtype, float(np.float32(a.scale + b.scale)), zero_point(data.draw, dtype))
    caller = Caller(kernels, Add("add", ("a", "b"), "output", relu), [a, b], output)
    kernel = f"ev_sparse_add_{first}{second}"
    check(kernels, kernel, caller, caller.addition(relu), rng, share, over=over)
