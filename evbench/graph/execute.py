"""The reference execution of an IntegerGraph in NumPy: what every other execution is compared with.

Formulas, all in float32 with one rounding per operation (no fused multiply-add), rne = round half to even:

* Conv2d, Linear to 8 bit:  y = clamp(rne(f32(acc) * m[o]) + z_out),  m[o] = (s_in * s_w[o]) / s_out
* Linear to f32:            y = f32(acc) * (s_in * s_w[o])
* GlobalAveragePool:        y = clamp(rne(f32(sum - count * z_in) * m) + z_out),  m = s_in / (s_out * f32(count))
* AveragePool2d:            y = clamp(rne((f32(sum) / f32(count)) / r) + z_out),  r = s_out / s_in, sum of inside pixels
* Concat, Rescale:          y = clamp(rne((f32(x - z_in) * s_in) / s_out) + z_out); x itself where the grids are equal,
                            f32(x - z_in) * s_in to float32
* MaxPool2d:                the largest stored integer; padding never wins
* Add:                      y = clamp(rne((f32(a - z_a) * s_a + f32(b - z_b) * s_b) / s_out) + z_out)

acc is the accumulator including the bias, int32 and with 16-bit activations int64 where it must be; zero points are
subtracted before multiplying and padding is real zero. `relu` raises the lower clamp to z_out. Conv2d, Linear,
GlobalAveragePool and MaxPool2d are what ONNX Runtime's integer kernels compute. Add is the ONNX definition of
DequantizeLinear, Add, QuantizeLinear, with a true division: the fused QLinearAdd kernel folds constants and uses FMA on
AVX2 and 22-bit fixed point on ARM, so its last bit depends on the machine.

Float graphs compute in float32; their sums depend on the order of addition, so executions agree only closely. Between
integer layers that would round to other integers, so float layers there add in the order of the firmware's kernels:
bias, then products by row, column and input channel, each rounded to float32.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from evbench.errors import ModelError
from evbench.graph.model import (
    Add,
    AveragePool2d,
    Concat,
    Conv2d,
    GlobalAveragePool,
    IntegerGraph,
    Linear,
    MaxPool2d,
    Operator,
    Rescale,
    Tensor,
)

CHUNK = 8  # windows whose unfolded patches are held in memory together
EXACT_FLOAT32 = 2**24  # integers up to here are exact in float32, so a float32 GEMM on them is exact in any order


def execute(graph: IntegerGraph, batch: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
    """Run the network on windows [N, C, H, W], uint8; return every tensor [N, ...] by name, in its stored dtype.

    Raises ModelError when the batch does not fit the input tensor or the graph needs more than one input or a state.
    """
    values: dict[str, NDArray[Any]] = {input_tensor(graph, batch).name: batch}
    for operator in graph.operators:
        values[operator.output] = run_operator(graph, operator, [values[name] for name in operator.inputs])
    return values


def input_tensor(graph: IntegerGraph, batch: NDArray[Any]) -> Tensor:
    """The graph's single input, after checking that `batch` [N, ...] fits it; ModelError otherwise."""
    if len(graph.inputs) != 1 or graph.states:
        raise ModelError(
            f"'{graph.name}' has {len(graph.inputs)} inputs and {len(graph.states)} states",
            where="executions take one input and no state kept between windows",
            remedy="Lower the network without recurrent layers",
        )
    tensor = graph.tensors[graph.inputs[0]]
    if batch.dtype != tensor.dtype.numpy or batch.shape[1:] != tensor.shape:
        raise ModelError(
            f"Windows of shape {batch.shape[1:]} and type {batch.dtype} do not fit '{graph.name}'",
            where=f"its input '{tensor.name}' is {tensor.shape}, {tensor.dtype.numpy}",
            remedy="Use the representation the network was trained with",
        )
    return tensor


