"""Small networks and sparse counts for the room's tests."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from evbench.quantize.program import PreparedProgram

SHAPE = (4, 12, 12)


def conv_bn_relu(inputs: int, outputs: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, groups=groups, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    )


class Head(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pool, self.dropout, self.linear = nn.AdaptiveAvgPool2d(1), nn.Dropout(0.1), nn.Linear(channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.linear(self.dropout(torch.flatten(self.pool(x), 1)))
        return logits


class Separable(nn.Sequential):
    def __init__(self) -> None:
        super().__init__()
        self.stem = conv_bn_relu(4, 6, 2)
        self.depthwise = conv_bn_relu(6, 6, groups=6)
        self.pointwise = conv_bn_relu(6, 8)
        self.head = Head(8)


class Residual(nn.Module):
    """A signed branch beside an unsigned one, summed and rectified in place, as residual networks often write it."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = conv_bn_relu(4, 6)
        self.conv = nn.Conv2d(6, 6, 3, 1, 1)
        self.norm = nn.BatchNorm2d(6, eps=1e-3, momentum=0.2)
        self.relu = nn.ReLU(inplace=True)
        self.head = Head(6)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        out = self.norm(self.conv(x))
        out += x
        logits: Tensor = self.head(self.relu(out))
        return logits


class Pooled(nn.Module):
    """Biased convolutions without batch norm, ReLU behind the pooling, a hidden linear layer, everything functional."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(4, 5, (3, 2), padding="same")
        self.around = nn.ZeroPad2d((1, 0, 0, 2))
        self.second = nn.Conv2d(5, 6, (3, 1), stride=(2, 1), padding=(1, 0))
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.hidden = nn.Linear(6 * 4 * 7, 7)
        self.logits = nn.Linear(7, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.pool(self.first(x)))
        x = torch.relu(self.second(self.around(x)))
        x = torch.relu(self.hidden(x.view(x.size(0), -1)))
        logits: Tensor = self.logits(x)
        return logits


class Branched(nn.Module):
    """Groups, three filters per channel, a mean under a window, and channels joined with those of a signed branch."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(4, 4, 3, 1, 1)
        self.grouped = conv_bn_relu(4, 6, groups=2)
        self.multiplied = nn.Conv2d(4, 12, 5, 1, 2, groups=4)
        self.window = nn.AvgPool2d(3, 2, 1, count_include_pad=False)
        self.head = Head(22)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        joined = self.window(torch.cat([self.grouped(x), self.multiplied(x)], 1))
        small = nn.functional.avg_pool2d(x, 2)
        logits: Tensor = self.head(torch.cat([joined, small], 1))
        return logits


NETWORKS: dict[str, type[nn.Module]] = {
    "separable": Separable,
    "residual": Residual,
    "pooled": Pooled,
    "branched": Branched,
}


def counts(windows: int = 16, seed: int = 0, shape: tuple[int, ...] = SHAPE) -> Tensor:
    """Sparse event counts, uint8 [windows, C, H, W]: nine cells of ten are zero."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.randint(1, 6, (windows, *shape), generator=generator)
    return (values * (torch.rand(values.shape, generator=generator) < 0.1)).to(torch.uint8)


def train(prepared: PreparedProgram, steps: int = 12) -> PreparedProgram:
    """A few steps towards labels that depend on the counts, so that every parameter and statistic moves."""
    optimiser = torch.optim.Adam(prepared.parameters(), 0.02)
    prepared.train()
    for step in range(steps):
        batch = counts(seed=step)
        labels = batch[:, :3].sum((2, 3)).argmax(1)
        loss = nn.functional.cross_entropy(prepared(batch), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return prepared.eval()
