"""The float baseline: a residual network on accumulated event frames, 64 first channels, 1.05 M parameters."""

from __future__ import annotations

from torch import Tensor, nn

from evbench.networks.layers import ConvBNReLU, Head, ResidualBlock


class FrameResNet(nn.Module):
    """Accumulated frames [N, in_channels, H, W] -> logits [N, classes].

    The first layer's stride follows the size of the frame, so that its map has about 32x32 sites: 256 KB of float32
    with 64 channels, half of the largest RAM of an STM32H743.
    """

    def __init__(self, in_channels: int, classes: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.stem = ConvBNReLU(in_channels, 64, 7, 4 if min(size) > 64 else 2)
        self.pool = nn.MaxPool2d(2)
        self.blocks = nn.Sequential(
            ResidualBlock(64, 64),
            ResidualBlock(64, 128, 2),
            ResidualBlock(128, 224, 2),
        )
        self.head = Head(224, classes)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.blocks(self.pool(self.stem(x))))
        return logits