def run_operator(graph: IntegerGraph, operator: Operator, inputs: list[NDArray[Any]]) -> NDArray[Any]:
    """One operator on stored values [N, ...]; returns the output tensor's stored values [N, ...]."""
    output = graph.tensors[operator.output]
    if not output.dtype.is_float and (scaled := scaled_output(graph, operator, inputs)) is not None:
        return stored_output(graph, operator, scaled)
    match operator:
        case Conv2d() | Linear():
            return _weighted_chunks(graph, operator, inputs[0])
        case GlobalAveragePool():
            return _float_mean(inputs[0])
        case MaxPool2d():
            return _max_pool(operator, inputs[0])
        case AveragePool2d():
            total, count = window_sums(graph, operator, inputs[0])
            return np.asarray(total.astype(np.float32) / count)
        case Concat():
            sources = [graph.tensors[name] for name in operator.inputs]
            parts = [regrid(value, source, output) for value, source in zip(inputs, sources, strict=True)]
            return np.concatenate(parts, axis=1)
        case Rescale():
            return regrid(inputs[0], graph.tensors[operator.inputs[0]], output)
        case Add():
            total = inputs[0] + inputs[1]
            return np.asarray(np.maximum(total, np.float32(0)) if operator.relu else total)
        case _:
            raise ModelError(
                f"The reference execution has no operator {operator.kind}", where=f"layer '{operator.name}'"
            )


def scaled_output(graph: IntegerGraph, operator: Operator, inputs: list[NDArray[Any]]) -> NDArray[np.float32] | None:
    """What an integer operator rounds: its output [N, ...] in LSB without zero point, float32 as the formulas say.

    None for operators that copy stored values or round each input by itself.
    """
    match operator:
        case Conv2d() | Linear():
            return _weighted_chunks(graph, operator, inputs[0])
        case GlobalAveragePool():
            return np.asarray(accumulate(graph, operator, inputs).astype(np.float32) * multipliers(graph, operator)[0])
        case AveragePool2d():
            total, count = window_sums(graph, operator, inputs[0])
            return np.asarray(total.astype(np.float32) / count / multipliers(graph, operator)[0])
        case Add():
            first, second, scale = multipliers(graph, operator)
            zeros = [np.float32(graph.tensors[name].zero_point) for name in operator.inputs]
            real = (inputs[0].astype(np.float32) - zeros[0]) * first + (
                inputs[1].astype(np.float32) - zeros[1]
            ) * second
            return np.asarray(real / scale)
        case _:
            return None


def stored_output(graph: IntegerGraph, operator: Operator, scaled: NDArray[np.float32]) -> NDArray[Any]:
    """`scaled` rounded half to even and saturated as an integer operator's output is stored."""
    return _clamp(scaled, graph.tensors[operator.output], bool(getattr(operator, "relu", False)))


def multipliers(graph: IntegerGraph, operator: Operator) -> NDArray[np.float32]:
    """The float32 constants of an integer operator's requantisation, rounded in the order the formulas give.

    [O] for Conv2d and Linear (for an f32 output without the division by s_out), [1] for GlobalAveragePool and (a
    divisor) AveragePool2d, [s_a, s_b, s_out] for Add; empty for operators that do not requantise.
    """
    sources = [np.float32(graph.tensors[name].scale) for name in operator.inputs]
    output = graph.tensors[operator.output]
    scale = np.float32(output.scale)
    match operator:
        case Conv2d() | Linear() if operator.weight_scale.size:
            product = (sources[0] * operator.weight_scale.astype(np.float32)).astype(np.float32)
            return product if output.dtype.is_float else (product / scale).astype(np.float32)
        case GlobalAveragePool() if not output.dtype.is_float:
            height, width = graph.tensors[operator.inputs[0]].shape[1:]
            return np.array([sources[0] / (scale * np.float32(height * width))], np.float32)
        case AveragePool2d() if not output.dtype.is_float:
            return np.array([scale / sources[0]], np.float32)
        case Add() if not output.dtype.is_float:
            return np.array([*sources, scale], np.float32)
        case _:
            return np.zeros(0, np.float32)


def accumulator_bound(graph: IntegerGraph, operator: Conv2d | Linear | GlobalAveragePool | AveragePool2d) -> int:
    """The largest magnitude the accumulator of an integer operator can reach on any input."""
    source = graph.tensors[operator.inputs[0]]
    info = np.iinfo(source.dtype.numpy)
    largest = max(int(info.max) - source.zero_point, source.zero_point - int(info.min))
    if isinstance(operator, GlobalAveragePool):
        return largest * int(np.prod(source.shape[1:]))
    if isinstance(operator, AveragePool2d):
        return largest * int(np.prod(operator.kernel))
    sums = np.abs(operator.weight.astype(np.int64)).reshape(len(operator.weight), -1).sum(axis=1)
    return int((sums * largest + np.abs(operator.bias.astype(np.int64))).max())


