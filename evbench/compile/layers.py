"""One operator of an IntegerGraph to the call of its kernel: the constants laid out as firmware/kernels read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evbench.compile.constants import Constants
from evbench.errors import BuildError
from evbench.graph.execute import accumulator_bound, multipliers, regrid
from evbench.graph.model import (
    Add,
    AveragePool2d,
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

SCRATCH_WORDS = 16 * 1024
"""Most words of DTCM that kernels share for widened weights, where a layer can do with less than it would like."""


@dataclass(frozen=True, slots=True)
class Call:
    """A layer in C: the kernel's name, the constant it takes, the statement that runs it, and what else that calls."""

    kernel: str
    definition: str
    statement: str
    helpers: tuple[str, ...] = ()


def lower_operator(
    graph: IntegerGraph, operator: Operator, number: int, index: Mapping[str, int], constants: Constants
) -> Call:
    """The kernel call of layer `number`; raises BuildError naming the layer when firmware has no kernel for it."""
    sources = [graph.tensors[name] for name in operator.inputs]
    output = graph.tensors[operator.output]
    places = [_address(graph, name, index) for name in operator.inputs]
    target = f"TENSOR_{index[operator.output]}"
    layer = _Layer(graph, operator, number, sources, output, constants)
    match operator:
        case Conv2d():
            return layer.conv2d(operator, places[0], target)
        case Linear():
            return layer.linear(operator, places[0], target)
        case GlobalAveragePool():
            return layer.average(places[0], target)
        case MaxPool2d():
            return layer.maximum(operator, places[0], target)
        case AveragePool2d():
            return layer.average_window(operator, places[0], target)
        case Add():
            return layer.add(operator, places, target)
        case Concat():
            return layer.concat(places, target)
        case Rescale():
            return layer.rescale(places[0], target)
        case _:
            raise BuildError(
                f"Firmware has no kernel for {operator.kind}",
                where=f"layer '{operator.name}'",
                remedy="Replace it by a convolution, linear layer, pooling or addition",
            )


