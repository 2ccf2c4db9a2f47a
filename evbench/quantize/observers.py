"""Observers that follow the range of one activation and round it to the grid that range proposes.

They are what torchao's pt2e flow inserts behind every annotated tensor (see quantizer.py). Every grid has zero point
0, so that a real zero, which most activations of an event camera's network are, is always the byte 0x00: u8 with scale
max / 255 for tensors that are never negative, s8 with scale max(|x|) / 127 for the others, s16 with scale
max(|x|) / 32767 where a recipe asks for it.

`RangeObserver` is what all of them share, `observer_for` picks one by the name that a recipe gives. Everything that an
observer knows is in its buffers, so a training that resumes from a checkpoint goes on bit for bit.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from evbench.profiles import QuantizeSettings
from evbench.quantize.histogram import BINS, LogHistogram, histogram_of
from evbench.quantize.pt2e import ObserverBase
from evbench.quantize.ranges import PERCENTILE, RULES

U8_MAX = 255
S8_MAX = 127
S16_MAX = 32767
UNKNOWN_SCALE = 1.0
"""Scale of a tensor in which nothing but zeros was ever seen."""

_SMALLEST_SCALE = 2.0**-60
_EVERY = 8
"""Batches from which a histogram is warm; afterwards it takes in one of as many."""


class RoundToGrid(torch.autograd.Function):
    """clamp(rne(x / scale), low, high) * scale; the gradient passes where nothing was clamped, and nowhere else.

    Every bit is what torch.fake_quantize_per_tensor_affine gives. That kernel rounds element by element through int64
    and keeps a mask; these four passes run vectorised and keep only x, which the ReLU before keeps anyway, so that
    both ways together take a quarter of the time.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: float, low: int, high: int) -> Tensor:
        ctx.save_for_backward(x)
        ctx.limits = ((low - 0.5) * scale, (high + 0.5) * scale)
        return (x * (1.0 / scale)).round_().clamp_(low, high).mul_(scale)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        (x,) = ctx.saved_tensors
        return torch.ops.aten.hardtanh_backward(gradients[0], x, *ctx.limits), None, None, None


class ActivationObserver(ObserverBase):  # type: ignore[misc]
    """What pt2e needs to know of an observer, and the three switches a program sets on all of them.

    `calibrating` observes outside training; `frozen` keeps the range in training too; `fake_quantize` says whether
    values are rounded to the grid.
    """

    def __init__(self, dtype: torch.dtype, quant_min: int, quant_max: int, qscheme: torch.qscheme) -> None:
        super().__init__(dtype=dtype, is_dynamic=False)
        self.quant_min, self.quant_max, self.qscheme = quant_min, quant_max, qscheme
        self.calibrating = False
        self.frozen = False
        self.fake_quantize = True

    @property
    def signed(self) -> bool:
        return self.quant_min < 0

    @abstractmethod
    def scale_value(self) -> Tensor:
        """The scale, a float32 tensor without dimensions."""

    def calculate_qparams(self, **_: Any) -> tuple[Tensor, Tensor]:
        """Scale float32 [1] and zero point int32 [1], which is 0; called by torchao when a program is converted."""
        return self.scale_value().reshape(1), torch.zeros(1, dtype=torch.int32)


class CountsObserver(ActivationObserver):
    """The network's input: event counts, saturated at 255, at the fixed scale 1.0, so that the input has no error.

    In training the counts pass as they are: they are integers up to 255 already and rounding them costs a pass.
    """

    def __init__(self, dtype: torch.dtype, quant_min: int, quant_max: int, qscheme: torch.qscheme, **_: Any) -> None:
        super().__init__(dtype, quant_min, quant_max, qscheme)

    def scale_value(self) -> Tensor:
        return torch.ones(())

    def forward(self, x: Tensor) -> Tensor:
        if self.training or not self.fake_quantize:
            return x
        return x.round().clamp(0, U8_MAX)