def accumulate(graph: IntegerGraph, operator: Operator, inputs: list[NDArray[Any]]) -> NDArray[Any]:
    """The exact accumulators [N, O, ...] of a Conv2d, Linear or GlobalAveragePool, bias included.

    Integer layers come back as whole numbers in a float dtype wide enough for every partial sum (float32 below 2**24,
    else float64); float layers in float32.
    """
    source = graph.tensors[operator.inputs[0]]
    if isinstance(operator, GlobalAveragePool):
        count = inputs[0].shape[2] * inputs[0].shape[3]
        total = inputs[0].sum(axis=(2, 3), keepdims=True, dtype=np.int64) - count * source.zero_point
        return np.asarray(total, np.float64)
    assert isinstance(operator, Conv2d | Linear)
    exact32 = operator.weight.dtype.kind == "f" or accumulator_bound(graph, operator) < EXACT_FLOAT32
    real = real_grid(inputs[0], source, operator.weight.dtype.kind == "f").astype(np.float32 if exact32 else np.float64)
    weight, bias = operator.weight.astype(real.dtype), operator.bias.astype(real.dtype)
    if operator.weight.dtype.kind == "f" and not graph.is_float:
        return _in_kernel_order(operator, real, weight, bias)
    if isinstance(operator, Linear):
        return np.asarray(real.reshape(len(real), -1) @ weight.T + bias)
    return convolve(real, weight, operator.stride, operator.padding, operator.groups) + bias[:, None, None]


def window_sums(
    graph: IntegerGraph, operator: AveragePool2d, stored: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[np.float32]]:
    """Sums [N, C, H, W] under an average pooling's windows, without zero points, and what they are divided by, [H, W].

    Sums of integers are float64 and exact; those of floats float32, added by row and column.
    """
    source = graph.tensors[operator.inputs[0]]
    real = real_grid(stored, source, scaled=False).astype(np.float32 if source.dtype.is_float else np.float64)
    top, left, bottom, right = operator.padding
    padded = np.pad(real, ((0, 0), (0, 0), (top, bottom), (left, right)))
    area = np.pad(
        np.ones(source.shape[1:]), ((top, bottom), (left, right)), constant_values=float(operator.count_padding)
    )
    (height, width), (down, across) = operator.kernel, operator.stride
    patches = sliding_window_view(padded, operator.kernel, axis=(2, 3))[:, :, ::down, ::across]
    counts = sliding_window_view(area, operator.kernel)[::down, ::across].sum(axis=(2, 3))
    total = np.zeros(patches.shape[:4], real.dtype)
    for y in range(height):
        for x in range(width):
            total += patches[..., y, x]
    return total, counts.astype(np.float32)


def regrid(stored: NDArray[Any], source: Tensor, target: Tensor) -> NDArray[Any]:
    """Stored values of `source` as those of `target` that are nearest to the same real values."""
    if source.grid == target.grid:
        return stored
    if target.dtype.is_float:
        return real_grid(stored, source, scaled=True)
    return _clamp(real_grid(stored, source, scaled=True) / np.float32(target.scale), target, relu=False)


def real_grid(stored: NDArray[Any], tensor: Tensor, scaled: bool) -> NDArray[np.float32]:
    """Stored values without their zero point, float32; times the scale when `scaled` (the real values)."""
    centred = stored.astype(np.float32)
    if tensor.zero_point:
        centred -= np.float32(tensor.zero_point)
    return centred * np.float32(tensor.scale) if scaled and tensor.scale != 1.0 else centred


def convolve(
    real: NDArray[Any],
    weight: NDArray[Any],
    stride: tuple[int, int],
    padding: tuple[int, int, int, int],
    groups: int = 1,
) -> NDArray[Any]:
    """Cross-correlation of [N, C, H, W] with [O, C / groups, kH, kW]; zero padding."""
    top, left, bottom, right = padding
    padded = np.pad(real, ((0, 0), (0, 0), (top, bottom), (left, right))) if any(padding) else real
    outputs, inputs, height, width = weight.shape
    patches = sliding_window_view(padded, (height, width), axis=(2, 3))[:, :, :: stride[0], :: stride[1]]
    count, channels, rows, columns = patches.shape[:4]
    if inputs == 1 and groups == channels == outputs:
        total = np.zeros((count, channels, rows, columns), real.dtype)
        for y in range(height):
            for x in range(width):
                total += patches[..., y, x] * weight[:, 0, y, x, None, None]
        return total
    if groups > 1:
        parts = zip(np.split(real, groups, axis=1), np.split(weight, groups), strict=True)
        return np.concatenate([convolve(part, filters, stride, padding) for part, filters in parts], axis=1)
    unfolded = patches.transpose(0, 1, 4, 5, 2, 3).reshape(count, channels * height * width, rows * columns)
    product = np.matmul(weight.reshape(outputs, -1), unfolded)
    return np.asarray(product.reshape(count, outputs, rows, columns))


