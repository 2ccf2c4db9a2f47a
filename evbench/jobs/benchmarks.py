"""The layers that the int8 kernels are judged by: cycles per multiply-accumulate on a board, beside CMSIS-NN's."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from evbench.errors import BuildError
from evbench.graph.model import Conv2d, DType, IntegerGraph, Linear, Operator, Tensor
from evbench.profiles import BoardProfile

if TYPE_CHECKING:
    from rich.table import Table

    from evbench.boards.session import BoardSession

TOOLCHAINS: tuple[Literal["gcc", "zig"], ...] = ("gcc", "zig")
_INPUT_ZEROS = 0.5


@dataclass(frozen=True, slots=True)
class KernelCase:
    """One layer: shape of its input (C, H, W) or (F,), outputs, and what it may cost in cycles per MAC.

    cmsis_nn: cycles per MAC of CMSIS-NN's kernel for the same layer, gcc 12 -O3, on the same timing model.
    """

    name: str
    shape: tuple[int, ...]
    outputs: int
    kernel: int
    stride: int
    depthwise: bool
    target: float
    cmsis_nn: float


CASES = (
    KernelCase("stem 3x3/2 10-24 at 128x128", (10, 128, 128), 24, 3, 2, False, 0.80, 1.90),
    KernelCase("conv 3x3 24-48 at 32x32", (24, 32, 32), 48, 3, 1, False, 0.70, 1.42),
    KernelCase("pointwise 48-96 at 32x32", (48, 32, 32), 96, 1, 1, False, 0.70, 1.54),
    KernelCase("depthwise 3x3 48 at 32x32", (48, 32, 32), 48, 3, 1, True, 2.50, 6.51),
    KernelCase("linear 96-11", (96, 1, 1), 11, 1, 1, False, 1.20, 3.00),
)


@dataclass(frozen=True, slots=True)
class KernelFigure:
    """What one layer cost, and whether its bytes equal the reference's.

    data_cache_cycles: how many of the cycles were data-cache misses; None where the board does not tell.
    """

    name: str
    toolchain: str
    macs: int
    cycles: int
    data_cache_cycles: int | None
    cycles_per_mac: float
    target: float
    cmsis_nn: float
    equal: bool

    @property
    def meets_target(self) -> bool:
        return self.equal and self.cycles_per_mac <= self.target

    def to_json(self) -> dict[str, Any]:
        """The figure as plain values."""
        return asdict(self) | {"meets_target": self.meets_target}


def case_graph(case: KernelCase, seed: int = 0) -> IntegerGraph:
    """A network of this one layer with random weights, calibrated to use its output's range."""
    rng = np.random.default_rng(seed)
    source = Tensor("input", case.shape, DType.U8, 1.0)
    linear = case.shape[1:] == (1, 1)
    inputs = 1 if case.depthwise else case.shape[0]
    weight = rng.integers(-127, 127, (case.outputs, inputs, case.kernel, case.kernel), endpoint=True).astype(np.int8)
    scale = np.full(case.outputs, 0.01, np.float32)
    bias = rng.integers(-(2**12), 2**12, case.outputs).astype(np.int32)
    operator: Operator
    if linear:
        operator = Linear("layer", ("input",), "output", weight[:, :, 0, 0], scale, bias, relu=False)
        output = Tensor("output", (case.outputs,), DType.F32)
    else:
        pad, groups = case.kernel // 2, case.outputs if case.depthwise else 1
        stride, padding = (case.stride, case.stride), (pad, pad, pad, pad)
        operator = Conv2d("layer", ("input",), "output", weight, scale, bias, stride, padding, groups, relu=True)
        sides = tuple((side + 2 * pad - case.kernel) // case.stride + 1 for side in case.shape[1:])
        reach = float(np.float32(0.01 * 127 * np.sqrt(inputs * case.kernel**2)))
        output = Tensor("output", (case.outputs, *sides), DType.U8, reach)
    tensors = {"input": source, "output": output}
    return IntegerGraph(case.name, tensors, (operator,), ("input",), ("output",), metadata={"bins": "0"})


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
    from evbench.graph.execute import execute

    graph = case_graph(case)
    build = build_firmware(graph, profile, cache)
    rng = np.random.default_rng(1)
    values = rng.integers(0, 255, case.shape, endpoint=True)
    window = np.where(rng.random(case.shape) < _INPUT_ZEROS, 0, values).astype(np.uint8)
    session.flash(build)
    found = BoardExecution(session, build, graph).run(window[None])["output"]
    equal = bool(np.array_equal(found, execute(graph, window[None])["output"]))
    run = session.profile(build, graph, [window, window])
    layer = run.layers[0]
    return KernelFigure(
        name=case.name,
        toolchain=build.toolchain,
        macs=layer.macs,
        cycles=layer.cycles,
        data_cache_cycles=run.data_cache_cycles[0] if run.data_cache_cycles else None,
        cycles_per_mac=layer.cycles / layer.macs,
        target=case.target,
        cmsis_nn=case.cmsis_nn,
        equal=equal,
    )


def kernels_table(figures: Sequence[KernelFigure]) -> Table:
    """The figures for people."""
    from rich.table import Table

    table = Table(title="Cycles per multiply-accumulate")
    for heading in ("layer", "compiler"):
        table.add_column(heading)
    for heading in ("MACs", "cycles", "of them cache misses", "per MAC", "target", "CMSIS-NN", "same bytes"):
        table.add_column(heading, justify="right")
    for figure in figures:
        misses = "" if figure.data_cache_cycles is None else f"{figure.data_cache_cycles:,}"
        counts = (f"{figure.macs:,}", f"{figure.cycles:,}", misses)
        ratios = (f"{figure.cycles_per_mac:.2f}", f"{figure.target:.2f}", f"{figure.cmsis_nn:.2f}")
        table.add_row(figure.name, figure.toolchain, *counts, *ratios, "yes" if figure.equal else "no")
    return table