class RangeObserver(ActivationObserver):
    """An observer that proposes a range from the batches it is shown, and rounds to that range's grid.

    A batch without any value other than zero (windows without events) says nothing about the range and is only
    counted; neither does a batch with an infinite or undefined value. Until a batch said something the scale is 1.0.
    """

    batches: Tensor
    empty_batches: Tensor

    def __init__(self, dtype: torch.dtype, quant_min: int, quant_max: int, qscheme: torch.qscheme) -> None:
        super().__init__(dtype, quant_min, quant_max, qscheme)
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))
        self.register_buffer("empty_batches", torch.zeros((), dtype=torch.int64))

    def observe(self, x: Tensor) -> None:
        """Take in one batch, of any shape."""
        low, high = torch.aminmax(x)
        largest = (torch.maximum(-low, high) if self.signed else high).double()
        self.batches += 1
        if largest > 0 and torch.isfinite(largest):
            self.take(x, largest)
        elif low == 0 == high:
            self.empty_batches += 1

    @abstractmethod
    def take(self, x: Tensor, largest: Tensor) -> None:
        """Let a batch that holds something, `largest` being its largest magnitude, change the range."""

    @abstractmethod
    def range_value(self) -> Tensor:
        """The largest magnitude the grid must hold: float64 without dimensions; 0 while nothing is known."""

    def adopt(self, other: RangeObserver) -> None:
        """Take over what an observer of the same kind knows, whatever grid it is for: its range and its statistics."""
        self.load_state_dict(other.state_dict())

    def scale_value(self) -> Tensor:
        reach = self.range_value()
        if reach == 0:
            return torch.full((), UNKNOWN_SCALE)
        return (reach / self.quant_max).clamp(min=_SMALLEST_SCALE).float()

    def forward(self, x: Tensor) -> Tensor:
        if self.calibrating or (self.training and not self.frozen):
            self.observe(x.detach())
        return self.round(x) if self.fake_quantize else x

    def round(self, x: Tensor) -> Tensor:
        """The values on the grid; gradients pass straight through where nothing is clamped."""
        rounded = RoundToGrid.apply(x, float(self.scale_value()), self.quant_min, self.quant_max)  # type: ignore[no-untyped-call]
        return cast(Tensor, rounded)


class MinMaxObserver(RangeObserver):
    """The largest value ever seen: nothing seen is clipped, and one outlier decides for good."""

    largest: Tensor

    def __init__(self, dtype: torch.dtype, quant_min: int, quant_max: int, qscheme: torch.qscheme, **_: Any) -> None:
        super().__init__(dtype, quant_min, quant_max, qscheme)
        self.register_buffer("largest", torch.zeros((), dtype=torch.float64))

    def take(self, x: Tensor, largest: Tensor) -> None:
        self.largest.copy_(torch.maximum(self.largest, largest))

    def range_value(self) -> Tensor:
        return self.largest


class EmaObserver(RangeObserver):
    """Exponential moving average of every batch's largest value, bias-corrected.

    After n batches the range is  sum_i a (1 - a)^(n - i) max_i / (1 - (1 - a)^n)  with a = `averaging_constant`: the
    correction of Adam (Kingma & Ba 2015, section 3). During warm-up this is close to the plain mean of the maxima, so
    that one outlier in the first batch does not rule: after a first maximum of 100 and 50 maxima of 10 the range is
    11.4, where an average that starts at its first value still says 64.5.

    What a = 0.01 forgets: a batch's weight halves every 69 batches and falls to 1 % after 458. A single outlier moves
    a warm observer by 1 % of its excess; a range that really shrinks or grows is followed only after some 200 batches,
    and until then a grown range is clipped.
    """

    average: Tensor
    weight: Tensor

    def __init__(
        self,
        dtype: torch.dtype,
        quant_min: int,
        quant_max: int,
        qscheme: torch.qscheme,
        averaging_constant: float = 0.01,
        **_: Any,
    ) -> None:
        super().__init__(dtype, quant_min, quant_max, qscheme)
        self.averaging_constant = averaging_constant
        self.register_buffer("average", torch.zeros((), dtype=torch.float64))
        self.register_buffer("weight", torch.zeros((), dtype=torch.float64))

    def take(self, x: Tensor, largest: Tensor) -> None:
        self.average.lerp_(largest, self.averaging_constant)
        self.weight.lerp_(torch.ones_like(self.weight), self.averaging_constant)

    def range_value(self) -> Tensor:
        return self.average / self.weight.clamp(min=torch.finfo(torch.float64).tiny)


class HistogramObserver(RangeObserver):
    """A range by one of the rules of ranges.py, from a histogram of everything seen.

    While calibrating all batches count alike. In training, where the distribution moves, what was seen counts
    1 - `averaging_constant` times as much as a batch ago, and after the first eight batches only every eighth enters
    the histogram and moves the range: counting a batch and looking for the range take as long as a layer's step.
    """

    counts: Tensor
    zeros: Tensor
    extremes: Tensor
    reach: Tensor
    taken: Tensor

    def __init__(
        self,
        dtype: torch.dtype,
        quant_min: int,
        quant_max: int,
        qscheme: torch.qscheme,
        rule: str = "mse",
        averaging_constant: float = 0.01,
        percentile: float = PERCENTILE,
        **_: Any,
    ) -> None:
        super().__init__(dtype, quant_min, quant_max, qscheme)
        self.rule, self.averaging_constant, self.percentile = rule, averaging_constant, percentile
        self.register_buffer("counts", torch.zeros(2, BINS, dtype=torch.float64))
        self.register_buffer("zeros", torch.zeros((), dtype=torch.float64))
        self.register_buffer("extremes", torch.zeros(2, dtype=torch.float64))
        self.register_buffer("reach", torch.zeros((), dtype=torch.float64))
        self.register_buffer("taken", torch.zeros((), dtype=torch.int64))

    def histogram(self) -> LogHistogram:
        """What was seen so far."""
        low, high = self.extremes.tolist()
        return LogHistogram(self.counts.numpy().copy(), float(self.zeros), low, high)

    def take(self, x: Tensor, largest: Tensor) -> None:
        warm = not self.calibrating and bool(self.taken >= _EVERY)
        if warm and self.batches % _EVERY:
            return
        keep = 1.0 if self.calibrating else (1.0 - self.averaging_constant) ** (_EVERY if warm else 1)
        self.taken += 1
        seen = self.histogram().merged(histogram_of(x.numpy()), keep)
        self.counts.copy_(torch.from_numpy(seen.counts))
        self.zeros.fill_(seen.zeros)
        self.extremes.copy_(torch.from_numpy(np.array([seen.low, seen.high])))
        self.reach.fill_(RULES[self.rule](seen, self.quant_max, self.percentile))

    def range_value(self) -> Tensor:
        return self.reach


