"""Kernels that skip give the reference execution's bytes, whatever is active and whatever the background holds."""

from __future__ import annotations

import ctypes
import dataclasses
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from evbench.graph.background import classify, spread
from evbench.graph.model import Conv2d, DType, MaxPool2d, Tensor
from tests.firmware.draws import EIGHT_BIT, convolutions, output_sides, random_values, reference
from tests.firmware.layers import Caller, Sites, SparseBackground, pack_sites

MANY = settings(max_examples=120, deadline=None)
SHARES = st.sampled_from([0.0, 0.05, 0.3, 0.97, 1.0])


def sites_over(bits: NDArray[np.uint32], width: int) -> Sites:
    """Activity whose bits lie in `bits`, [H, words]."""
    return Sites(len(bits), width, bits.shape[1], bits.ctypes.data)


def check_skipping(
    kernels: ctypes.CDLL,
    case: tuple[Conv2d, Tensor, Tensor, NDArray[Any]],
    share: float,
    seed: int,
    *,
    nonzero: bool = False,
) -> None:
    """Any input may be the background: what matters is that inactive sites hold it."""
    conv, source, output, values = case
    rng = np.random.default_rng(seed)
    background = random_values(rng, source)
    active = rng.random(source.shape[1:]) < share
    values = np.where(active, values, background)
    caller = Caller(kernels, conv, [source], output)
    empty = classify(reference(caller, background))
    given_sites, _ = caller.sites(active)
    marked, bits = caller.sites(rng.random(output.shape[1:]) < 0.5)
    family = "ev_sparse_depthwise" if conv.groups > 1 else "ev_nonzero_conv2d" if nonzero else "ev_sparse_conv2d"
    make = caller.nonzero if nonzero else caller.sparse
    found = caller.call(f"{family}_{source.dtype}s8", make(conv, empty, given_sites, marked), values)
    np.testing.assert_array_equal(found, reference(caller, values))
    seen = spread(caller.graph, conv, [active[None]])[0]
    np.testing.assert_array_equal(bits, pack_sites(seen))


@MANY
@given(case=convolutions("dense", floats=False, types=EIGHT_BIT), share=SHARES, seed=st.integers(0, 2**32 - 1))
def test_a_convolution_that_skips_equals_the_reference(
    kernels: ctypes.CDLL, case: Any, share: float, seed: int
) -> None:
    check_skipping(kernels, case, share, seed)


@MANY
@given(case=convolutions("depthwise", floats=False, types=EIGHT_BIT), share=SHARES, seed=st.integers(0, 2**32 - 1))
def test_a_depthwise_convolution_that_skips_equals_the_reference(
    kernels: ctypes.CDLL, case: Any, share: float, seed: int
) -> None:
    check_skipping(kernels, case, share, seed)


@MANY
@given(
    case=convolutions("dense", floats=False, types=EIGHT_BIT),
    share=SHARES,
    zeros=st.sampled_from([0.0, 0.5, 0.95]),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_convolution_that_skips_zeros_equals_the_reference(
    kernels: ctypes.CDLL, case: Any, share: float, zeros: float, seed: int
) -> None:
    conv, source, output, values = case
    source = dataclasses.replace(source, dtype=DType.U8, zero_point=0)
    values = np.where(np.random.default_rng(seed).random(values.shape) < zeros, 0, values.view(np.uint8))
    check_skipping(kernels, (conv, source, output, values), share, seed, nonzero=True)


@MANY
@given(
    channels=st.integers(1, 20),
    height=st.integers(1, 5),
    width=st.sampled_from([1, 7, 31, 32, 33, 70]),
    share=SHARES,
    seed=st.integers(0, 2**32 - 1),
)
def test_pixels_that_hold_anything_are_found(
    kernels: ctypes.CDLL, channels: int, height: int, width: int, share: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    image = np.where(rng.random((height, width, channels)) < share / channels, 1, 0).astype(np.uint8)
    bits = np.full((height, -(-width // 32)), 0xFFFFFFFF, np.uint32)
    kernels.ev_find_sites(
        ctypes.c_void_p(image.ctypes.data), ctypes.c_int32(channels), ctypes.byref(sites_over(bits, width))
    )
    np.testing.assert_array_equal(bits, pack_sites(image.any(axis=2)))


@MANY
@given(
    height=st.integers(1, 4),
    width=st.sampled_from([1, 5, 31, 32, 33, 64, 65]),
    channels=st.integers(1, 40),
    share=SHARES,
    seed=st.integers(0, 2**32 - 1),
)
def test_the_background_goes_to_all_sites_that_are_not_active(
    kernels: ctypes.CDLL, height: int, width: int, channels: int, share: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    active = rng.random((height, width)) < share
    rows = rng.integers(0, 255, (2, width, channels)).astype(np.uint8)
    classes = rng.integers(0, 2, height).astype(np.uint8)
    bits = pack_sites(active)
    found = np.full((height, width, channels), 255, np.uint8)
    background = SparseBackground(channels, classes.ctypes.data, rows.ctypes.data)
    kernels.ev_fill_background(
        ctypes.byref(background), ctypes.byref(sites_over(bits, width)), ctypes.c_void_p(found.ctypes.data)
    )
    np.testing.assert_array_equal(found, np.where(active[..., None], 255, rows[classes]))


@st.composite
def sliding_windows(draw: st.DrawFn) -> tuple[Caller, MaxPool2d]:
    """A window over a map of any size, alone: nothing runs it."""
    kernel = (draw(st.integers(1, 5)), draw(st.integers(1, 6)))
    padding = tuple(draw(st.integers(0, kernel[side % 2] - 1)) for side in range(4))
    height = draw(st.integers(max(1, kernel[0] - padding[0] - padding[2]), 8))
    width = draw(st.sampled_from([1, 5, 16, 31, 32, 33, 64, 70]))
    shape = (1, height, max(width, kernel[1] - padding[1] - padding[3]))
    stride = (draw(st.integers(1, 4)), draw(st.integers(1, 5)))
    pool = MaxPool2d("pool", ("input",), "output", kernel, stride, padding)  # type: ignore[arg-type]
    sides = output_sides(shape, kernel, stride, padding)  # type: ignore[arg-type]
    tensors = Tensor("input", shape, DType.U8), Tensor("output", (1, *sides), DType.U8)
    return Caller(None, pool, [tensors[0]], tensors[1]), pool  # type: ignore[arg-type]


@MANY
@given(case=sliding_windows(), share=SHARES, seed=st.integers(0, 2**32 - 1))
def test_every_output_that_sees_an_active_site_is_marked_and_counted(
    kernels: ctypes.CDLL, case: tuple[Caller, MaxPool2d], share: float, seed: int
) -> None:
    caller, pool = case
    rng = np.random.default_rng(seed)
    active = rng.random(caller.sources[0].shape[1:]) < share
    given_sites, _ = caller.sites(active)
    marked, bits = caller.sites(rng.random(caller.output.shape[1:]) < 0.5)
    window = caller.window(pool.kernel, pool.stride, pool.padding)
    count = kernels.ev_spread_sites(ctypes.byref(window), ctypes.byref(given_sites), ctypes.byref(marked))
    seen = spread(caller.graph, pool, [active[None]])[0]
    np.testing.assert_array_equal(bits, pack_sites(seen))
    assert count == seen.sum()
