"""What makes an IntegerGraph well formed: names, order, shapes, types, scales, and sums that fit their accumulators."""

from __future__ import annotations

import math

import numpy as np

from evbench.errors import ModelError
from evbench.graph.execute import accumulator_bound
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

ARITY: dict[type[Operator], int | None] = {Add: 2, Concat: None}  # None: two or more


def validate(graph: IntegerGraph) -> None:
    """Raise ModelError naming the tensor or layer when the graph cannot be executed as its formulas say."""
    for name, tensor in graph.tensors.items():
        _check_tensor(name, tensor)
    known = set()
    for name in graph.inputs:
        _require(name in graph.tensors, f"input '{name}' has no tensor", "inputs")
        known.add(name)
    _require(bool(graph.inputs) and bool(graph.outputs) and bool(graph.operators), "nothing is computed", graph.name)
    for state in graph.states:
        _require(state.tensor in graph.tensors and state.next in graph.tensors, "a state has no tensor", state.tensor)
        known.add(state.tensor)
    for operator in graph.operators:
        where = f"layer '{operator.name}'"
        for name in operator.inputs:
            _require(name in known, f"it reads '{name}', which nothing before it writes", where)
        _require(operator.output in graph.tensors, f"its output '{operator.output}' has no tensor", where)
        _require(operator.output not in known, f"it writes '{operator.output}' a second time", where)
        known.add(operator.output)
        arity = ARITY.get(type(operator), 1)
        enough = len(operator.inputs) == arity if arity else len(operator.inputs) > 1
        _require(enough, "wrong number of inputs", where)
        _check_operator(graph, operator, where)
    _require(len({op.name for op in graph.operators}) == len(graph.operators), "two layers share a name", graph.name)
    for name in graph.outputs:
        _require(name in known, f"output '{name}' is written by no layer", "outputs")
    for name in graph.tensors:
        _require(name in known, "no layer writes it", f"tensor '{name}'")


def output_shape(operator: Operator, sources: list[Tensor]) -> tuple[int, ...]:
    """Shape of an operator's output, without the batch."""
    shape = sources[0].shape
    match operator:
        case Conv2d():
            return (len(operator.weight), *_sides(shape, operator.weight.shape[2:], operator.stride, operator.padding))
        case Concat():
            return (sum(source.shape[0] for source in sources), *shape[1:])
        case MaxPool2d() | AveragePool2d():
            return (shape[0], *_sides(shape, operator.kernel, operator.stride, operator.padding))
        case Linear():
            return (len(operator.weight),)
        case GlobalAveragePool():
            return (shape[0], 1, 1)
        case _:
            return shape


def _sides(
    shape: tuple[int, ...], kernel: tuple[int, ...], stride: tuple[int, int], padding: tuple[int, int, int, int]
) -> tuple[int, int]:
    top, left, bottom, right = padding
    return (
        (shape[1] + top + bottom - kernel[0]) // stride[0] + 1,
        (shape[2] + left + right - kernel[1]) // stride[1] + 1,
    )


def _check_tensor(name: str, tensor: Tensor) -> None:
    where = f"tensor '{name}'"
    _require(tensor.name == name, f"it is listed under the name of '{tensor.name}'", where)
    _require(0 < len(tensor.shape) <= 3 and all(side > 0 for side in tensor.shape), f"shape {tensor.shape}", where)
    _require(math.isfinite(tensor.scale) and tensor.scale > 0, f"scale {tensor.scale} is not positive", where)
    _require(float(np.float32(tensor.scale)) == tensor.scale, f"scale {tensor.scale} is not a float32", where)
    if tensor.dtype.is_float:
        _require(
            tensor.scale == 1.0 and tensor.zero_point == 0, "float32 values have no scale and no zero point", where
        )
    else:
        info = np.iinfo(tensor.dtype.numpy)
        _require(info.min <= tensor.zero_point <= info.max, f"zero point {tensor.zero_point}", where)
        centred = tensor.dtype is not DType.S16 or tensor.zero_point == 0
        _require(centred, f"16-bit activations with zero point {tensor.zero_point}, not 0", where)