class RoundToLearnedGrid(torch.autograd.Function):
    """`RoundToGrid` whose scale s = exp(log_scale) gets a gradient too, `factor` times that of log_scale.

    Esser et al., "Learned step size quantization", ICLR 2020, equation 3: with v = x / s the output changes by
    rne(v) - v for a value on the grid and by the code at the end that it is clamped to otherwise, for every change of s
    by 1. Times s, for its logarithm, that is rounded value minus value, or the rounded value alone.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, log_scale: Tensor, low: int, high: int, factor: float) -> Tensor:
        scale = float(log_scale.exp())
        ctx.limits, ctx.factor = ((low - 0.5) * scale, (high + 0.5) * scale), factor
        rounded = (x * (1.0 / scale)).round_().clamp_(low, high).mul_(scale)
        ctx.save_for_backward(x, rounded)
        return rounded

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        x, rounded = ctx.saved_tensors
        inside = torch.ops.aten.hardtanh_backward(gradients[0], x, *ctx.limits)
        moved = (gradients[0] * rounded).addcmul_(inside, x, value=-1.0).sum()
        return inside, ctx.factor * moved, None, None, None


class LearnedObserver(HistogramObserver):
    """A scale that is trained like a weight, after the range with the smallest squared error in the first batches.

    Esser et al., "Learned step size quantization", ICLR 2020, with their gradient scale 1 / sqrt(N Q), N values per
    window and Q the largest code; the start is that of Bhalgat et al., "LSQ+", CVPR workshops 2020, since their own,
    2 E|x| / sqrt(Q), collapses where most values are zero. What is trained is the logarithm of the scale (Jain et al.,
    "Trained quantization thresholds", MLSys 2020): Adam moves every parameter by about its learning rate whatever its
    gradient's size, so that the gradient scale matters to plain descent alone, and a step as large as the scale itself
    would throw it about. Calibration alone leaves the start; a frozen observer learns nothing more.
    """

    def __init__(self, dtype: torch.dtype, quant_min: int, quant_max: int, qscheme: torch.qscheme, **_: Any) -> None:
        super().__init__(dtype, quant_min, quant_max, qscheme, rule="mse")
        self.log_scale = torch.nn.Parameter(torch.zeros(()))

    @property
    def learning(self) -> bool:
        """Whether the start is behind it."""
        return not self.calibrating and bool(self.taken >= _EVERY)

    def take(self, x: Tensor, largest: Tensor) -> None:
        if self.learning:
            return
        super().take(x, largest)
        with torch.no_grad():
            self.log_scale.copy_((self.reach / self.quant_max).clamp(min=_SMALLEST_SCALE).log())

    def adopt(self, other: RangeObserver) -> None:
        super().adopt(other)
        with torch.no_grad():
            self.log_scale.add_(math.log(other.quant_max / self.quant_max))

    def range_value(self) -> Tensor:
        return self.log_scale.detach().double().exp() * self.quant_max if self.taken else self.reach

    def round(self, x: Tensor) -> Tensor:
        if not (self.training and self.learning) or self.frozen:
            return super().round(x)
        factor = 1.0 / float(x[0].numel() * self.quant_max) ** 0.5
        rounded = RoundToLearnedGrid.apply(x, self.log_scale, self.quant_min, self.quant_max, factor)  # type: ignore[no-untyped-call]
        return cast(Tensor, rounded)


def observer_for(settings: QuantizeSettings) -> Any:
    """What makes the observer that a recipe names, in the form torchao asks for."""
    if settings.observer == "ema-minmax":
        return EmaObserver.with_args(averaging_constant=settings.averaging_constant)
    if settings.observer == "minmax":
        return MinMaxObserver.with_args()
    if settings.observer == "lsq":
        return LearnedObserver.with_args()
    return HistogramObserver.with_args(
        rule=settings.observer, averaging_constant=settings.averaging_constant, percentile=settings.percentile
    )
