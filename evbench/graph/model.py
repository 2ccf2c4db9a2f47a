"""The quantised network as integers: tensors, operators and their constants.

Reference executor, ONNX file, C sources, memory plan and audit all derive from this description and from nothing else.
Shapes leave out the batch and are channel-first, (C, H, W) or (F,); executions may store them otherwise.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray


class DType(StrEnum):
    """The element types of tensors, by the names firmware uses."""

    U8 = "u8"
    S8 = "s8"
    S16 = "s16"
    S32 = "s32"
    F32 = "f32"

    @property
    def numpy(self) -> np.dtype[Any]:
        return np.dtype({"u8": "u1", "s8": "i1", "s16": "<i2", "s32": "<i4", "f32": "<f4"}[self.value])

    @property
    def is_float(self) -> bool:
        return self is DType.F32


@dataclass(frozen=True, slots=True)
class Tensor:
    """One activation: real value = (stored - zero_point) * scale; `scale` is a float32 value, 1.0 for f32 tensors."""

    name: str
    shape: tuple[int, ...]
    dtype: DType
    scale: float = 1.0
    zero_point: int = 0

    @property
    def grid(self) -> tuple[DType, float, int]:
        """What stored values mean; tensors with equal grids may copy values from each other."""
        return self.dtype, self.scale, self.zero_point

    @property
    def size(self) -> int:
        """Number of elements of one item of a batch."""
        return prod(self.shape)

    @property
    def bytes(self) -> int:
        return self.size * self.dtype.numpy.itemsize


@dataclass(frozen=True, slots=True, eq=False)
class Operator:
    """One step of the network. `name` is the layer's name in the user's network."""

    name: str
    inputs: tuple[str, ...]
    output: str

    @property
    def kind(self) -> str:
        return type(self).__name__


@dataclass(frozen=True, slots=True, eq=False)
class Conv2d(Operator):
    """2-D cross-correlation, bias and, when `relu`, rectification.

    Integer layers read and give 8-bit tensors, or 16-bit ones.
    weight: [O, I / groups, kH, kW], int8 with `weight_scale` [O] float32, or float32 with an empty `weight_scale`, or
    float16, which is float32 stored in half the bytes;
    bias: [O], int32 at scale s_in * weight_scale[o], or float32. padding: top, left, bottom, right, in pixels.
    Output channels [g * O / groups, (g + 1) * O / groups) read input channels [g * I / groups, (g + 1) * I / groups).
    """

    weight: NDArray[Any]
    weight_scale: NDArray[np.float32]
    bias: NDArray[Any]
    stride: tuple[int, int]
    padding: tuple[int, int, int, int]
    groups: int
    relu: bool

    @property
    def depthwise(self) -> bool:
        """Whether every output channel reads the one input channel of its own number."""
        return self.groups > 1 and self.weight.shape[:2] == (self.groups, 1)


@dataclass(frozen=True, slots=True, eq=False)
class Linear(Operator):
    """Matrix product over the input flattened in (C, H, W) order, bias and, when `relu`, rectification.

    weight: [O, I], int8 with `weight_scale` [O] float32 (equal entries when per tensor), or float32 or float16 with an
    empty `weight_scale`; bias: [O], int32 at scale s_in * weight_scale[o], or float32. An f32 output of integers is
    float32(accumulator) * float32(s_in * weight_scale[o]), never requantised to 8 bit.
    """

    weight: NDArray[Any]
    weight_scale: NDArray[np.float32]
    bias: NDArray[Any]
    relu: bool


@dataclass(frozen=True, slots=True, eq=False)
class GlobalAveragePool(Operator):
    """Mean over H and W: (C, H, W) -> (C, 1, 1)."""


@dataclass(frozen=True, slots=True, eq=False)
class MaxPool2d(Operator):
    """Largest value under a window. kernel, stride: (vertical, horizontal); padding: top, left, bottom, right.

    Input and output share scale and zero point; padding never wins.
    """

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int, int, int]


@dataclass(frozen=True, slots=True, eq=False)
class AveragePool2d(Operator):
    """Mean under a window. kernel, stride: (vertical, horizontal); padding: top, left, bottom, right.

    Padding is real zero; it counts as part of the window's size when `count_padding` holds.
    """

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int, int, int]
    count_padding: bool


@dataclass(frozen=True, slots=True, eq=False)
class Concat(Operator):
    """The channels of all inputs one behind the other: (C1, H, W), (C2, H, W), ... -> (C1 + C2 + ..., H, W)."""


@dataclass(frozen=True, slots=True, eq=False)
class Add(Operator):
    """Sum of two tensors of one shape and, when `relu`, rectification."""

    relu: bool


@dataclass(frozen=True, slots=True, eq=False)
class Rescale(Operator):
    """The same real values in another precision: between 8-bit, 16-bit and float layers, or from grid to grid."""


@dataclass(frozen=True, slots=True)
class State:
    """A tensor kept from window to window: operators read `tensor`; after a window it takes the value of `next`."""

    tensor: str
    next: str


@dataclass(frozen=True, slots=True, eq=False)
class IntegerGraph:
    """A network ready for every execution. `operators` stand in the order they run.

    `metadata` carries what later readers need as strings: class names, representation, window length, provenance.
    """

    name: str
    tensors: Mapping[str, Tensor]
    operators: tuple[Operator, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    states: tuple[State, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """SHA-256 of everything that changes a result: tensors, operators, constants, not names of people or files."""
        sha = hashlib.sha256()
        for part in (*self.tensors.values(), *self.inputs, *self.outputs, *self.states):
            sha.update(repr(part).encode())
        for operator in self.operators:
            for item in fields(operator):
                value = getattr(operator, item.name)
                if isinstance(value, np.ndarray):
                    sha.update(f"{item.name}{value.dtype.str}{value.shape}".encode())
                    sha.update(np.ascontiguousarray(value).tobytes())
                else:
                    sha.update(f"{item.name}{value!r}".encode())
        return sha.hexdigest()

    @property
    def is_float(self) -> bool:
        """Whether the whole network computes in float32, as the fp32 baselines do."""
        made = (self.tensors[operator.output].dtype for operator in self.operators)
        return self.has_float_layers and all(dtype.is_float for dtype in made)

    @property
    def has_float_layers(self) -> bool:
        """Whether some layer has float weights."""
        return any(isinstance(op, Conv2d | Linear) and op.weight.dtype.kind == "f" for op in self.operators)

    @property
    def half_bytes(self) -> dict[str, int]:
        """Bytes that weights stored in half precision save, by layer."""
        return {
            op.name: op.weight.size * 4 - op.weight.nbytes
            for op in self.operators
            if isinstance(op, Conv2d | Linear) and op.weight.dtype == np.float16
        }

    @property
    def weight_bytes(self) -> int:
        """Bytes of all constants: the size of the model."""
        arrays = (getattr(op, item.name) for op in self.operators for item in fields(op))
        return sum(array.nbytes for array in arrays if isinstance(array, np.ndarray))

    def macs(self, operator: Operator) -> int:
        """Multiply-accumulates of one operator on one window; 0 for operators that do not multiply by weights."""
        if isinstance(operator, Conv2d | Linear):
            positions = prod(self.tensors[operator.output].shape[1:]) if isinstance(operator, Conv2d) else 1
            return operator.weight.size * positions
        return 0
