"""A residual network on voxel grids, 24 first channels, 0.78 M parameters: what the quantised rows start from."""

from __future__ import annotations

from torch import Tensor, nn

from evbench.networks.layers import ConvBNReLU, Head, ResidualBlock


class VoxelResNet(nn.Module):
    """Voxel grids [N, in_channels, H, W] -> logits [N, classes].

    Most parameters sit where the map is small, which keeps the work below 15 million multiply-accumulates on
    10x128x128. The first layer cuts the grid into patches: every event touches one output site.
    """

    def __init__(self, in_channels: int, classes: int, size: tuple[int, int]) -> None:
        super().__init__()
        patch = 4 if min(size) > 64 else 2
        self.stem = ConvBNReLU(in_channels, 24, patch, patch)
        self.pool = nn.MaxPool2d(2)
        self.blocks = nn.Sequential(
            ResidualBlock(24, 24),
            ResidualBlock(24, 56, 2),
            ResidualBlock(56, 128, 2),
            ResidualBlock(128, 176, 2),
        )
        self.head = Head(176, classes)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.blocks(self.pool(self.stem(x))))
        return logits
