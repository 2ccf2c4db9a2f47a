"""`evbench boards explain`: a model or a benchmarked kernel on a virtual board, and where a layer's cycles go."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evbench.errors import BuildError, ModelError
from evbench.jobs.held_board import HeldBoard
from evbench.jobs.models import from_emptiest_to_fullest, open_model, windows_for
from evbench.jobs.store import Store
from evbench.profiles import BoardProfile

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from evbench.boards.explain import HotBlock, LayerExplanation
    from evbench.graph.model import IntegerGraph

WIDTH = 100
_CYCLE, _SLOT, _WHY = 6, 31, 28


def explain_model(
    store: Store,
    model: Path | None,
    layer: str,
    board: BoardProfile,
    recording: Path | None = None,
    blocks: int = 4,
) -> LayerExplanation:
    """A layer of a model, by index or name, on the median window of a recording. Raises as profiling a model does, and
    ModelError for a layer that is not there."""
    opened = open_model(model)
    windows = from_emptiest_to_fullest(windows_for(opened, recording), 3)
    return _explain(store, opened.graph, windows[len(windows) // 2], find_layer(opened.graph, layer), board, blocks)


def explain_kernel(store: Store, name: str, board: BoardProfile, blocks: int = 4) -> LayerExplanation:
    """A layer of `evbench bench kernels`, by the beginning of its name. Raises BuildError for an unknown one."""
    from evbench.jobs.benchmarks import CASES, LAYER, case_graph, case_window

    case = next((case for case in CASES if case.name.startswith(name)), None)
    if case is None:
        raise BuildError(
            f'There is no benchmark of a kernel called "{name}"',
            where="--kernel",
            remedy=f"Use the beginning of one of: {'; '.join(case.name for case in CASES)}",
        )
    graph = case_graph(case)
    return _explain(store, graph, case_window(case), find_layer(graph, LAYER), board, blocks)


def find_layer(graph: IntegerGraph, layer: str) -> int:
    """The index of a layer, given as a number or by name. Raises ModelError when the network has none like it."""
    names = [operator.name for operator in graph.operators]
    if layer in names:
        return names.index(layer)
    if layer.isdigit() and int(layer) < len(names):
        return int(layer)
    listed = ", ".join(f"{index} {name}" for index, name in enumerate(names))
    raise ModelError(f'The network has no layer "{layer}"', where=graph.name, remedy=f"Its layers are {listed}")


def _explain(
    store: Store, graph: IntegerGraph, window: NDArray[np.uint8], layer: int, board: BoardProfile, blocks: int
) -> LayerExplanation:
    from evbench.boards.explain import explain_layer
    from evbench.jobs.stages.hardware import fit

    fitted = fit(graph, board, store.workspace)
    held = HeldBoard(store, wait=False)
    try:
        return explain_layer(held.flash(fitted.board, fitted.build), fitted.build, graph, window, layer, blocks)
    finally:
        held.close()


# --- for people -------------------------------------------------------------------------------------------------------


def explanation_view(found: LayerExplanation) -> RenderableType:
    """The explanation in a hundred columns: the layer, then its hottest blocks cycle by cycle."""
    from rich.console import Group
    from rich.text import Text

    per_mac = f", {found.cycles / found.macs:.3f} per multiply-accumulate" if found.macs else ""
    slots = 2 * found.cycles
    lost = [f"wrong predictions {2 * found.misprediction_cycles / slots:.1%}"]
    lost += [f"instruction lines {2 * found.line_cycles / slots:.1%}"]
    lost += [f"{rule} {empty / slots:.1%}" for rule, empty in _worth(found, slots)]
    lines = [
        f"{found.layer} ({found.kind}): {found.cycles:,.0f} modelled cycles{per_mac}, data cache aside",
        f"{found.instructions / slots:.1%} of {slots:,.0f} issue slots hold an instruction; lost to {', '.join(lost)}",
    ]
    parts: list[RenderableType] = [Text(textwrap.fill(line, WIDTH)) for line in lines]
    for block in found.blocks:
        title = (
            f"{block.place or hex(block.address)}: {block.cycles / found.cycles:.1%}, {block.runs:,} runs of "
            f"{block.per_run:g} cycles, {block.instructions_per_cycle:.2f} instructions per cycle"
        )
        wrong = f", {block.misprediction_cycles:,} cycles mispredicted" if block.misprediction_cycles else ""
        parts += [Text(), Text(title + wrong, style="bold"), _block_table(block)]
    return Group(*parts)


def _worth(found: LayerExplanation, slots: float) -> list[tuple[str, float]]:
    """The rules that cost at least a thousandth of the issue slots."""
    return [(rule, lost) for rule, lost in found.lost.items() if lost / slots >= 0.001]


def _block_table(block: HotBlock) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, width=WIDTH, padding=(0, 1, 0, 0), header_style="dim")
    table.add_column("cycle", justify="right", width=_CYCLE)
    table.add_column("older slot", width=_SLOT, no_wrap=True)
    table.add_column("younger slot", width=_SLOT, no_wrap=True)
    table.add_column("why it stays empty", width=_WHY, style="yellow")
    for row in _rows(block):
        table.add_row(*map(Text, row))
    return table


def _rows(block: HotBlock) -> Iterator[tuple[str, str, str, str]]:
    """Cycle, older, younger, why: one row per pair, and one for each wait between two."""
    issued = list(block.issued)
    for index, one in enumerate(issued):
        if one.younger:
            continue
        if one.waits:
            register = f" for {one.waits_for}" if one.waits_for else ""
            yield "", f"  waits {one.waits:g}{register}", "", one.rule
        following = issued[index + 1] if index + 1 < len(issued) else None
        pair = following if following is not None and following.younger else None
        if pair is not None:
            why = f"{pair.rule}, +{pair.waits:g}" if pair.rule else ""
        elif one.occupies > 1:
            why = f"{one.occupied_by} x{one.occupies}"
        else:
            register = f" ({following.waits_for})" if following is not None and following.waits_for else ""
            why = following.rule + register if following is not None else ""
        yield f"{one.cycle:g}", one.text, pair.text if pair else "", why