def _in_kernel_order(
    operator: Conv2d | Linear, real: NDArray[Any], weight: NDArray[Any], bias: NDArray[Any]
) -> NDArray[Any]:
    """A float layer's sums as firmware adds them; padding adds zeros, which changes no sum."""
    if isinstance(operator, Linear):
        count = len(real)
        inputs = np.moveaxis(real, 1, -1).reshape(count, -1)
        shape = (len(weight), *real.shape[1:])
        ordered = np.moveaxis(weight.reshape(shape), 1, -1).reshape(len(weight), -1)
        total = np.repeat(bias[None], count, axis=0)
        for place in range(inputs.shape[1]):
            total += inputs[:, place, None] * ordered[None, :, place]
        return total
    outputs, channels, height, width = weight.shape
    top, left, bottom, right = operator.padding
    padded = np.pad(real, ((0, 0), (0, 0), (top, bottom), (left, right)))
    patches = sliding_window_view(padded, (height, width), axis=(2, 3))
    patches = patches[:, :, :: operator.stride[0], :: operator.stride[1]]
    count, _, rows, columns = patches.shape[:4]
    grouped = patches.reshape(count, operator.groups, channels, rows, columns, height, width)
    filters = weight.reshape(operator.groups, -1, channels, height, width)[..., None, None]
    total = np.empty((count, operator.groups, filters.shape[1], rows, columns), real.dtype)
    total[:] = bias.reshape(operator.groups, -1, 1, 1)
    for y in range(height):
        for x in range(width):
            for channel in range(channels):
                total += grouped[:, :, None, channel, :, :, y, x] * filters[:, :, channel, y, x]
    return total.reshape(count, outputs, rows, columns)


def _float_mean(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean of each map [N, C, 1, 1], its values added one after the other as firmware does."""
    flat = values.reshape(*values.shape[:2], -1)
    total = np.cumsum(flat, axis=2, dtype=np.float32)[:, :, -1]
    return np.asarray((total / np.float32(flat.shape[2]))[:, :, None, None])


def _weighted_chunks(graph: IntegerGraph, operator: Conv2d | Linear, stored: NDArray[Any]) -> NDArray[np.float32]:
    """Accumulators times their multipliers, float32 [N, O, ...], a few windows at a time to bound memory."""
    scale = multipliers(graph, operator).reshape((-1, 1, 1) if isinstance(operator, Conv2d) else (-1,))
    rectified = operator.relu and graph.tensors[operator.output].dtype.is_float
    parts = []
    for start in range(0, max(len(stored), 1), CHUNK):
        part = accumulate(graph, operator, [stored[start : start + CHUNK]]).astype(np.float32, copy=False)
        part = part * scale if scale.size else part
        parts.append(np.maximum(part, np.float32(0)) if rectified else part)
    return np.concatenate(parts)


def _clamp(scaled: NDArray[np.float32], tensor: Tensor, relu: bool) -> NDArray[Any]:
    """Round half to even, add the zero point, saturate to the tensor's type (to its zero point below, after ReLU)."""
    info = np.iinfo(tensor.dtype.numpy)
    lowest = 0 if relu else int(info.min) - tensor.zero_point
    rounded = np.clip(np.rint(scaled), np.float32(lowest), np.float32(int(info.max) - tensor.zero_point))
    return (rounded + np.float32(tensor.zero_point)).astype(tensor.dtype.numpy)


def _max_pool(operator: MaxPool2d, stored: NDArray[Any]) -> NDArray[Any]:
    top, left, bottom, right = operator.padding
    lowest = -np.inf if stored.dtype.kind == "f" else np.iinfo(stored.dtype).min
    padded = np.pad(stored, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=lowest)
    windows = sliding_window_view(padded, operator.kernel, axis=(2, 3))
    return np.asarray(windows[:, :, :: operator.stride[0], :: operator.stride[1]].max(axis=(4, 5)))
