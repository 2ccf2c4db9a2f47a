"""Calls kernels through ctypes with constants laid out as ev_kernels.h says, apart from what the generator does."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evbench.compile.layers import channels_last, convolution_family, lookup_table, rescale_kernel, scratch_words
from evbench.compile.sparse import nonzero_weights, nonzero_words
from evbench.graph.background import Background
from evbench.graph.execute import accumulator_bound, multipliers
from evbench.graph.model import AveragePool2d, Conv2d, DType, GlobalAveragePool, IntegerGraph, Linear, Operator, Tensor

I32, F32, POINTER = ctypes.c_int32, ctypes.c_float, ctypes.c_void_p

_WINDOW = ("in_h", "in_w", "in_c", "out_h", "out_w", "out_c", "kernel_h", "kernel_w", "stride_h", "stride_w")


class Window(ctypes.Structure):
    _fields_ = [(name, I32) for name in (*_WINDOW, "pad_top", "pad_left")]


class Requant(ctypes.Structure):
    _fields_ = [("multiplier", POINTER), ("zero", I32), ("low", I32), ("high", I32)]


class IntegerConv(ctypes.Structure):
    _fields_ = [("window", Window), ("weight", POINTER), ("bias", POINTER), ("in_zero", I32), ("out", Requant)]
    _fields_ += [("scratch", POINTER), ("scratch_words", I32), ("wide", I32)]


class Sites(ctypes.Structure):
    _fields_ = [("height", I32), ("width", I32), ("words", I32), ("bits", POINTER)]


class SparseBackground(ctypes.Structure):
    _fields_ = [("channels", I32), ("classes", POINTER), ("values", POINTER)]


class SparseConv(ctypes.Structure):
    _fields_ = [("layer", POINTER), ("background", SparseBackground), ("sites_in", POINTER), ("sites_out", POINTER)]


class SparseAddition(ctypes.Structure):
    _fields_ = [("layer", POINTER), ("background", SparseBackground), *((name, POINTER) for name in ("a", "b", "out"))]


class NonzeroConv(ctypes.Structure):
    _fields_ = [("sites", SparseConv), ("weight", POINTER)]


class FloatConv(ctypes.Structure):
    _fields_ = [("window", Window), ("weight", POINTER), ("bias", POINTER), ("relu", I32)]


class IntegerLinear(ctypes.Structure):
    _fields_ = [("inputs", I32), ("outputs", I32), ("weight", POINTER), ("bias", POINTER), ("out", Requant)]
    _fields_ += [("wide", I32)]


class Logits(ctypes.Structure):
    _fields_ = [
        *(("inputs", I32), ("outputs", I32), ("weight", POINTER), ("bias", POINTER)),
        *(("multiplier", POINTER), ("relu", I32), ("wide", I32)),
    ]


class FloatLinear(ctypes.Structure):
    _fields_ = [("inputs", I32), ("outputs", I32), ("weight", POINTER), ("bias", POINTER), ("relu", I32)]


class Average(ctypes.Structure):
    _fields_ = [("positions", I32), ("channels", I32), ("in_zero", I32), ("out", Requant)]


class AverageWindow(ctypes.Structure):
    _fields_ = [
        *(("window", Window), ("in_zero", I32), ("count_padding", I32), ("ratio", F32)),
        *(("zero", I32), ("low", I32), ("high", I32)),
    ]


class Rescaling(ctypes.Structure):
    _fields_ = [
        *(("size", I32), ("in_zero", I32), ("in_scale", F32), ("scale", F32)),
        *(("zero", I32), ("low", I32), ("high", I32)),
    ]


class ConcatPart(ctypes.Structure):
    _fields_ = [("positions", I32), ("channels", I32), ("first", I32), ("step", I32), ("table", POINTER)]


class Addition(ctypes.Structure):
    _fields_ = [
        *(("size", I32), ("zero_a", I32), ("zero_b", I32), ("scale_a", F32), ("scale_b", F32), ("scale", F32)),
        *(("zero", I32), ("low", I32), ("high", I32)),
    ]


class Caller:
    """One layer between two tensors; keeps the arrays alive that the kernel's constants point to."""

    def __init__(self, library: ctypes.CDLL, operator: Operator, sources: list[Tensor], output: Tensor) -> None:
        tensors = {tensor.name: tensor for tensor in (*sources, output)}
        names = tuple(source.name for source in sources)
        self.graph = IntegerGraph("layer", tensors, (operator,), names, (output.name,))
        self.library, self.operator, self.sources, self.output = library, operator, sources, output
        self._alive: list[NDArray[Any]] = []
        self._structures: list[ctypes.Structure] = []

    def call(
        self, kernel: str, layer: ctypes.Structure, *inputs: NDArray[Any], settings: tuple[int, ...] = ()
    ) -> NDArray[Any]:
        """Run on channel-first inputs without a batch; returns the channel-first output.

        `settings` stand between the layer and its inputs.
        """
        stored = [self._keep(np.moveaxis(value, 0, -1) if value.ndim == 3 else value) for value in inputs]
        channels, *sides = self.output.shape
        out = np.full((*sides, channels), 77, self.output.dtype.numpy)
        places = (*stored, ctypes.c_void_p(out.ctypes.data))
        getattr(self.library, kernel)(ctypes.byref(layer), *map(I32, settings), *places)
        return np.moveaxis(out, -1, 0) if sides else out

    def window(self, kernel: tuple[int, ...], stride: tuple[int, int], padding: tuple[int, ...]) -> Window:
        channels, height, width = self.sources[0].shape
        outputs, rows, columns = self.output.shape
        return Window(height, width, channels, rows, columns, outputs, *kernel, *stride, padding[0], padding[1])

    def requant(self, relu: bool) -> Requant:
        info = np.iinfo(self.output.dtype.numpy)
        low = self.output.zero_point if relu else int(info.min)
        multiplier = self._keep(multipliers(self.graph, self.operator))
        return Requant(multiplier, self.output.zero_point, low, int(info.max))

    def convolve(self, operator: Conv2d, values: NDArray[Any]) -> NDArray[Any]:
        """Run a convolution with the kernel that its shape and its types ask for."""
        family = convolution_family(operator, self.sources[0].dtype)
        weights = "f32" if operator.weight.dtype.kind == "f" else "s8"
        settings = (operator.groups,) if family == "ev_grouped" else ()
        kernel = f"{family}_{self.sources[0].dtype}{weights}"
        return self.call(kernel, self.convolution(operator), values, settings=settings)

    def convolution(self, operator: Conv2d) -> ctypes.Structure:
        weight = channels_last(operator, convolution_family(operator, self.sources[0].dtype))
        window = self.window(operator.weight.shape[2:], operator.stride, operator.padding)
        if operator.weight.dtype.kind == "f":
            return FloatConv(window, self._keep(weight), self._keep(operator.bias), operator.relu)
        zero = self.sources[0].zero_point
        words = scratch_words(self.graph, operator)
        scratch = self._keep(np.zeros(words, np.uint32))
        out = self.requant(operator.relu)
        return IntegerConv(window, self._keep(weight), self._bias(operator), zero, out, scratch, words, self.wide)

    def sparse(self, operator: Conv2d, background: Background, active: Sites, marked: Sites) -> SparseConv:
        """The same layer, skipping what is not `active`; it notes its own activity in `marked`."""
        dense = self.convolution(operator)
        words = max(scratch_words(self.graph, operator), nonzero_words(self.graph, operator))
        dense.scratch = self._keep(np.zeros(words, np.uint32))
        return self.skipping(dense, background, active, marked)

    def skipping(self, dense: ctypes.Structure, background: Background, *sites: Sites) -> Any:
        """What a kernel that skips takes in place of `dense`; `sites`: of one input or two, and of the output."""
        self._structures += [dense, *sites]
        empty = SparseBackground(self.output.shape[0], self._keep(background.classes), self._keep(background.rows))
        layer, *places = (ctypes.addressof(structure) for structure in (dense, *sites))
        return (SparseAddition if len(sites) == 3 else SparseConv)(layer, empty, *places)

    def nonzero(self, operator: Conv2d, background: Background, active: Sites, marked: Sites) -> NonzeroConv:
        """The same layer, skipping zeros inside active sites as well."""
        return NonzeroConv(self.sparse(operator, background, active, marked), self._keep(nonzero_weights(operator)))

    def sites(self, active: NDArray[np.bool_]) -> tuple[Sites, NDArray[np.uint32]]:
        """Activity [H, W] as firmware keeps it, and the words that hold its bits."""
        bits = pack_sites(active)
        return Sites(*active.shape, bits.shape[1], self._keep(bits)), self._alive[-1]

    def linear(self, operator: Linear) -> ctypes.Structure:
        outputs, inputs = operator.weight.shape
        weight = self._keep(operator.weight)
        if operator.weight.dtype.kind == "f":
            return FloatLinear(inputs, outputs, weight, self._keep(operator.bias), operator.relu)
        bias = self._bias(operator)
        if self.output.dtype is DType.F32:
            scale = self._keep(multipliers(self.graph, operator))
            return Logits(inputs, outputs, weight, bias, scale, operator.relu, self.wide)
        return IntegerLinear(inputs, outputs, weight, bias, self.requant(operator.relu), self.wide)

    @property
    def wide(self) -> bool:
        """Whether a convolution's or linear layer's sums need 64 bits."""
        assert isinstance(self.operator, Conv2d | Linear)
        return accumulator_bound(self.graph, self.operator) >= 2**31

    def average(self, operator: GlobalAveragePool) -> Average:
        channels, height, width = self.sources[0].shape
        return Average(height * width, channels, self.sources[0].zero_point, self.requant(relu=False))

    def average_window(self, operator: AveragePool2d) -> AverageWindow:
        window, out = self.window(operator.kernel, operator.stride, operator.padding), self.requant(relu=False)
        ratio = float(multipliers(self.graph, operator)[0])
        zero = self.sources[0].zero_point
        return AverageWindow(window, zero, operator.count_padding, ratio, out.zero, out.low, out.high)

    def concat(self, *inputs: NDArray[Any]) -> NDArray[Any]:
        """Run one call per input."""
        channels, *sides = self.output.shape
        out = np.full((*sides, channels), 77, self.output.dtype.numpy)
        kernel = "ev_concat_f32" if self.output.dtype.is_float else "ev_concat_8"
        first = 0
        for source, value in zip(self.sources, inputs, strict=True):
            table = None if source.grid == self.output.grid else self._keep(lookup_table(source, self.output))
            part = ConcatPart(int(np.prod(sides)), len(value), first, channels, table)
            stored = self._keep(np.moveaxis(value, 0, -1))
            getattr(self.library, kernel)(ctypes.byref(part), stored, ctypes.c_void_p(out.ctypes.data))
            first += len(value)
        return np.moveaxis(out, -1, 0)

    def rescale(self, values: NDArray[Any]) -> NDArray[Any]:
        """Run the kernel of a change of grid."""
        given, made = self.sources[0], self.output
        kernel = rescale_kernel(given.dtype, made.dtype)
        if given.dtype not in (DType.U8, DType.S8):
            info = np.iinfo(np.int32 if made.dtype.is_float else made.dtype.numpy)
            limits = (made.zero_point, int(info.min), int(info.max))
            layer = Rescaling(made.size, given.zero_point, given.scale, made.scale, *limits)
            return self.call(kernel, layer, values)
        out, stored = np.zeros(values.size, made.dtype.numpy), self._keep(values)
        table = self._keep(lookup_table(given, made))
        getattr(self.library, kernel)(I32(made.size), table, stored, ctypes.c_void_p(out.ctypes.data))
        return out.reshape(made.shape)

    def addition(self, relu: bool) -> Addition:
        a, b = self.sources
        first, second, scale = (float(value) for value in multipliers(self.graph, self.operator))
        out = self.requant(relu)
        zeros = (a.zero_point, b.zero_point)
        return Addition(self.output.size, *zeros, first, second, scale, out.zero, out.low, out.high)

    def _bias(self, operator: Conv2d | Linear) -> ctypes.c_void_p:
        sums = operator.weight.astype(np.int64).reshape(len(operator.weight), -1).sum(axis=1)
        return self._keep((operator.bias - self.sources[0].zero_point * sums).astype(np.int32))

    def _keep(self, array: NDArray[Any]) -> ctypes.c_void_p:
        self._alive.append(np.ascontiguousarray(array))
        return ctypes.c_void_p(self._alive[-1].ctypes.data)


def pack_sites(active: NDArray[np.bool_]) -> NDArray[np.uint32]:
    """Activity [H, W] as words [H, ceil(W / 32)]: column x is bit x % 32 of word x // 32."""
    height, width = active.shape
    padded = np.zeros((height, -(-width // 32) * 32), np.uint8)
    padded[:, :width] = active
    return np.packbits(padded, axis=1, bitorder="little").view("<u4")
