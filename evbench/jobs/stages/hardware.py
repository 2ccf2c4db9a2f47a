"""Stages build, flash and profile: a model becomes an image, the image lies on a board, the board is measured."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evbench.errors import DoesNotFitError
from evbench.jobs.models import MODEL, by_occupied_cells, enough
from evbench.jobs.recorded import as_recorded
from evbench.jobs.skipping import describe_skipping
from evbench.jobs.stage import Context
from evbench.jobs.stages.dataset import Kind, windows_file
from evbench.profiles import BoardProfile, DatasetSettings, load_board
from evbench.workspace import Workspace

if TYPE_CHECKING:
    from evbench.boards.session import BoardSession, RunResult, Window
    from evbench.compile.build import Build
    from evbench.graph.model import IntegerGraph


@dataclass(frozen=True, eq=False)
class Fitted:
    """A build and the board profile it was made for; `misfit` says why the board asked for was too small."""

    build: Build
    board: BoardProfile
    misfit: str = ""


def fit(graph: IntegerGraph, board: BoardProfile, workspace: Workspace) -> Fitted:
    """Build for the board, or, where the image does not fit, for the profile that it names for oversize models.

    Builds are kept in the workspace's cache by content. Raises DoesNotFitError when neither is large enough.
    """
    from evbench.compile.build import build_firmware

    cache = workspace.cache / "builds"
    try:
        return Fitted(build_firmware(graph, board, cache), board)
    except DoesNotFitError as error:
        if board.board.oversize is None:
            raise
        larger = load_board(board.board.oversize)
        return Fitted(build_firmware(graph, larger, cache), larger, misfit=error.what)


def load_model(folder: Path) -> IntegerGraph:
    """The graph of a model folder."""
    from evbench.graph.file import load_graph

    return load_graph(folder / "graph.safetensors")


def build(context: Context, board: BoardProfile) -> str:
    """Write `build.json`: which board, whether it fits, sizes and tools."""
    fitted = fit(load_model(context.inputs["export"] / MODEL), board, context.workspace)
    made = fitted.build
    context.write(
        "build.json",
        {
            "board": fitted.board.id,
            "fits": not fitted.misfit,
            "misfit": fitted.misfit,
            "build_id": made.build_id,
            "flash_bytes": made.flash_bytes,
            "ram_bytes": made.ram_bytes,
        },
    )
    sizes = f"flash {made.flash_bytes / 1024:.0f} KiB, RAM {made.ram_bytes / 1024:.0f} KiB"
    if fitted.misfit:
        return f"{sizes}; does not fit {board.id}, so measured on {fitted.board.id}"
    return f"{sizes}; fits {board.id}"


def flash(context: Context, board: BoardProfile) -> str:
    """Flash and verify; write `flash.json`."""
    assert context.board is not None
    fitted = fit(load_model(context.inputs["export"] / MODEL), board, context.workspace)
    context.board.flash(fitted.board, fitted.build, lambda step, share: context.progress(share, step))
    context.write("flash.json", {"board": fitted.board.id, "build_id": fitted.build.build_id})
    return f"build {fitted.build.build_id[:12]} verified on {fitted.board.id}"


def profile(context: Context, board: BoardProfile, kind: Kind, dataset: DatasetSettings, data: Path | None) -> str:
    """Play test windows to the board; write `profile.json`, the result of `evbench profile`."""
    from evbench.events.datasets.catalogue import load_dataset, prepare_dataset
    from evbench.events.windowset import WindowSet

    assert context.board is not None
    graph = load_model(context.inputs["export"] / MODEL)
    fitted = fit(graph, board, context.workspace)
    test_set = WindowSet.load(context.inputs["dataset"] / windows_file(kind, "test"))
    session = context.board.flash(fitted.board, fitted.build)
    recordings = load_dataset(dataset, prepare_dataset(dataset, data, context.workspace.cache))
    windows = as_recorded(graph, recordings, test_set, by_occupied_cells(test_set, enough(graph)))

    def on_window(number: int, run: RunResult) -> None:
        context.progress((number + 1) / len(windows), f"window {number + 1} of {len(windows)}")
        for layer in run.layers:
            context.metric(f"cycles/{layer.index}", number, layer.cycles)

    result = measure(session, fitted.build, graph, windows, on_window)
    context.write("profile.json", result)
    return describe(result)


def measure(
    session: BoardSession,
    build: Build,
    graph: IntegerGraph,
    windows: Sequence[Window],
    on_window: Callable[[int, RunResult], None],
) -> dict[str, Any]:
    """Profile a flashed build on windows; the JSON of `evbench profile`.

    What the board measured, what each layer skipped and why, and a bound of the stack.
    """
    from evbench.boards.session import grid_of
    from evbench.compile.representation import stream_settings
    from evbench.compile.stack import stack_bound

    result: dict[str, Any] = session.profile(build, graph, windows, on_window=on_window).to_json()
    skipped = describe_skipping(graph, grid_of(windows[result["median"]]))
    for layer, skipping in zip(result["layers"], skipped, strict=True):
        layer.update(skipping)
    settings = stream_settings(graph)
    result["board_filters_within_us"] = settings.keep_within if settings else None
    return result | {"stack_bound_bytes": stack_bound(build.elf).bytes}


def describe(result: dict[str, Any]) -> str:
    """One line on a profile run."""
    modelled = "modelled " if result["modelled"] else ""
    return f"{modelled}{result['latency_ms']:.2f} ms, {result['total_cycles'] / 1e6:.2f} M cycles"


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file that a stage wrote."""
    content: dict[str, Any] = json.loads(path.read_text())
    return content
