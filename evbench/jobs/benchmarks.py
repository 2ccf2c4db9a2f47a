"""The layers that kernels are judged by: cycles per multiply-accumulate on a board, beside CMSIS-NN's."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from evbench.errors import BuildError
from evbench.graph.activity import with_activity
from evbench.graph.model import Conv2d, DType, GlobalAveragePool, IntegerGraph, Linear, Operator, Rescale, Tensor
from evbench.profiles import BoardProfile

if TYPE_CHECKING:
    from rich.table import Table

    from evbench.boards.session import BoardSession

TOOLCHAINS: tuple[Literal["gcc", "zig"], ...] = ("gcc", "zig")
LAYER = "layer"
_INPUT_ZEROS = 0.5


@dataclass(frozen=True, slots=True)
class KernelCase:
    """One layer: shape of its input (C, H, W), outputs, and what it may cost in cycles per MAC.

    given: type of the activations it reads; weights are int8, with F32 float32. cmsis_nn: cycles per MAC of CMSIS-NN's
    kernel for the same layer, gcc 12 -O3, on the same timing model. None: nothing was agreed, or nothing measured.
    """

    name: str
    shape: tuple[int, int, int]
    outputs: int
    kernel: int = 1
    stride: int = 1
    groups: int = 1
    target: float | None = None
    cmsis_nn: float | None = None
    given: DType = DType.U8


CASES = (
    KernelCase("stem 3x3/2 10-24 at 128x128", (10, 128, 128), 24, 3, 2, target=0.80, cmsis_nn=1.90),
    KernelCase("conv 3x3 24-48 at 32x32", (24, 32, 32), 48, 3, target=0.70, cmsis_nn=1.42),
    KernelCase("pointwise 48-96 at 32x32", (48, 32, 32), 96, target=0.70, cmsis_nn=1.54),
    KernelCase("depthwise 3x3 48 at 32x32", (48, 32, 32), 48, 3, groups=48, target=2.50, cmsis_nn=6.51),
    KernelCase("linear 96-11", (96, 1, 1), 11, target=1.20, cmsis_nn=3.00),
    KernelCase("depthwise 5x5 48 at 32x32", (48, 32, 32), 48, 5, groups=48),
    KernelCase("depthwise 3x3 24 x 2 at 32x32", (24, 32, 32), 48, 3, groups=24),
    KernelCase("grouped 3x3 48-48 in 4 at 32x32", (48, 32, 32), 48, 3, groups=4),
    KernelCase("conv 3x3 24-48 at 32x32, 16 bit", (24, 32, 32), 48, 3, given=DType.S16),
    KernelCase("pointwise 48-96 at 32x32, 16 bit", (48, 32, 32), 96, given=DType.S16),
    KernelCase("depthwise 3x3 48 at 32x32, 16 bit", (48, 32, 32), 48, 3, groups=48, given=DType.S16),
    KernelCase("linear 96-11, 16 bit", (96, 1, 1), 11, given=DType.S16),
    KernelCase("conv 3x3 24-48 at 16x16, float", (24, 16, 16), 48, 3, given=DType.F32),
    KernelCase("depthwise 3x3 48 at 16x16, float", (48, 16, 16), 48, 3, groups=48, given=DType.F32),
    KernelCase("linear 96-11, float", (96, 1, 1), 11, given=DType.F32),
)


@dataclass(frozen=True, slots=True)
class KernelFigure:
    """What one layer cost, and whether its bytes equal the reference's: with float layers those of the same C here.

    modelled: whether cycles come from a timing model. data_cache_cycles: how many of the cycles were data-cache misses;
    None where the board does not tell. instructions_per_mac: as the virtual board counts them,
    qemu_instructions_per_mac as QEMU does; None on a real board and where QEMU is not installed.
    """

    name: str
    toolchain: str
    modelled: bool
    macs: int
    cycles: int
    data_cache_cycles: int | None
    cycles_per_mac: float
    target: float | None
    cmsis_nn: float | None
    equal: bool
    instructions_per_mac: float | None
    qemu_instructions_per_mac: float | None

    @property
    def meets_target(self) -> bool:
        return self.equal and (self.target is None or self.cycles_per_mac <= self.target)

    def to_json(self) -> dict[str, Any]:
        """The figure as plain values."""
        return asdict(self) | {"meets_target": self.meets_target}


def case_graph(case: KernelCase, seed: int = 0) -> IntegerGraph:
    """A network around this layer, called LAYER, with random weights, calibrated on full windows.

    A layer that does not read the window's bytes stands behind one that makes its input, and a float map, which is more
    than a board reports, before a mean.
    """
    rng = np.random.default_rng(seed)
    operators, source = _input_of(case)
    inputs = case.shape[0] // case.groups
    linear = case.shape[1:] == (1, 1)
    weight = rng.integers(-127, 127, (case.outputs, inputs, case.kernel, case.kernel), endpoint=True).astype(np.int8)
    scale = np.full(case.outputs, 0.01, np.float32)
    bias = rng.integers(-(2**12), 2**12, case.outputs).astype(np.int32)
    constants = (weight, scale, bias)
    if case.given is DType.F32:
        constants = (weight.astype(np.float32), np.zeros(0, np.float32), bias.astype(np.float32))
    operator: Operator
    layers: tuple[Operator, ...]
    if linear:
        flat = (constants[0][:, :, 0, 0], *constants[1:])
        operator = Linear(LAYER, (source.name,), "output", *flat, relu=False)
        output = Tensor("output", (case.outputs,), DType.F32)
    else:
        pad = case.kernel // 2
        stride, padding = (case.stride, case.stride), (pad, pad, pad, pad)
        operator = Conv2d(LAYER, (source.name,), "output", *constants, stride, padding, case.groups, relu=True)
        sides = tuple((side + 2 * pad - case.kernel) // case.stride + 1 for side in case.shape[1:])
        reach = 0.01 * 127 * np.sqrt(inputs * case.kernel**2)
        steps = {DType.U8: 1.0, DType.S16: 128.0}  # per step of the window's values
        step = 1.0 if case.given is DType.F32 else float(np.float32(reach / steps[case.given]))
        output = Tensor("output", (case.outputs, *sides), case.given, step)
    window = Tensor("input", case.shape, DType.U8, 1.0)
    tensors = {tensor.name: tensor for tensor in (window, source, output)}
    layers = (*operators, operator)
    if output.dtype.is_float and not linear:
        tensors["mean"] = Tensor("mean", (case.outputs, 1, 1), DType.F32)
        layers = (*layers, GlobalAveragePool("mean", ("output",), "mean"))
    graph = IntegerGraph(case.name, tensors, layers, ("input",), (layers[-1].output,), metadata={"bins": "0"})
    return with_activity(graph, np.ones((1, *case.shape), np.uint8))  # full windows: no kernel that skips is chosen


def _input_of(case: KernelCase) -> tuple[tuple[Operator, ...], Tensor]:
    """What makes the case's input of the window's bytes, and that input."""
    if case.given is DType.U8:
        return (), Tensor("input", case.shape, DType.U8, 1.0)
    channels = case.shape[0]
    if case.given is DType.S16:
        source = Tensor("source", case.shape, DType.S16, 1 / 128)
        return (Rescale("before", ("input",), "source"),), source
    weight, bias = np.full((channels, 1, 1, 1), 1 / 128, np.float32), np.zeros(channels, np.float32)
    none = np.zeros(0, np.float32)
    before = Conv2d("before", ("input",), "source", weight, none, bias, (1, 1), (0, 0, 0, 0), channels, relu=False)
    return (before,), Tensor("source", case.shape, DType.F32)


def case_window(case: KernelCase) -> NDArray[np.uint8]:
    """The input that a case is measured on, uint8 [C, H, W]: random, about half of it zeros."""
    rng = np.random.default_rng(1)
    values = rng.integers(0, 255, case.shape, endpoint=True)
    return np.where(rng.random(case.shape) < _INPUT_ZEROS, 0, values).astype(np.uint8)


def measure_kernels(profile: BoardProfile, cache: Path) -> list[KernelFigure]:
    """Runs every case on the board of `profile`, with each toolchain that its profile allows and that is there.

    Each layer runs twice: the second time branch predictor and instruction cache know it, as in a network that runs
    window after window. On a virtual board the data-cache misses of one run are part of the figure; weights are cold.
    Raises what building and boards raise.
    """
    from evbench.boards.session import open_board

    figures = []
    with open_board(profile) as session:
        for toolchain in toolchains(profile):
            chosen = profile.model_copy(update={"toolchain": toolchain})
            figures += [_measure(case, chosen, session, cache) for case in CASES]
    return figures


def toolchains(profile: BoardProfile) -> list[str]:
    """The toolchains that a board's profile allows and that are there, by name."""
    from evbench.compile.toolchain import find_toolchain

    if profile.toolchain != "auto":
        return [str(profile.toolchain)]
    found: list[str] = []
    for name in TOOLCHAINS:
        with contextlib.suppress(BuildError):
            found.append(find_toolchain(name).name)
    return found or ["auto"]


