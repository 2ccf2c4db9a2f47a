"""What names in an ONNX file stand for while it is imported, and how constants become those of a layer."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evbench.graph.model import Operator, Tensor

SAME_SCALE = 1e-3  # biases whose scale is that of the accumulator up to this share are taken as they are stored


class Unsupported(Exception):  # noqa: N818 - a reason, collected and told together with the others
    """Why a node cannot be imported."""


@dataclass(frozen=True, slots=True)
class Limits:
    """A range that real values are clamped to."""

    low: float = -inf
    high: float = inf

    @classmethod
    def of(cls, low: float | None, high: float | None) -> Limits:
        return cls(-inf if low is None else low, inf if high is None else high)

    def within(self, other: Limits) -> Limits:
        return Limits(max(self.low, other.low), min(self.high, other.high))

    def rectifies(self, tensor: Tensor) -> bool:
        """Whether quantising to `tensor` must raise values to real zero."""
        if not tensor.dtype.is_float:
            return 0 < self._stored(self.low, tensor) == tensor.zero_point
        if self.high < inf or self.low not in (-inf, 0.0):
            raise Unsupported(f"float outputs cannot be limited to {self.low:g} … {self.high:g}")
        return self.low == 0.0

    def grids(self, tensor: Tensor) -> list[Tensor]:
        """Grids of the same scale that end where the limits cut that of `tensor`: what passes through them saturates.

        At most two, the upper limit's first. Quantising is monotonic, so that limits may be set behind it.
        """
        low, high = (self._stored(bound, tensor) for bound in (self.low, self.high))
        zeros = {"limited": tensor.zero_point + 255 - high if high < 255 else None}
        zeros["rectified"] = tensor.zero_point - low if low > 0 else None
        if any(zero is not None and not 0 <= zero <= 255 for zero in zeros.values()):
            raise Unsupported(f"it limits values to {self.low:g} … {self.high:g}, which is all on one side of zero")
        return [
            replace(tensor, name=f"{tensor.name}.{end}", zero_point=int(zero))
            for end, zero in zeros.items()
            if zero is not None
        ]

    @staticmethod
    def _stored(bound: float, tensor: Tensor) -> float:
        scaled = np.float32(bound) / np.float32(tensor.scale)
        return float(np.rint(scaled)) + tensor.zero_point


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """An array of the file; with a scale it stands for (array - zero) * scale, per tensor or along `axis`."""

    array: NDArray[Any]
    scale: NDArray[Any] | None = None
    zero: NDArray[Any] = field(default_factory=lambda: np.zeros(()))
    axis: int = 0

    def quantised(self, scale: NDArray[Any], zero: NDArray[Any], axis: int) -> Constant:
        """Float values on a grid, by the formula of QuantizeLinear."""
        if self.scale is not None or self.array.dtype.kind != "f":
            raise Unsupported("it quantises a constant that is quantised already")
        info = np.iinfo(zero.dtype)
        spread = (_along(part, self.array.ndim, axis) for part in (scale, zero))
        steps, zeros = spread
        stored = np.clip(np.rint(self.array / steps) + zeros, info.min, info.max)
        return Constant(stored.astype(zero.dtype))

    def transposed(self) -> Constant:
        """A matrix with rows and columns exchanged."""
        return replace(self, array=self.array.T, axis=1 - self.axis % 2)


@dataclass(frozen=True, slots=True)
class Source:
    """The model's input as the file takes it; `kind` is its ONNX element type."""

    name: str
    kind: int


@dataclass(frozen=True, slots=True)
class Stored:
    """The integers of a tensor."""

    tensor: str


@dataclass(frozen=True, slots=True)
class Real:
    """The real values of a tensor, clamped by node `maker`; `alone`: nothing else reads the tensor."""

    tensor: str
    limits: Limits = Limits()
    alone: bool = False
    maker: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Open:
    """An operator's real result [*shape], clamped, before it is quantised."""

    operator: Operator
    shape: tuple[int, ...]
    limits: Limits = Limits()


