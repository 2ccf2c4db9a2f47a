"""Observers that follow the range of one activation and round it to the 8-bit grid that range proposes.

They are what torchao's pt2e flow inserts behind every annotated tensor (see quantizer.py). Two grids exist, both with
zero point 0, so that a real zero, which most activations of an event camera's network are, is always the byte 0x00:
u8 with scale max / 255 for tensors that are never negative, s8 with scale max(|x|) / 127 for the others.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor

from evbench.quantize.pt2e import ObserverBase

U8_MAX = 255
S8_MAX = 127
UNKNOWN_SCALE = 1.0
"""Scale of a tensor in which nothing but zeros was ever seen."""

_SMALLEST_SCALE = 2.0**-60


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
    """What pt2e needs to know of an observer, and the two switches a program sets on all of them.

    `calibrating` observes outside training; `fake_quantize` says whether values are rounded to the grid.
    """

    def __init__(self, dtype: torch.dtype, quant_min: int, quant_max: int, qscheme: torch.qscheme) -> None:
        super().__init__(dtype=dtype, is_dynamic=False)
        self.quant_min, self.quant_max, self.qscheme = quant_min, quant_max, qscheme
        self.calibrating = False
        self.fake_quantize = True

    def scale_value(self) -> Tensor:
        """The scale, a float32 tensor without dimensions."""
        raise NotImplementedError

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


class EmaObserver(ActivationObserver):
    """Exponential moving average of every batch's largest value, bias-corrected, and the rounding to its grid.

    After n batches the range is  sum_i a (1 - a)^(n - i) max_i / (1 - (1 - a)^n)  with a = `averaging_constant`: the
    correction of Adam (Kingma & Ba 2015, section 3). During warm-up this is close to the plain mean of the maxima, so
    that one outlier in the first batch does not rule: after a first maximum of 100 and 50 maxima of 10 the range is
    11.4, where an average that starts at its first value still says 64.5.

    What a = 0.01 forgets: a batch's weight halves every 69 batches and falls to 1 % after 458. A single outlier moves
    a warm observer by 1 % of its excess; a range that really shrinks or grows is followed only after some 200 batches,
    and until then a grown range is clipped.

    A batch without any value other than zero (windows without events) says nothing about the range and is not
    averaged; neither is a batch with an infinite or undefined value. Until a batch said something the scale is 1.0.
    """

    average: Tensor
    weight: Tensor
    batches: Tensor

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
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))

    @property
    def signed(self) -> bool:
        return self.quant_min < 0

    def observe(self, x: Tensor) -> None:
        """Take one batch, of any shape, into the average."""
        if self.signed:
            low, high = torch.aminmax(x)
            largest = torch.maximum(-low, high).double()
        else:
            largest = x.amax().double()
        self.batches += 1
        if torch.isfinite(largest) and largest > 0:
            self.average.lerp_(largest, self.averaging_constant)
            self.weight.lerp_(torch.ones_like(self.weight), self.averaging_constant)

    def range_value(self) -> Tensor:
        """The largest value the grid must hold: float64 without dimensions; 0 while nothing is known."""
        return self.average / self.weight.clamp(min=torch.finfo(torch.float64).tiny)

    def scale_value(self) -> Tensor:
        if self.weight == 0:
            return torch.full((), UNKNOWN_SCALE)
        steps = S8_MAX if self.signed else U8_MAX
        return (self.range_value() / steps).clamp(min=_SMALLEST_SCALE).float()

    def forward(self, x: Tensor) -> Tensor:
        if self.training or self.calibrating:
            self.observe(x.detach())
        if not self.fake_quantize:
            return x
        rounded = RoundToGrid.apply(x, float(self.scale_value()), self.quant_min, self.quant_max)  # type: ignore[no-untyped-call]
        return cast(Tensor, rounded)