def _measure(case: KernelCase, profile: BoardProfile, session: BoardSession, cache: Path) -> KernelFigure:
    from evbench.boards.execution import BoardExecution
    from evbench.compile.build import build_firmware
    from evbench.compile.host import HostModel
    from evbench.graph.execute import execute

    graph = case_graph(case)
    build = build_firmware(graph, profile, cache)
    window = case_window(case)
    session.flash(build)
    found = BoardExecution(session, build, graph).run(window[None])["output"]
    expected = HostModel(graph, cache).run(window[None]) if graph.is_float else execute(graph, window[None])
    equal = bool(np.array_equal(found, expected["output"]))
    run = session.profile(build, graph, [window, window])
    index = next(number for number, operator in enumerate(graph.operators) if operator.name == LAYER)
    layer = run.layers[index]
    return KernelFigure(
        name=case.name,
        toolchain=build.toolchain,
        modelled=run.modelled,
        macs=layer.macs,
        cycles=layer.cycles,
        data_cache_cycles=run.data_cache_cycles[index] if run.data_cache_cycles else None,
        cycles_per_mac=layer.cycles / layer.macs,
        target=case.target,
        cmsis_nn=case.cmsis_nn,
        equal=equal,
        instructions_per_mac=_per_mac(session.count_instructions(window, 0), index, layer.macs),
        qemu_instructions_per_mac=_per_mac(_second_opinion(graph, profile, cache, window), index, layer.macs),
    )