def scratch_words(graph: IntegerGraph, operator: Operator) -> int:
    """Words of scratch that a layer's kernel uses.

    Convolutions divide them as `ev_layout_of` in firmware/kernels/ev_conv2d_tiles.h does: two pixels' taps, one row of
    taps as bytes, and as many channels' weights as fit SCRATCH_WORDS, at least three. Float layers whose weights are
    stored in half precision have them there in float32.
    """
    if isinstance(operator, Conv2d | Linear) and operator.weight.dtype == np.float16:
        return operator.weight.size
    if not isinstance(operator, Conv2d) or operator.weight.dtype.kind == "f":
        return 0
    family = convolution_family(operator, graph.tensors[operator.inputs[0]].dtype)
    if family in ("ev_depthwise", "ev_multiplied"):
        return _depthwise_scratch(graph, operator)
    outputs, channels, height, width = operator.weight.shape
    outputs //= operator.groups
    runs, run = (height, width * channels) if operator.groups == 1 else (1, height * width * channels)
    steps = (runs * ((run + 1) // 2) + 1) // 2
    value_bytes = graph.tensors[operator.inputs[0]].dtype.numpy.itemsize
    before = 4 * steps + (run * value_bytes + 3) // 4
    ahead = 8  # words that the inner loop reads behind the last
    least, most = (int(before + 2 * (steps + 1) * max(2, count) + ahead) for count in (min(outputs, 3), outputs))
    return max(least, min(most, SCRATCH_WORDS))


def _depthwise_scratch(graph: IntegerGraph, operator: Conv2d) -> int:
    """As `rows_of` in ev_depthwise_rows.h: constants of four channels each, a row and a patch of zero points.

    Several filters per channel have the rows of one kernel behind these, as ev_multiplied_integer.h says; 16-bit
    activations the weights of four channels each and their sums, as ev_depthwise_s16s8.c.
    """
    source = graph.tensors[operator.inputs[0]]
    channels, width = len(operator.weight), source.shape[2]
    rows, columns = (int(side) for side in operator.weight.shape[2:])
    if source.dtype is DType.S16:
        return channels // 4 * (2 * rows * columns + 4)
    copied = 0 if operator.depthwise else (rows * width * channels + 3) // 4 + 1
    if (rows, columns) != (3, 3) or channels < 4:
        return copied
    return (channels + 3) // 4 * 26 + 1 + (width * channels + 9 * channels + 3) // 4 + copied


@dataclass(frozen=True, slots=True)
class _Layer:
    graph: IntegerGraph
    operator: Operator
    number: int
    sources: list[Tensor]
    output: Tensor
    constants: Constants

    def conv2d(self, operator: Conv2d, source: str, target: str) -> Call:
        given = self.sources[0]
        family = convolution_family(operator, given.dtype)
        weight = channels_last(operator, family)
        groups = f"{operator.groups}, " if family == "ev_grouped" else ""
        places = f"{groups}{source}, {target}"
        window = self._window(operator.weight.shape[2:], operator.stride, operator.padding)
        fields = {"window": window, "weight": self.constants.add(weight, fast=weight.dtype.kind != "f")}
        if operator.weight.dtype.kind == "f":
            self._plain_counts()
            fields |= {"bias": self.constants.add(operator.bias), "relu": str(int(operator.relu))}
            return self._float(operator, f"{family}_{given.dtype}f32", "ev_conv2d_f32", fields, places)
        words = scratch_words(self.graph, operator)
        fields |= {
            "bias": self.constants.add(self._folded(operator)),
            "in_zero": str(given.zero_point),
            "out": self._requant(operator.relu),
            "scratch": "SCRATCH" if words else "0",
            "scratch_words": str(words),
            **self._wide(operator),
        }
        return self._call(f"{family}_{given.dtype}s8", "ev_conv2d_s8", fields, places)

    def linear(self, operator: Linear, source: str, target: str) -> Call:
        given = self.sources[0]
        outputs = len(operator.weight)
        weight = operator.weight
        if len(given.shape) == 3:
            weight = weight.reshape(outputs, *given.shape).transpose(0, 2, 3, 1).reshape(outputs, -1)
        add = partial(self.constants.add, fast=weight.dtype.kind != "f")
        fields = {"inputs": str(weight.shape[1]), "outputs": str(outputs), "weight": add(weight)}
        places = f"{source}, {target}"
        if operator.weight.dtype.kind == "f":
            self._plain_counts()
            fields |= {"bias": add(operator.bias), "relu": str(int(operator.relu))}
            return self._float(operator, f"ev_linear_{given.dtype}f32", "ev_linear_weights_f32", fields, places)
        fields["bias"] = add(self._folded(operator))
        if self.output.dtype.is_float:
            fields["multiplier"] = add(multipliers(self.graph, operator))
            fields |= {"relu": str(int(operator.relu)), **self._wide(operator)}
            return self._call(f"ev_linear_{given.dtype}s8_f32", "ev_linear_s8_logits", fields, places)
        fields |= {"out": self._requant(operator.relu), **self._wide(operator)}
        return self._call(f"ev_linear_{given.dtype}s8", "ev_linear_s8", fields, places)

    def average(self, source: str, target: str) -> Call:
        given = self.sources[0]
        channels, height, width = given.shape
        if given.dtype.is_float:
            return Call("ev_avgpool_f32", "", f"ev_avgpool_f32({height * width}, {channels}, {source}, {target});")
        fields = {
            "positions": str(height * width),
            "channels": str(channels),
            "in_zero": str(given.zero_point),
            "out": self._requant(relu=False),
        }
        suffix = "_s16" if self.output.dtype is DType.S16 and given.dtype is not DType.S16 else ""
        return self._call(f"ev_avgpool_{given.dtype}{suffix}", "ev_avgpool", fields, f"{source}, {target}")

    def average_window(self, operator: AveragePool2d, source: str, target: str) -> Call:
        given = self.sources[0]
        window = self._window(operator.kernel, operator.stride, operator.padding)
        counted = int(operator.count_padding)
        if given.dtype.is_float:
            definition = f"{self._title()}static const ev_window layer_{self.number} = {window};"
            statement = f"ev_avgpool2d_f32(&layer_{self.number}, {counted}, {source}, {target});"
            return Call("ev_avgpool2d_f32", definition, statement)
        low, high = self._clamp(relu=False)
        fields = {
            "window": window,
            "in_zero": str(given.zero_point),
            "count_padding": str(counted),
            "ratio": float_literal(multipliers(self.graph, operator)[0]),
            "zero": str(self.output.zero_point),
            "low": str(low),
            "high": str(high),
        }
        return self._call(f"ev_avgpool2d_{given.dtype}", "ev_avgpool2d", fields, f"{source}, {target}")

    def concat(self, places: list[str], target: str) -> Call:
        kernel = "ev_concat_f32" if self.output.dtype.is_float else "ev_concat_8"
        channels, height, width = self.output.shape
        first, parts, calls = 0, [], []
        for number, (source, place) in enumerate(zip(self.sources, places, strict=True)):
            table = "0" if source.grid == self.output.grid else self.constants.add(lookup_table(source, self.output))
            parts.append(f"    {{{height * width}, {source.shape[0]}, {first}, {channels}, {table}}},\n")
            calls.append(f"{kernel}(&layer_{self.number}[{number}], {place}, {target});")
            first += source.shape[0]
        name = f"layer_{self.number}[{len(parts)}]"
        definition = f"{self._title()}static const ev_concat {name} = {{\n{''.join(parts)}}};"
        return Call(kernel, definition, " ".join(calls))

    def rescale(self, source: str, target: str) -> Call:
        given, made = self.sources[0], self.output
        if given.dtype in (DType.U8, DType.S8):
            kernel = rescale_kernel(given.dtype, made.dtype)
            table = self.constants.add(lookup_table(given, made))
            return Call(kernel, "", f"{kernel}({made.size}, {table}, {source}, {target});")
        low, high = self._clamp(relu=False)
        fields = {
            "size": str(made.size),
            "in_zero": str(given.zero_point),
            "in_scale": float_literal(given.scale),
            "scale": float_literal(made.scale),
            "zero": str(made.zero_point),
            "low": str(low),
            "high": str(high),
        }
        return self._call(rescale_kernel(given.dtype, made.dtype), "ev_rescale", fields, f"{source}, {target}")

    def maximum(self, operator: MaxPool2d, source: str, target: str) -> Call:
        kernel = f"ev_maxpool_{self.sources[0].dtype}"
        window = self._window(operator.kernel, operator.stride, operator.padding)
        definition = f"{self._title()}static const ev_window layer_{self.number} = {window};"
        return Call(kernel, definition, f"{kernel}(&layer_{self.number}, {source}, {target});")

    def add(self, operator: Add, places: list[str], target: str) -> Call:
        if self.output.dtype.is_float:
            relu = int(operator.relu)
            places_text = f"{places[0]}, {places[1]}, {target}"
            return Call("ev_add_f32", "", f"ev_add_f32({self.output.size}, {relu}, {places_text});")
        pairs = list(zip(self.sources, multipliers(self.graph, operator)[:2], places, strict=True))
        # Addition commutes, in float32 too: one kernel serves both mixed orders.
        (a, scale_a, place_a), (b, scale_b, place_b) = sorted(pairs, key=lambda pair: pair[0].dtype is not DType.U8)
        low, high = self._clamp(operator.relu)
        fields = {
            "size": str(self.output.size),
            "zero_a": str(a.zero_point),
            "zero_b": str(b.zero_point),
            "scale_a": float_literal(scale_a),
            "scale_b": float_literal(scale_b),
            "scale": float_literal(multipliers(self.graph, operator)[2]),
            "zero": str(self.output.zero_point),
            "low": str(low),
            "high": str(high),
        }
        return self._call(f"ev_add_{a.dtype}{b.dtype}", "ev_add", fields, f"{place_a}, {place_b}, {target}")

    def _float(self, operator: Conv2d | Linear, kernel: str, kind: str, fields: dict[str, str], places: str) -> Call:
        """The call of a float layer; weights stored in half precision are widened into the scratch first."""
        if operator.weight.dtype != np.float16:
            return self._call(kernel, kind, fields, places)
        call = self._call(kernel, kind, fields | {"weight": "SCRATCH"}, places)
        widen = f"ev_widen_f16({operator.weight.size}, {fields['weight']}, SCRATCH);"
        return replace(call, statement=f"{widen} {call.statement}", helpers=("ev_widen_f16",))

    def _call(self, kernel: str, kind: str, fields: Mapping[str, str], places: str) -> Call:
        body = "".join(f"    .{name} = {value},\n" for name, value in fields.items())
        definition = f"{self._title()}static const {kind} layer_{self.number} = {{\n{body}}};"
        return Call(kernel, definition, f"{kernel}(&layer_{self.number}, {places});")

    def _title(self) -> str:
        shapes = " and ".join("x".join(map(str, source.shape)) for source in self.sources)
        name = "".join(c if c.isalnum() or c in "._-" else "_" for c in self.operator.name)
        return f"/* {name}: {self.operator.kind}, {shapes} -> {'x'.join(map(str, self.output.shape))} */\n"

    def _window(self, kernel: tuple[int, ...], stride: tuple[int, int], padding: tuple[int, int, int, int]) -> str:
        channels, height, width = self.sources[0].shape
        outputs, rows, columns = self.output.shape
        return (
            f"{{.in_h = {height}, .in_w = {width}, .in_c = {channels}, "
            f".out_h = {rows}, .out_w = {columns}, .out_c = {outputs}, "
            f".kernel_h = {kernel[0]}, .kernel_w = {kernel[1]}, .stride_h = {stride[0]}, .stride_w = {stride[1]}, "
            f".pad_top = {padding[0]}, .pad_left = {padding[1]}}}"
        )

    def _clamp(self, relu: bool) -> tuple[int, int]:
        if self.output.dtype.is_float:
            return 0, 0
        info = np.iinfo(self.output.dtype.numpy)
        return (self.output.zero_point if relu else int(info.min)), int(info.max)

    def _requant(self, relu: bool) -> str:
        low, high = self._clamp(relu)
        multiplier = self.constants.add(multipliers(self.graph, self.operator))
        return f"{{.multiplier = {multiplier}, .zero = {self.output.zero_point}, .low = {low}, .high = {high}}}"

    def _wide(self, operator: Conv2d | Linear) -> dict[str, str]:
        """Whether sums need 64 bits, said of layers on 16-bit activations alone; the others' fit 32."""
        if self.sources[0].dtype is not DType.S16:
            return {}
        bound = accumulator_bound(self.graph, operator)
        if bound >= 2**31 and isinstance(operator, Conv2d) and operator.depthwise:
            raise BuildError(
                f"The sums of a depthwise convolution on 16-bit activations reach {bound}, beyond 32 bits",
                where=f"layer '{operator.name}'",
                remedy="Use a smaller kernel or 8-bit activations",
            )
        return {"wide": str(int(bound >= 2**31))}

    def _folded(self, operator: Conv2d | Linear) -> NDArray[np.int32]:
        """The bias minus input zero point times the sum of each output's weights; `validate` has bounded it."""
        sums = operator.weight.astype(np.int64).reshape(len(operator.weight), -1).sum(axis=1)
        return np.asarray(operator.bias - self.sources[0].zero_point * sums, np.int32)

    def _plain_counts(self) -> None:
        """Float kernels read 8-bit inputs as the counts they are."""
        given = self.sources[0]
        if not given.dtype.is_float and (given.dtype is not DType.U8 or given.scale != 1.0 or given.zero_point != 0):
            raise BuildError(
                f"Float weights on an input of type {given.dtype}, scale {given.scale}, zero point {given.zero_point}",
                where=f"layer '{self.operator.name}'",
                remedy="Feed float layers with event counts (u8, scale 1, zero point 0) or with float activations",
            )


def convolution_family(operator: Conv2d, given: DType) -> str:
    """The family of kernels that convolves activations of type `given`.

    ev_conv2d, ev_depthwise, ev_multiplied (8-bit activations, several filters per channel) or ev_grouped.
    """
    if operator.groups == 1:
        return "ev_conv2d"
    if operator.depthwise:
        return "ev_depthwise"
    eight_bit = given in (DType.U8, DType.S8) and operator.weight.dtype.kind != "f"
    return "ev_multiplied" if eight_bit and operator.weight.shape[1] == 1 else "ev_grouped"


def rescale_kernel(given: DType, made: DType) -> str:
    """The kernel that turns activations of type `given` into `made`; one serves both 8-bit types."""
    names = ["8" if dtype in (DType.U8, DType.S8) else str(dtype) for dtype in (given, made)]
    return "ev_rescale_8" if names == ["8", "8"] else f"ev_rescale_{names[0]}_{names[1]}"


def channels_last(operator: Conv2d, family: str) -> NDArray[Any]:
    """A convolution's weights in the order its kernel reads them: [O, kH, kW, I], or [kH, kW, O] channel by channel."""
    by_channel = family in ("ev_depthwise", "ev_multiplied")
    return operator.weight[:, 0].transpose(1, 2, 0) if by_channel else operator.weight.transpose(0, 2, 3, 1)


def lookup_table(source: Tensor, target: Tensor) -> NDArray[Any]:
    """The value on the grid of `target` for each byte of an 8-bit `source`, by the byte's unsigned value."""
    return regrid(np.arange(256, dtype=np.uint8).view(source.dtype.numpy), source, target)


def _address(graph: IntegerGraph, name: str, index: Mapping[str, int]) -> str:
    return "input" if name in graph.inputs else f"TENSOR_{index[name]}"


def float_literal(value: float | np.float32) -> str:
    """A C literal that is exactly `value` rounded to float32."""
    return f"{float(np.float32(value)).hex()}f"
