"""Drives activations towards zero while a network is trained, so that firmware has more to skip.

The penalty is the Hoyer-square measure of every rectified tensor, (sum |x|)^2 / sum x^2, divided by its number of
elements: Kurtz et al., "Inducing and exploiting activation sparsity for fast neural network inference", ICML 2020,
after Yang et al., "DeepHoyer", ICLR 2020. It lies between 0 and 1, is the share of active elements where all active
ones are equal, and does not change when a tensor is scaled, so it shrinks the number of active elements and not their
size, which batch norm and scales would only undo.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from evbench.training.torch_setup import torch

_RECTIFIERS = {
    nn.functional.relu,
    nn.functional.relu_,
    torch.relu,
    torch.relu_,
    Tensor.relu,
    Tensor.relu_,
    torch.ops.aten.relu.default,
}


class Density(torch.autograd.Function):
    """The Hoyer-square density of a tensor of any shape without negative values; 0 where all is zero.

    With s = sum x, q = sum x^2 and n elements it is s^2 / (q n); its gradient 2 s / (q n) - 2 s^2 x / (q^2 n) is
    written in two passes over x, a quarter of what the same formula costs as single operations.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total, squares = x.sum(), torch.linalg.vector_norm(x).square()
        ctx.save_for_backward(x, total, squares)
        smallest = torch.finfo(x.dtype).tiny
        return cast(Tensor, total.square() / (squares * x.numel()).clamp(min=smallest))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        x, total, squares = ctx.saved_tensors
        if squares == 0:
            return torch.zeros_like(x)
        slope = 2.0 * gradients[0] * total / (squares * x.numel())
        return cast(Tensor, (x * (-slope * total / squares)).add_(slope))


def forward_with_density(network: Callable[[Tensor], Tensor], batch: Tensor) -> tuple[Tensor, Tensor]:
    """What `network` makes of a batch, and the mean density of all tensors that it rectified on the way.

    The density is 0 for a network without a ReLU; gradients flow through both.
    """
    with _Rectified() as rectified:
        logits = network(batch)
    if not rectified.densities:
        return logits, logits.new_zeros(())
    return logits, torch.stack(rectified.densities).mean()


class _Rectified(TorchFunctionMode):
    """Notes the density of what every ReLU gives, be it a module, a function or an operator of a captured program."""

    def __init__(self) -> None:
        super().__init__()
        self.densities: list[Tensor] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func in _RECTIFIERS:
            self.densities.append(Density.apply(result))  # type: ignore[no-untyped-call]
        return result
