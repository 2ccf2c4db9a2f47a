"""Convolutions and matrix products that carry their batch norm and round their weights as the integer network will.

One integer network, `IntegerParameters`, is the truth in every mode: outside training a layer computes with exactly
the constants the converted program gets. In training a convolution runs once, with weights rounded on the per-channel
grid of the *unscaled* weights, and batch norm follows with the batch's own statistics. That is the network with the
batch norm folded in, for a symmetric per-channel grid: scaling a channel by gamma / sqrt(var + eps) scales its grid
alike and leaves the integers as they are. It saves torchao's second pass over the activations, which divides them by
that factor again. Once its statistics are frozen, batch norm is folded in training as well: forward is then what the
board computes, and gradients reach gamma and beta through the folded constants.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WEIGHT_MAX = 127
_SMALLEST_WEIGHT_SCALE = 2.0**-60
_BIAS_LIMIT = 2.0**22


@dataclass(frozen=True)
class IntegerParameters:
    """A layer's constants with batch norm folded in.

    weight: int8, weight-shaped; scale: float32 [O]; bias: int32 [O] at scale bias_scale: float32 [O] = s_in * scale.
    """

    weight: Tensor
    scale: Tensor
    bias: Tensor
    bias_scale: Tensor

    def real_weight(self) -> Tensor:
        return self.weight.float() * _per_channel(self.scale, self.weight)

    def real_bias(self) -> Tensor:
        return self.bias.float() * self.bias_scale


def _per_channel(values: Tensor, weight: Tensor) -> Tensor:
    return values.reshape(-1, *[1] * (weight.dim() - 1))


class WeightedLayer(ABC, nn.Module):
    """What convolution and matrix product share. weight: [O, ...] float32; bias: [O] float32 or None.

    `input_scale` returns the scale of the tensor this layer reads; a program sets it once its observers exist. A layer
    that `keeps_float` is never rounded, but its weights to half precision where it has `half_weights`.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, norm: nn.BatchNorm2d | None, per_channel: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight.detach().clone())
        self.bias = None if bias is None else nn.Parameter(bias.detach().clone())
        self.norm = norm
        self.per_channel = per_channel
        self.fake_quantize = True
        self.norm_frozen = False
        self.keeps_float = False
        self.half_weights = False
        self.input_scale: Callable[[], Tensor] = lambda: torch.ones(())

    @abstractmethod
    def apply_weights(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The layer's sum of products, in float32."""

    @torch.no_grad()
    def folded(self) -> tuple[Tensor, Tensor]:
        """Weight and bias in float32 with batch norm's running statistics folded in, as the layer stores them."""
        weight = self.weight * _per_channel(self._norm_factor(), self.weight)
        return (weight.half().float() if self.half_weights else weight), self._folded_bias()

    def _norm_factor(self) -> Tensor:
        """gamma / sqrt(var + eps) of every output channel, 1 without batch norm; float32 [O]."""
        norm = self.norm
        if norm is None:
            return self.weight.new_ones(self.weight.shape[0])
        assert norm.running_var is not None
        return norm.weight / torch.sqrt(norm.running_var + norm.eps)

    def _folded_bias(self) -> Tensor:
        bias = self.weight.new_zeros(self.weight.shape[0]) if self.bias is None else self.bias
        if self.norm is None:
            return bias
        assert self.norm.running_mean is not None
        return (bias - self.norm.running_mean) * self._norm_factor() + self.norm.bias

    def weight_scale(self) -> Tensor:
        """Scale of the unscaled weights of every output channel, float32 [O].

        Per tensor it is the folded weights that share one scale: on the unscaled ones it is as much coarser as batch
        norm makes a channel smaller.
        """
        weight = self.weight.detach()
        largest = weight.abs().reshape(weight.shape[0], -1).amax(1)
        if not self.per_channel:
            factor = self._norm_factor().detach().abs()
            largest = (largest * factor).amax() / factor.clamp(min=_SMALLEST_WEIGHT_SCALE)
        return (largest / WEIGHT_MAX).clamp(min=_SMALLEST_WEIGHT_SCALE)

    def rounded_weight(self) -> Tensor:
        """The unscaled weights on their grid; gradients pass straight through."""
        scale = self.weight_scale()
        zero = torch.zeros_like(scale, dtype=torch.int32)
        return torch.fake_quantize_per_channel_affine(self.weight, scale, zero, 0, -WEIGHT_MAX, WEIGHT_MAX)

    @torch.no_grad()
    def integer(self) -> IntegerParameters:
        """The layer as integers.

        A channel that batch norm has all but switched off would have a grid so fine that its bias leaves int32; such
        a channel gets the finest grid on which its bias stays below 2^22, and its weights are rounded to that.
        """
        weight, factor, bias = self.weight, self._norm_factor(), self._folded_bias()
        grid = self.weight_scale()
        integers = (weight * (1.0 / _per_channel(grid, weight))).round().clamp(-WEIGHT_MAX, WEIGHT_MAX)
        s_in = self.input_scale()
        exact = grid * factor.abs()
        needed = (bias.abs() / (s_in * _BIAS_LIMIT)).clamp(min=_SMALLEST_WEIGHT_SCALE)
        if not self.per_channel:
            exact, needed = exact.amax().expand_as(grid), needed.amax().expand_as(grid)
        scale = torch.maximum(exact, needed)
        coarser = torch.where(exact < scale, exact / scale, torch.ones_like(scale)) * torch.where(factor < 0, -1.0, 1.0)
        integers = (integers * _per_channel(coarser, weight)).round()
        bias_scale = s_in * scale
        return IntegerParameters(
            integers.to(torch.int8), scale, (bias.double() / bias_scale.double()).round().to(torch.int32), bias_scale
        )

    def _snapped(self, bias: Tensor, factor: Tensor) -> Tensor:
        """The bias on the grid s_in * s_w of its accumulator; gradients pass straight through."""
        fixed = bias.detach()
        grid = self.input_scale() * self.weight_scale() * factor.detach().abs()
        grid = torch.maximum(grid, fixed.abs() / _BIAS_LIMIT).clamp(min=_SMALLEST_WEIGHT_SCALE)
        return bias + ((fixed / grid).round() * grid - fixed)

    def forward(self, x: Tensor) -> Tensor:
        rounds = self.fake_quantize and not self.keeps_float
        if rounds and not self.training:
            parameters = self.integer()
            return self.apply_weights(x, parameters.real_weight(), parameters.real_bias())
        if self.keeps_float and not self.training:
            return self.apply_weights(x, *self.folded())
        weight = self.rounded_weight() if rounds else self.weight
        if self.norm is not None and not self.norm_frozen:
            return cast(Tensor, self.norm(self.apply_weights(x, weight, self.bias)))
        factor, bias = self._norm_factor(), self._folded_bias()
        weight = weight * _per_channel(factor, weight)
        return self.apply_weights(x, weight, self._snapped(bias, factor) if rounds else bias)


class ConvLayer(WeightedLayer):
    """2-D convolution [N, I, H, W] -> [N, O, H', W'] with optional batch norm; padding top, left, bottom, right."""

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor | None,
        norm: nn.BatchNorm2d | None,
        *,
        stride: tuple[int, int],
        padding: tuple[int, int, int, int],
        groups: int,
        per_channel: bool = True,
    ) -> None:
        super().__init__(weight, bias, norm, per_channel)
        self.stride, self.padding, self.groups = stride, padding, groups

    def apply_weights(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        top, left, bottom, right = self.padding
        if not self.lopsided:
            return F.conv2d(x, weight, bias, self.stride, (top, left), 1, self.groups)
        return F.conv2d(F.pad(x, (left, right, top, bottom)), weight, bias, self.stride, 0, 1, self.groups)

    @property
    def lopsided(self) -> bool:
        """Whether opposite sides have different padding, which torch's convolutions do not know."""
        return self.padding[:2] != self.padding[2:]


class LinearLayer(WeightedLayer):
    """Matrix product [N, I] -> [N, O]."""

    def __init__(self, weight: Tensor, bias: Tensor | None, *, per_channel: bool) -> None:
        super().__init__(weight, bias, None, per_channel)

    def apply_weights(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return F.linear(x, weight, bias)
