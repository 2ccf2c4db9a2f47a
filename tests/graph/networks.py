"""Small random networks for tests: sparse windows, calibrated scales, activations that are mostly zero.

`random_graph` resembles the voxel network people ship: 3x3 stem, depthwise and pointwise layers, global mean, head.
The others cover what it leaves out. Everything follows from the seed.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evbench.graph.execute import accumulate, run_operator, window_sums
from evbench.graph.model import (
    Add,
    AveragePool2d,
    Concat,
    Conv2d,
    DType,
    GlobalAveragePool,
    IntegerGraph,
    Linear,
    MaxPool2d,
    Operator,
    Rescale,
    Tensor,
)


def sparse_windows(seed: int, count: int, shape: tuple[int, int, int] = (10, 128, 128)) -> NDArray[np.uint8]:
    """Voxel grids uint8 [count, C, H, W]: a moving edge and noise, 0.3-1 % of cells filled with small counts."""
    rng = np.random.default_rng(seed)
    channels, height, width = shape
    grids = np.zeros((count, *shape), np.uint8)
    for grid in grids:
        events = int(rng.integers(height * width // 60, height * width // 12)) + 4
        rows = rng.integers(0, height, events)
        edge = width * (0.2 + 0.6 * rng.random()) + rng.normal(0, 1 + width / 24, events)
        columns = np.where(rng.random(events) < 0.8, edge, rng.integers(0, width, events)).astype(int) % width
        np.add.at(grid, (rng.integers(0, channels, events), rows, columns), np.uint8(1))
    return grids


@dataclass
class Builder:
    """Adds layers one by one and calibrates each on the windows it was given."""

    seed: int
    windows: NDArray[np.uint8]
    float_weights: bool = False
    active: float = 0.15
    zero_points: bool = False
    wide: bool = False  # what follows is on 16-bit grids
    tensors: dict[str, Tensor] = field(default_factory=dict)
    operators: list[Operator] = field(default_factory=list)
    values: dict[str, NDArray[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        self.tensors["input"] = Tensor("input", tuple(self.windows.shape[1:]), DType.U8)
        self.values["input"] = self.windows

    def conv(
        self,
        source: str,
        channels: int,
        kernel: int = 3,
        stride: int = 1,
        *,
        depthwise: bool = False,
        groups: int = 1,
        relu: bool = True,
        padding: tuple[int, int, int, int] | None = None,
    ) -> str:
        """A convolution; depthwise keeps the channels of `source`. Returns the output tensor's name."""
        inputs, height, width = self.tensors[source].shape
        outputs = inputs if depthwise else channels
        groups = inputs if depthwise else groups
        side = kernel // 2
        pads = (side, side, side, side) if padding is None else padding
        shape = (outputs, inputs // groups, kernel, kernel)
        rows = (height + pads[0] + pads[2] - kernel) // stride + 1
        columns = (width + pads[1] + pads[3] - kernel) // stride + 1
        weight, scale = self._weights(shape)
        name = f"{'dw' if depthwise else 'conv'}{len(self.operators)}"

        def make(bias: NDArray[Any]) -> Conv2d:
            return Conv2d(name, (source,), f"{name}.out", weight, scale, bias, (stride, stride), pads, groups, relu)

        return self._weighted(make, (outputs, rows, columns), scale, relu)

    def linear(self, source: str, outputs: int, *, logits: bool = True, relu: bool = False) -> str:
        """A fully connected layer with f32 output, or with an 8-bit one unless `logits`."""
        weight, scale = self._weights((outputs, self.tensors[source].size), per_tensor=True)
        if logits:  # a trained head's logits differ by a few units
            spread = max(self._real(source).reshape(len(self.windows), -1).std(), 1e-3)  # all may be alike
            size = spread * np.sqrt(self.tensors[source].size)
            if self.float_weights:
                weight = weight * np.float32(3 / size)
            scale = scale * np.float32(3 / size)
        name = f"fc{len(self.operators)}"

        def make(bias: NDArray[Any]) -> Linear:
            return Linear(name, (source,), f"{name}.out", weight, scale, bias, relu)

        return self._weighted(make, (outputs,), scale, relu, logits)

    def add(self, first: str, second: str, *, relu: bool = True) -> str:
        name = f"add{len(self.operators)}"
        real = self._real(first) + self._real(second)
        output = self._calibrated(f"{name}.out", self.tensors[first].shape, real, relu)
        return self._append(Add(name, (first, second), output.name, relu), output)

    def maxpool(self, source: str, kernel: int = 2, stride: int = 2, padding: int = 0) -> str:
        channels, height, width = self.tensors[source].shape
        shape = (channels, *((side + 2 * padding - kernel) // stride + 1 for side in (height, width)))
        name, given = f"pool{len(self.operators)}", self.tensors[source]
        output = Tensor(f"{name}.out", shape, given.dtype, given.scale, given.zero_point)
        pool = MaxPool2d(name, (source,), output.name, (kernel, kernel), (stride, stride), (padding,) * 4)
        return self._append(pool, output)

    def average(self, source: str) -> str:
        name, given = f"mean{len(self.operators)}", self.tensors[source]
        real = self._real(source).mean(axis=(2, 3))
        output = self._calibrated(f"{name}.out", (given.shape[0], 1, 1), real, given.dtype is DType.U8)
        return self._append(GlobalAveragePool(name, (source,), output.name), output)

    def average_window(
        self, source: str, kernel: tuple[int, int], stride: int, padding: tuple[int, int, int, int], counted: bool
    ) -> str:
        """A mean under a window on a grid of its own."""
        channels, height, width = self.tensors[source].shape
        rows = (height + padding[0] + padding[2] - kernel[0]) // stride + 1
        columns = (width + padding[1] + padding[3] - kernel[1]) // stride + 1
        name, given = f"window{len(self.operators)}", self.tensors[source]
        pool = AveragePool2d(name, (source,), f"{name}.out", kernel, (stride, stride), padding, counted)
        total, count = window_sums(self.graph(source), pool, self.values[source])
        shape = (channels, rows, columns)
        return self._append(pool, self._calibrated(pool.output, shape, total / count * given.scale, relu=False))

    def rescale(self, source: str) -> str:
        """The same values on another grid of the present width."""
        name, given = f"grid{len(self.operators)}", self.tensors[source]
        output = self._calibrated(f"{name}.out", given.shape, self._real(source), relu=False)
        return self._append(Rescale(name, (source,), output.name), output)

    def concat(self, *sources: str, relu: bool = False) -> str:
        """The channels of all sources on one grid; `relu` says that none is negative."""
        name = f"concat{len(self.operators)}"
        real = np.concatenate([self._real(source) for source in sources], axis=1)
        output = self._calibrated(f"{name}.out", tuple(real.shape[1:]), real, relu)
        return self._append(Concat(name, sources, output.name), output)

    def graph(self, output: str, name: str = "random") -> IntegerGraph:
        return IntegerGraph(name, dict(self.tensors), tuple(self.operators), ("input",), (output,))

    def _weights(self, shape: tuple[int, ...], per_tensor: bool = False) -> tuple[NDArray[Any], NDArray[np.float32]]:
        real = self.rng.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape).astype(np.float32)
        real *= self.rng.uniform(0.5, 1.5, (shape[0],) + (1,) * (len(shape) - 1)).astype(np.float32)
        if self.float_weights:
            return real, np.zeros(0, np.float32)
        largest = np.abs(real).reshape(shape[0], -1).max(axis=1)
        scale = (np.full_like(largest, largest.max()) if per_tensor else largest) / np.float32(127)
        return np.rint(real / scale.reshape(-1, *(1,) * (len(shape) - 1))).astype(np.int8), scale.astype(np.float32)

    def _weighted(
        self, make: Any, shape: tuple[int, ...], scale: NDArray[np.float32], relu: bool, logits: bool = False
    ) -> str:
        """Choose a bias that leaves `active` of the outputs above zero, then a scale that fills 8 bits."""
        kind = np.float32 if self.float_weights else np.int32
        draft = make(np.zeros(shape[0], kind))
        self.tensors[draft.output] = Tensor(draft.output, shape, DType.F32)
        graph = self.graph(draft.output)
        source = self.values[draft.inputs[0]]
        sums = accumulate(graph, draft, [source])
        per_channel = np.moveaxis(sums, 1, 0).reshape(shape[0], -1)
        spread = per_channel.std(axis=1) + (0 if self.float_weights else 1)
        level = np.quantile(per_channel, 1 - self.active, axis=1) if relu else per_channel.mean(axis=1)
        noise = self.rng.normal(0, 0.1, shape[0]) * spread
        operator = make((-level + noise).astype(kind) if self.float_weights else np.rint(noise - level).astype(kind))
        if logits or self.float_weights:
            return self._append(operator, self.tensors[draft.output])
        unit = self.tensors[draft.inputs[0]].scale * scale.astype(np.float64)
        real = (per_channel + operator.bias[:, None]) * unit[:, None]
        return self._append(operator, self._calibrated(draft.output, shape, real, relu))

    def _calibrated(self, name: str, shape: tuple[int, ...], real: NDArray[Any], relu: bool) -> Tensor:
        if self.float_weights:
            return Tensor(name, shape, DType.F32)
        if self.wide:
            largest = max(float(np.abs(real).max()) * 0.99, 1e-3)  # the largest few saturate
            return Tensor(name, shape, DType.S16, float(np.float32(largest / 32767)))
        if self.zero_points and not relu:
            low, high = min(float(real.min()), 0.0), max(float(real.max()), 0.0)
            scale = float(np.float32(max(high - low, 1e-3) / 255))
            return Tensor(name, shape, DType.U8, scale, int(np.clip(round(-low / scale), 0, 255)))
        largest = max(float(np.quantile(np.abs(np.maximum(real, 0) if relu else real), 0.9995)), 1e-3)
        scale = float(np.float32(largest / (255 if relu else 127)))
        return Tensor(name, shape, DType.U8 if relu else DType.S8, scale)

    def _real(self, name: str) -> NDArray[np.float64]:
        tensor = self.tensors[name]
        return (self.values[name].astype(np.float64) - tensor.zero_point) * tensor.scale

    def _append(self, operator: Operator, output: Tensor) -> str:
        self.tensors[output.name] = output
        self.operators.append(operator)
        inputs = [self.values[name] for name in operator.inputs]
        self.values[output.name] = run_operator(self.graph(output.name), operator, inputs)
        return output.name


def random_graph(
    seed: int,
    *,
    size: tuple[int, int] = (128, 128),
    bins: int = 5,
    width: int = 8,
    classes: int = 11,
    float_weights: bool = False,
) -> IntegerGraph:
    """Depthwise-separable voxel network: stem 3x3/2, three separable blocks, global mean, f32 logits [classes]."""
    build = Builder(seed, sparse_windows(seed + 1, 6, (2 * bins, *size)), float_weights)
    last = build.conv("input", width, stride=2)
    for channels, stride in ((2 * width, 2), (3 * width, 2), (3 * width, 1)):
        last = build.conv(last, 0, stride=stride, depthwise=True)
        last = build.conv(last, channels, kernel=1)
    return build.graph(build.linear(build.average(last), classes), f"random-{seed}")


def float_graph(seed: int, **options: Any) -> IntegerGraph:
    """`random_graph` with float32 weights and activations; its stem reads the uint8 window."""
    return random_graph(seed, float_weights=True, **options)


def residual_graph(
    seed: int,
    *,
    size: tuple[int, int] = (64, 64),
    bins: int = 5,
    width: int = 8,
    classes: int = 7,
    float_weights: bool = False,
) -> IntegerGraph:
    """Residual voxel network: stem, max pool, blocks with identity and 1x1/2 shortcuts (signed), f32 logits."""
    build = Builder(seed, sparse_windows(seed + 1, 6, (2 * bins, *size)), float_weights, active=0.2)
    last = build.maxpool(build.conv("input", width, stride=2), kernel=3, stride=2, padding=1)
    for channels, stride in ((width, 1), (2 * width, 2), (2 * width, 1)):
        branch = build.conv(build.conv(last, channels, stride=stride), channels, relu=False)
        shortcut = last if stride == 1 else build.conv(last, channels, kernel=1, stride=stride, relu=False)
        last = build.add(branch, shortcut)
    return build.graph(build.linear(build.average(last), classes), f"residual-{seed}")


def odd_graph(seed: int) -> IntegerGraph:
    """Odd sizes, lopsided padding, one channel, non-zero zero points, an 8-bit hidden linear layer behind a flatten."""
    rng = np.random.default_rng(seed)
    height, width = (int(side) for side in rng.integers(9, 24, 2))
    build = Builder(seed, sparse_windows(seed + 1, 6, (2, height, width)), active=0.3, zero_points=True)
    first = build.conv("input", int(rng.integers(1, 6)), stride=2, padding=(0, 1, 1, 1), relu=False)
    second = build.conv(first, 0, kernel=3, depthwise=True, relu=False)
    third = build.add(first, second, relu=False)
    pooled = build.maxpool(build.conv(third, 5, kernel=1), kernel=2, stride=2)
    hidden = build.linear(pooled, int(rng.integers(3, 9)), logits=False, relu=True)
    return build.graph(build.linear(hidden, 3), f"odd-{seed}")


def branched_graph(seed: int, *, zero_points: bool = True, float_weights: bool = False) -> IntegerGraph:
    """Groups, several filters per channel, 5x5 depthwise, windowed means and joined channels on unlike grids."""
    rng = np.random.default_rng(seed)
    height, width = (int(side) for side in rng.integers(11, 22, 2))
    build = Builder(seed, sparse_windows(seed + 1, 6, (2, height, width)), float_weights, 0.3, zero_points)
    first = build.conv("input", 6, stride=2, relu=False)
    grouped = build.conv(first, 9, groups=3, kernel=3)
    doubled = build.conv(first, 12, groups=6, kernel=3, relu=False)
    wide = build.conv(first, 0, kernel=5, depthwise=True)
    mean = build.average_window(first, (3, 2), 1, (1, 0, 1, 1), bool(seed % 2))
    joined = build.concat(grouped, doubled, wide, mean)
    pooled = build.average_window(joined, (2, 2), 2, (0, 0, 1, 1), not seed % 2)
    return build.graph(build.linear(pooled, 3), f"branched-{seed}")


def hybrid_graph(seed: int, *, zero_points: bool = False) -> IntegerGraph:
    """An 8-bit backbone and a head on 16-bit activations, with every operator that has a 16-bit kernel."""
    rng = np.random.default_rng(seed)
    height, width = (int(side) for side in rng.integers(11, 18, 2))
    build = Builder(seed, sparse_windows(seed + 1, 6, (2, height, width)), active=0.4, zero_points=zero_points)
    body = build.conv("input", 7, stride=2, relu=bool(seed % 2))
    build.wide = True
    mean = build.average(body)
    head = build.rescale(body)
    head = build.conv(head, 9)
    head = build.add(build.conv(build.conv(head, 0, depthwise=True, relu=False), 9, groups=3, relu=False), head)
    head = build.rescale(build.maxpool(head))
    deep = build.conv(build.conv(head, 62, kernel=1), 3, relu=False)  # 558 inputs: sums beyond 32 bits
    build.wide = False
    narrow = build.conv(build.rescale(deep), 4, kernel=1)
    build.wide = True
    wide_again = build.average(build.rescale(narrow))
    joined = build.add(build.linear(wide_again, 5, logits=False, relu=True), build.linear(mean, 5, logits=False))
    return build.graph(build.linear(joined, 3), f"hybrid-{seed}")


def mixed_graph(seed: int) -> IntegerGraph:
    """Float layers between 8-bit and 16-bit ones, with every change of precision in between.

    Of every second float layer the weights are stored in half precision.
    """
    build = Builder(seed, sparse_windows(seed + 1, 6, (2, 13, 11)), active=0.4)
    body = build.conv("input", 7, relu=bool(seed % 2))
    build.float_weights = True
    real = build.conv(build.rescale(body), 6)
    real = build.add(build.conv(real, 6, groups=3), build.conv(real, 0, depthwise=True))
    build.float_weights = False
    narrow = build.conv(build.rescale(real), 5, stride=2)
    build.wide = True
    deep = build.add(build.conv(build.rescale(narrow), 6, kernel=1), build.conv(build.rescale(real), 6, stride=2))
    build.float_weights = True
    mean = build.average(build.rescale(deep))
    graph = build.graph(build.linear(build.linear(mean, 9, logits=False, relu=True), 3), f"mixed-{seed}")
    floats = [op for op in graph.operators if isinstance(op, Conv2d | Linear) and op.weight.dtype == np.float32]
    halves = {op.name: replace(op, weight=op.weight.astype(np.float16)) for op in floats[::2]}
    return replace(graph, operators=tuple(halves.get(op.name, op) for op in graph.operators))