def _second_opinion(
    graph: IntegerGraph, profile: BoardProfile, cache: Path, window: NDArray[np.uint8]
) -> tuple[int, ...] | None:
    """Instructions per layer as QEMU counts them, with the same toolchain; None where it is not installed."""
    from evbench.boards.qemu import count_instructions, has_qemu, qemu_profile
    from evbench.compile.build import build_firmware

    if not has_qemu():
        return None
    chosen = qemu_profile().model_copy(update={"toolchain": profile.toolchain})
    return count_instructions(build_firmware(graph, chosen, cache), graph, window)


def _per_mac(counts: tuple[int, ...] | None, index: int, macs: int) -> float | None:
    return counts[index] / macs if counts else None


def kernels_table(figures: Sequence[KernelFigure]) -> Table:
    """The figures for people."""
    from rich.table import Table

    word = "Modelled cycles" if any(figure.modelled for figure in figures) else "Cycles"
    table = Table(title=f"{word} per multiply-accumulate")
    for heading in ("layer", "compiler"):
        table.add_column(heading)
    for heading in ("MACs", "cycles", "of them cache misses", "per MAC", "target", "CMSIS-NN"):
        table.add_column(heading, justify="right")
    for heading in ("instructions per MAC", "QEMU's", "same bytes"):
        table.add_column(heading, justify="right")
    for figure in figures:
        misses = "" if figure.data_cache_cycles is None else f"{figure.data_cache_cycles:,}"
        counts = (f"{figure.macs:,}", f"{figure.cycles:,}", misses)
        ratios = (_ratio(figure.cycles_per_mac), _ratio(figure.target), _ratio(figure.cmsis_nn))
        instructions = (_ratio(figure.instructions_per_mac), _ratio(figure.qemu_instructions_per_mac))
        same = "yes" if figure.equal else "no"
        table.add_row(figure.name, figure.toolchain, *counts, *ratios, *instructions, same)
    return table


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