@dataclass(frozen=True, slots=True)
class Decision:
    """What a last Softmax makes of a tensor: order and winner are the tensor's own, so firmware leaves it out."""

    tensor: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """What a node that is not supported would have computed."""


Value = Constant | Source | Stored | Real | Open | Decision | Unknown


def layer_of(
    weights: Constant, bias: Constant | None, given: Tensor, axis: int
) -> tuple[NDArray[np.int8], NDArray[np.float32], NDArray[np.int32]]:
    """Weights int8, their scales [O] float32 and the bias [O] int32 at scale s_in * s_w, outputs along `axis` 0.

    A bias at another scale, or in float, is rounded to that grid.
    """
    if weights.scale is None:
        raise Unsupported("its weights are not quantised")
    outputs = weights.array.shape[axis]
    if weights.scale.size not in (1, outputs) or (weights.scale.size > 1 and weights.axis % weights.array.ndim != axis):
        raise Unsupported("its weights are quantised along an axis that is not the outputs'")
    centred = weights.array.astype(np.int16) - _along(weights.zero.astype(np.int16), weights.array.ndim, axis)
    if centred.size and (centred.min() < -128 or centred.max() > 127):
        raise Unsupported("its weights reach beyond eight bits around their zero point; make them symmetric or int8")
    scale = np.broadcast_to(weights.scale.reshape(-1), (outputs,)).astype(np.float32)
    return centred.astype(np.int8), scale, _bias(bias, (np.float32(given.scale) * scale).astype(np.float64))


def _bias(bias: Constant | None, unit: NDArray[np.float64]) -> NDArray[np.int32]:
    if bias is None:
        return np.zeros(len(unit), np.int32)
    if not isinstance(bias, Constant) or bias.array.size != len(unit):
        raise Unsupported("its bias is no constant with one value per output")
    stored = bias.array.reshape(-1)
    if stored.dtype == np.int32 and (bias.scale is None or np.allclose(bias.scale, unit, rtol=SAME_SCALE, atol=0)):
        return stored.copy()
    real = stored.astype(np.float64) * (1.0 if bias.scale is None else bias.scale.astype(np.float64))
    rounded = np.rint(real / unit)
    if np.abs(rounded).max(initial=0) >= 2**31:
        raise Unsupported("its bias does not fit 32 bits at the scale of its input and weights")
    return rounded.astype(np.int32)


def window_of(
    about: dict[str, Any], kernel: tuple[int, ...], sides: tuple[int, ...]
) -> tuple[tuple[int, int], tuple[int, int, int, int]]:
    """Stride and padding (top, left, bottom, right) of a sliding window on an image of `sides`, from its attributes."""
    if len(kernel) != 2 or len(sides) != 2:
        raise Unsupported("only two-dimensional windows are possible")
    if any(step != 1 for step in about.get("dilations", (1, 1))):
        raise Unsupported("dilation is not possible")
    stride = tuple(about.get("strides", (1, 1)))
    pads = tuple(about.get("pads", (0, 0, 0, 0)))
    where = about.get("auto_pad", "NOTSET")
    if where.startswith("SAME"):
        total = [max(0, (-(-n // s) - 1) * s + k - n) for n, s, k in zip(sides, stride, kernel, strict=True)]
        less, more = [n // 2 for n in total], [n - n // 2 for n in total]
        pads = (*less, *more) if where == "SAME_UPPER" else (*more, *less)
    if min(pads) < 0:
        raise Unsupported("padding is negative")
    rest = [(n + pads[i] + pads[i + 2] - kernel[i]) % stride[i] for i, n in enumerate(sides)]
    if about.get("ceil_mode", 0) and any(rest):
        raise Unsupported("rounding its sides up is not possible")
    return (stride[0], stride[1]), (pads[0], pads[1], pads[2], pads[3])


def _along(values: NDArray[Any], dimensions: int, axis: int) -> NDArray[Any]:
    """A scalar, or one value per index of `axis`, shaped to meet an array of so many dimensions."""
    if values.size == 1:
        return values.reshape(())
    return values.reshape([-1 if number == axis % dimensions else 1 for number in range(dimensions)])
