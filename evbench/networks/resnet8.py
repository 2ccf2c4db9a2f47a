"""MLPerf Tiny's network for image classification: what tools for microcontrollers publish their cycles on."""

from __future__ import annotations

from torch import Tensor, nn

from evbench.networks.layers import ConvBNReLU, Head, ResidualBlock


class ResNet8(nn.Module):
    """Images [N, in_channels, H, W] -> logits [N, classes]; 12.5 million multiply-accumulates on 3x32x32.

    The network of Banbury et al., "MLPerf Tiny Benchmark", 2021: its layers, widths and strides. At stride 2 the
    original pads below and to the right, this one all around; the work is the same.
    """

    def __init__(self, in_channels: int, classes: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.stem = ConvBNReLU(in_channels, 16, 3)
        self.blocks = nn.Sequential(
            ResidualBlock(16, 16),
            ResidualBlock(16, 32, 2),
            ResidualBlock(32, 64, 2),
        )
        self.head = Head(64, classes)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.blocks(self.stem(x)))
        return logits
