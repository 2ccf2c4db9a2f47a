"""A whole network's cycles per multiply-accumulate, beside what others publish: benchmarks that need no data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from evbench.jobs.benchmarks import toolchains
from evbench.profile_files import load_profile
from evbench.profiles import BoardProfile, Model

if TYPE_CHECKING:
    from rich.table import Table

    from evbench.boards.profile_run import ProfileRun
    from evbench.boards.session import BoardSession
    from evbench.graph.model import IntegerGraph

_Positive = Annotated[int, Field(gt=0)]


class Shape(Model):
    """A network by registered name or as `package.module:Class`, its `input` as [channels, height, width]."""

    name: str
    input: tuple[_Positive, _Positive, _Positive]
    classes: _Positive


class Target(Model):
    """What the network may cost in cycles per multiply-accumulate."""

    cycles_per_mac: float = Field(gt=0)


class NetworkBenchmark(Model):
    """A benchmark; `id` is the file's stem, `published` maps others' tools to cycles per multiply-accumulate."""

    id: str
    network: Shape
    target: Target
    published: dict[str, float] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NetworkFigure:
    """What one whole network cost with one toolchain, and whether its bytes equal the reference's.

    layers: name, multiply-accumulates and cycles of each; data_cache_cycles: how many of the cycles were data-cache
    misses, None where the board does not tell; equal: every tensor has the reference's bytes.
    """

    name: str
    board: str
    modelled: bool
    toolchain: str
    macs: int
    cycles: int
    data_cache_cycles: int | None
    latency_ms: float
    cycles_per_mac: float
    target: float
    published: dict[str, float]
    equal: bool
    flash_bytes: int
    ram_bytes: int
    layers: tuple[dict[str, Any], ...]

    @property
    def meets_target(self) -> bool:
        return self.equal and self.cycles_per_mac < self.target

    def to_json(self) -> dict[str, Any]:
        """The figure as plain values."""
        return asdict(self) | {"meets_target": self.meets_target}


def load_benchmark(name_or_path: str | Path) -> NetworkBenchmark:
    """A bundled benchmark by name, or any by path. Raises ProfileError as recipes do."""
    return load_profile(NetworkBenchmark, "benchmark", "benchmarks", name_or_path)


def measure_network(benchmark: NetworkBenchmark, profile: BoardProfile, cache: Path) -> list[NetworkFigure]:
    """Quantises the network with random weights and runs it on the board of `profile`, with each toolchain there is.

    The road is that of trained networks: torch, integer graph, C, image, board. The network runs twice, so that branch
    predictor and instruction cache know it, and on a virtual board the data-cache misses of one run are added.
    Raises what making networks, building and boards raise.
    """
    from evbench.boards.session import open_board
    from evbench.training.untrained import untrained_graph

    shape = benchmark.network
    graph = untrained_graph(shape.name, shape.input, shape.classes)
    with open_board(profile) as session:
        return [
            _measure(benchmark, graph, profile.model_copy(update={"toolchain": toolchain}), session, cache)
            for toolchain in toolchains(profile)
        ]


def _measure(
    benchmark: NetworkBenchmark, graph: IntegerGraph, profile: BoardProfile, session: BoardSession, cache: Path
) -> NetworkFigure:
    from evbench.boards.execution import BoardExecution
    from evbench.compile.build import build_firmware
    from evbench.graph.execute import execute

    build = build_firmware(graph, profile, cache)
    window = np.random.default_rng(1).integers(0, 255, benchmark.network.input, np.uint8, endpoint=True)
    session.flash(build)
    found, expected = BoardExecution(session, build, graph).run(window[None]), execute(graph, window[None])
    equal = all(np.array_equal(found[name], expected[name]) for name in expected)
    run = session.profile(build, graph, [window, window])
    return _figure(benchmark, build.toolchain, run, equal)


def _figure(benchmark: NetworkBenchmark, toolchain: str, run: ProfileRun, equal: bool) -> NetworkFigure:
    macs = sum(layer.macs for layer in run.layers)
    return NetworkFigure(
        name=benchmark.id,
        board=run.board,
        modelled=run.modelled,
        toolchain=toolchain,
        macs=macs,
        cycles=run.total_cycles,
        data_cache_cycles=sum(run.data_cache_cycles) if run.data_cache_cycles else None,
        latency_ms=run.latency_ms,
        cycles_per_mac=run.total_cycles / macs,
        target=benchmark.target.cycles_per_mac,
        published=benchmark.published,
        equal=equal,
        flash_bytes=run.flash_bytes,
        ram_bytes=run.ram_bytes,
        layers=tuple({"name": layer.name, "macs": layer.macs, "cycles": layer.cycles} for layer in run.layers),
    )


def network_table(figures: list[NetworkFigure]) -> Table:
    """The figures for people, with what others publish below them."""
    from rich.table import Table

    first = figures[0]
    word = "modelled cycles" if first.modelled else "cycles"
    table = Table(title=f"{first.name}: {first.macs:,} multiply-accumulates on {first.board}, {word}")
    for heading in ("tool", "cycles", "of them cache misses", "ms", "per MAC", "target", "same bytes"):
        table.add_column(heading, justify="left" if heading == "tool" else "right")
    for figure in figures:
        misses = "" if figure.data_cache_cycles is None else f"{figure.data_cache_cycles:,}"
        costs = (f"{figure.cycles:,}", misses, f"{figure.latency_ms:.1f}", f"{figure.cycles_per_mac:.3f}")
        equal = "yes" if figure.equal else "no"
        table.add_row(f"evbench, {figure.toolchain}", *costs, f"< {figure.target:.2f}", equal)
    for tool, value in first.published.items():
        table.add_row(f"{tool}, published", "", "", "", f"{value:.2f}", "", "")
    return table
