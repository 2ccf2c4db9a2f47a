"""The network to ship: depthwise separable convolutions on voxel grids, under 150 thousand parameters."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from evbench.networks.layers import ConvBNReLU, Head, SeparableBlock


class VoxelDSC(nn.Module):
    """Voxel grids [N, in_channels, H, W] -> logits [N, classes].

    The first layer cuts the grid into patches: every event touches one output site, and four fifths of the sites see
    none. Depthwise separable blocks follow (Howard et al., "MobileNets", 2017). On a large grid they stay on the map of
    patches first, where most sites are still background and cost nothing on the board, and get to 4x4 sites, where all
    have seen something, before they are at their widest. A small grid has few sites to compute and affords a wider end.
    """

    WIDTHS = (16, 32, 64, 96, 128)
    LAST_WIDTH_LARGE, LAST_WIDTH_SMALL = 128, 192

    def __init__(self, in_channels: int, classes: int, size: tuple[int, int]) -> None:
        super().__init__()
        large = min(size) > 64
        patch = 4 if large else 2
        strides = (1, 2, 2, 2, 1) if large else (1, 1, 2, 1, 2)
        widths = (*self.WIDTHS, self.LAST_WIDTH_LARGE if large else self.LAST_WIDTH_SMALL)
        self.stem = ConvBNReLU(in_channels, widths[0], patch, patch)
        self.blocks = nn.Sequential(
            *(
                SeparableBlock(inputs, outputs, stride)
                for (inputs, outputs), stride in zip(pairwise(widths), strides, strict=True)
            )
        )
        self.head = Head(widths[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.blocks(self.stem(x)))
        return logits