def _check_operator(graph: IntegerGraph, operator: Operator, where: str) -> None:
    sources, output = [graph.tensors[name] for name in operator.inputs], graph.tensors[operator.output]
    source = sources[0]
    if isinstance(operator, Conv2d | GlobalAveragePool | MaxPool2d | AveragePool2d):
        _require(len(source.shape) == 3, f"its input of shape {source.shape} is not (C, H, W)", where)
    if isinstance(operator, Conv2d):
        _check_convolution(operator, source, where)
    if isinstance(operator, MaxPool2d | AveragePool2d):
        _check_window(operator.kernel, operator.stride, operator.padding, where)
        inside = all(pad < side for pad, side in zip(operator.padding, operator.kernel * 2, strict=True))
        _require(inside, "its padding holds a whole window", where)
    if isinstance(operator, MaxPool2d):
        _require(source.grid == output.grid, "its input and output differ in type, scale or zero point", where)
    if isinstance(operator, Linear):
        matches = operator.weight.ndim == 2 and operator.weight.shape[1] == source.size
        _require(matches, f"weights {operator.weight.shape} for {source.size} inputs", where)
    if isinstance(operator, Add):
        _require(sources[0].shape == sources[1].shape, f"{sources[0].shape} and {sources[1].shape} are added", where)
    if isinstance(operator, Concat):
        sides = {given.shape[1:] for given in sources}
        _require(len(sides) == 1, f"maps of {' and '.join(map(str, sorted(sides)))} are joined", where)
    expected = output_shape(operator, sources)
    _require(output.shape == expected, f"it gives {expected}, its output tensor is {output.shape}", where)
    _check_types(graph, operator, sources, output, where)


def _check_convolution(operator: Conv2d, source: Tensor, where: str) -> None:
    weight = operator.weight
    _require(weight.ndim == 4, f"weights of shape {weight.shape}", where)
    _check_window(weight.shape[2:], operator.stride, operator.padding, where)
    groups = operator.groups
    whole = groups > 0 and weight.shape[0] % groups == 0 and weight.shape[1] * groups == source.shape[0]
    of = f" in {groups} groups" if groups != 1 else ""
    _require(whole, f"weights {weight.shape} for {source.shape[0]} channels{of}", where)


def _check_window(
    kernel: tuple[int, ...], stride: tuple[int, int], padding: tuple[int, int, int, int], where: str
) -> None:
    sound = len(stride) == 2 and len(padding) == 4 and min(*kernel, *stride) > 0 and min(padding) >= 0
    _require(sound, f"kernel {kernel}, stride {stride}, padding {padding}", where)


def _check_types(graph: IntegerGraph, operator: Operator, sources: list[Tensor], output: Tensor, where: str) -> None:
    eight_bit = (DType.U8, DType.S8)
    given, made = {source.dtype for source in sources}, output.dtype
    wide = given == {DType.S16}
    if isinstance(operator, Conv2d | Linear):
        outputs = len(operator.weight)
        _require(operator.bias.shape == (outputs,), f"{operator.bias.shape} biases for {outputs} outputs", where)
        if operator.weight.dtype in (np.float32, np.float16):
            fine = operator.bias.dtype == np.float32 and output.dtype.is_float and operator.weight_scale.size == 0
            _require(fine, "float weights need a float32 bias and output, and no scale", where)
            finite = np.isfinite(operator.weight).all() and np.isfinite(operator.bias).all()
            _require(bool(finite), "a weight is not a finite number", where)
            return
        fine = operator.weight.dtype == np.int8 and operator.bias.dtype == np.int32
        _require(fine, f"{operator.weight.dtype} weights with {operator.bias.dtype} biases", where)
        _require(wide or given <= set(eight_bit), f"int8 weights on a {sources[0].dtype} input", where)
        same_width = made is DType.S16 if wide else made in eight_bit
        logits = made.is_float and isinstance(operator, Linear)
        _require(same_width or logits, f"an output of type {made} of a {sources[0].dtype} input", where)
        scale = operator.weight_scale
        sound = (
            scale.shape == (outputs,) and scale.dtype == np.float32 and bool((np.isfinite(scale) & (scale > 0)).all())
        )
        _require(sound, "a weight scale is missing or not positive", where)
    else:
        integer = given <= set(eight_bit) and made in eight_bit
        floats = given == {DType.F32} and made.is_float and not isinstance(operator, Rescale)
        if isinstance(operator, Rescale):
            integer = (wide or given <= set(eight_bit)) and made in (*eight_bit, DType.S16, DType.F32)
            integer = integer or (given == {DType.F32} and made in (*eight_bit, DType.S16))
        elif isinstance(operator, GlobalAveragePool):
            integer = integer or (made is DType.S16 and (wide or given <= set(eight_bit)))
        elif isinstance(operator, MaxPool2d | Add):
            integer = integer or (wide and made is DType.S16)
        types = f"{' and '.join(tensor.dtype for tensor in sources)} to {made}"
        _require(integer or floats, f"{operator.kind} from {types} has no kernel", where)
    if isinstance(operator, Conv2d | Linear | GlobalAveragePool | AveragePool2d) and not sources[0].dtype.is_float:
        bound = accumulator_bound(graph, operator)
        bits = 53 if wide and isinstance(operator, Conv2d | Linear) else 31  # what a double holds is rounded once
        _require(bound < 2**bits, f"its sums reach {bound}, beyond a {32 if bits == 31 else 53}-bit accumulator", where)


def _require(condition: bool, what: str, where: str) -> None:
    if not condition:
        raise ModelError(
            f"The network is not well formed: {what}", where=where, remedy="Export it again from its checkpoint"
        )
