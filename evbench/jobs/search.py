"""The search for every layer's precision as a job, and what it found as a table and a plot."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from evbench.errors import ModelError
from evbench.graph.model import DType
from evbench.jobs.held_board import HeldBoard
from evbench.jobs.models import open_model
from evbench.jobs.recipe_stages import LEARNING, RUNNING, RUNNING_LIBRARIES, STAGES, dataset_stage, users_module
from evbench.jobs.runner import run_stages
from evbench.jobs.sensitivity import WINDOWS, described, measured_model, sensitivity_stage
from evbench.jobs.stage import Stage
from evbench.jobs.stages import search
from evbench.jobs.stages.hardware import read_json
from evbench.jobs.store import JobRow, Store
from evbench.profiles import load_board
from evbench.workspace import Workspace, explained

KIND = "search"
_PLOT = (76, 16)


def submit_search(
    workspace: Workspace,
    model: str | None = None,
    data: Path | None = None,
    approach: str = "qat-int8",
    accuracy_drop: float = 0.5,
    windows: int = WINDOWS,
    board: str | None = None,
) -> int:
    """Queue a search from a model folder, from what a job by number exported, or from the bundled model.

    `accuracy_drop`: points of accuracy on validation windows that may be lost beside the float network; `data` as for
    `submit_sensitivity`. Returns the new job's id. Raises ModelError for a float model, JobError for a job without such
    a model, ProfileError for an unknown board.
    """
    store = Store(workspace)
    name, settings = measured_model(store, model, data, approach)
    recipe, _ = described(Path(settings["model"]))
    _require_int8(Path(settings["model"]))
    profile = load_board(board or recipe.board)
    workspace.require_space()
    return store.add_job(
        KIND, name, {**settings, "board": profile.id, "accuracy_drop": accuracy_drop, "windows": windows}
    )


def _require_int8(folder: Path) -> None:
    graph = open_model(folder).graph
    other = [op.name for op in graph.operators if graph.tensors[op.output].dtype not in (DType.U8, DType.S8)]
    if other != [op.name for op in graph.operators if op.output in graph.outputs]:
        raise ModelError(
            "A search begins with a model whose layers are all int8",
            where=f"{folder}, layer '{other[0]}'",
            remedy="Name a model of a recipe without [quantize.layers]",
        )


def run_job(workspace: Workspace, store: Store, job: JobRow) -> dict[str, Any]:
    """Run a queued search; returns what it found."""
    settings = job.settings
    folder, data = Path(settings["model"]), Path(settings["data"]) if settings["data"] else None
    recipe, network = described(folder)
    board, budget = load_board(settings["board"]), float(settings["accuracy_drop"])
    digest = open_model(folder).graph.digest
    about = {"model": job.recipe, "digest": digest}
    searching = Stage(
        KIND,
        "",
        partial(search.run, folder=folder, about=about, board=board, budget=budget),
        settings={"digest": digest, "board": board.model_dump(mode="json"), "budget": budget},
        inputs={"dataset": "dataset", "sensitivity": "sensitivity"},
        code=(*RUNNING, *LEARNING, "evbench.parity", f"{STAGES}.search", *users_module(network)),
        libraries=(*RUNNING_LIBRARIES, "torch", "torchao"),
    )
    before = [
        dataset_stage(recipe, data),
        sensitivity_stage(folder, job.recipe, network, "validation", int(settings["windows"])),
    ]
    outputs = run_stages(workspace, store, job.id, [*before, searching], HeldBoard(store, job.id))
    return read_json(outputs[KIND] / search.RESULT)


def write_fragment(workspace: Workspace, job_id: int, path: Path) -> None:
    """Write the recipe fragment that a finished search proposes, whole or not at all. WorkspaceError on failure."""
    found = Store(workspace).job(job_id).result or {}
    with explained(path):
        temporary = path.with_name(f"{path.name}.partial")
        temporary.write_text(found["recipe"])
        temporary.replace(path)


def search_view(found: Mapping[str, Any]) -> RenderableType:
    """The frontier as a table and a plot, the chosen network verified, and its recipe fragment."""
    points = found["points"]
    table = Table(
        title=f"{found['model']}: precisions for at most {found['budget_points']:g} points of accuracy",
        title_justify="left",
        title_style="bold",
        box=None,
        pad_edge=False,
        header_style="dim",
    )
    table.add_column("")
    for heading in ("latency, predicted", "accuracy", "points below float", "logits off", "predicted"):
        table.add_column(heading, justify="right")
    table.add_column("not int8")
    for point in points:
        mark = "▶" if point["chosen"] else "●" if point["frontier"] else ""
        style = "bold" if point["chosen"] else "" if point["frontier"] else "dim"
        table.add_row(
            Text(mark, "#FFB000"),
            f"{point['predicted_ms']:.2f} ms",
            f"{100 * point['accuracy']:.2f} %",
            Text(f"{point['drop_points']:+.2f}", "green" if point["drop_points"] <= found["budget_points"] else "red"),
            f"{point['logit_rms']:.4f}",
            f"{point['predicted_rms']:.4f}",
            summary(point["layers"]) or "nothing",
            style=style,
        )
    return Group(table, _plot(found), *_notes(found))


def summary(layers: Mapping[str, str]) -> str:
    """Precisions with how many layers have them, and which where they are few."""
    parts = []
    for precision in ("int16", "fp32"):
        names = [layer for layer, chosen in layers.items() if chosen == precision]
        if names:
            shown = ", ".join(names[:2]) + (f" and {len(names) - 2} more" if len(names) > 2 else "")
            parts.append(f"{precision}: {shown}")
    return "; ".join(parts)


def _notes(found: Mapping[str, Any]) -> list[RenderableType]:
    checked, chosen = found["verified"], next(point for point in found["points"] if point["chosen"])
    test = checked["test"]
    modelled = ", modelled" if checked["modelled"] else ""
    off = 100 * (chosen["predicted_cycles"] / checked["total_cycles"] - 1)
    one = 100 / max(found["windows"], 1)
    shares = ", ".join(f"{name} {100 * rate['value']:.1f} %" for name, rate in test.items())
    parity = "all executions agree" if checked["parity"]["passed"] else "executions differ more than they may"
    lines = [
        Text("" if found["met"] else "No network is inside the budget; the most accurate one is proposed.", "yellow"),
        Text(
            f"▶ built and measured on {found['board']}: {checked['total_cycles']:,} cycles = "
            f"{checked['latency_ms']:.2f} ms{modelled} (predicted {off:+.1f} %), flash "
            f"{checked['flash_bytes'] / 1024:.0f} KiB, RAM {checked['ram_bytes'] / 1024:.0f} KiB; {parity} on "
            f"{checked['parity']['windows']} windows"
        ),
        Text(f"  test split: {shares}; of {found['windows']} validation windows one is {one:.2f} points"),
        *(Text(f"left out: {' '.join(what.split())}: {why}", "dim") for what, why in found["left_out"].items()),
        Text(f"\n{found['recipe']}", "bold") if chosen["layers"] else Text("int8 everywhere: no layers to set"),
    ]
    return [line for line in lines if line.plain]


def _plot(found: Mapping[str, Any]) -> Text:
    """Points below float against predicted milliseconds."""
    import plotext

    plotext.clear_figure()
    plotext.theme("clear")
    plotext.plotsize(*_PLOT)
    for frontier, marker in ((False, "·"), (True, "●")):
        shown = [point for point in found["points"] if point["frontier"] is frontier and not point["chosen"]]
        if shown:
            plotext.scatter([p["predicted_ms"] for p in shown], [p["drop_points"] for p in shown], marker=marker)
    chosen = next(point for point in found["points"] if point["chosen"])
    plotext.scatter([chosen["predicted_ms"]], [chosen["drop_points"]], marker="▶")
    plotext.hline(found["budget_points"])
    plotext.xlabel("ms, predicted")
    plotext.ylabel("points below float")
    return Text.from_ansi(plotext.build())
