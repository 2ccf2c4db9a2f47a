"""The blocks all networks are built from; each becomes one or two operators of an IntegerGraph."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ConvBNReLU(nn.Sequential):
    """Convolution, batch norm and, unless `relu` is false, rectification.

    [N, I, H, W] -> [N, O, H / stride, W / stride], rounded up for odd kernels and down for even ones.

    Odd kernels are padded by half their width, so that stride 1 keeps the size; even kernels are not padded.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, *, groups: int = 1, relu: bool = True
    ) -> None:
        padding = kernel // 2 if kernel % 2 else 0
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False), nn.BatchNorm2d(outputs)
        )
        if relu:
            self.append(nn.ReLU())


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut, summed and rectified: [N, I, H, W] -> [N, O, H / stride, W / stride].

    The basic block of He et al., "Deep residual learning for image recognition", CVPR 2016; the shortcut is a 1x1
    convolution where the shape changes.
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.first = ConvBNReLU(inputs, outputs, 3, stride)
        self.second = ConvBNReLU(outputs, outputs, 3, relu=False)
        changes = stride != 1 or inputs != outputs
        self.shortcut = ConvBNReLU(inputs, outputs, 1, stride, relu=False) if changes else nn.Identity()
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        activated: Tensor = self.relu(self.second(self.first(x)) + self.shortcut(x))
        return activated


class SeparableBlock(nn.Sequential):
    """A depthwise 3x3 and a pointwise convolution: [N, I, H, W] -> [N, O, H / stride, W / stride]."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.depthwise = ConvBNReLU(inputs, inputs, 3, stride, groups=inputs)
        self.pointwise = ConvBNReLU(inputs, outputs, 1)


class Head(nn.Module):
    """Global mean, dropout in training, and a linear layer: [N, C, H, W] -> logits [N, classes]."""

    def __init__(self, channels: int, classes: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.linear(self.dropout(torch.flatten(self.pool(x), 1)))
        return logits
