"""The road of a recipe: dataset, train, quantise, export, build, flash, profile, parity, report, for every approach."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evbench.jobs.held_board import HeldBoard
from evbench.jobs.recipe_stages import (
    STAGES,
    base_of,
    build_stage,
    dataset_stage,
    export_stage,
    flash_stage,
    parity_stage,
    profile_stage,
    train_stage,
)
from evbench.jobs.runner import run_stages
from evbench.jobs.stage import Stage
from evbench.jobs.stages import hardware, report
from evbench.jobs.store import JobRow, Store
from evbench.profiles import BoardProfile, Recipe, load_board
from evbench.workspace import Workspace

if TYPE_CHECKING:
    from evbench.training.approach import Approach

_REPORTED = ("export", "build", "profile", "parity")


def approaches(recipe: Recipe) -> tuple[Approach, ...]:
    """The rows of the recipe's report, in order; a recipe that only calibrates has none trained with quantisation."""
    both: tuple[Approach, ...] = ("fp32-frames", "fp32-voxel", "ptq-int8")
    return (*both, "qat-int8") if recipe.quantize.method == "qat" else both


def plan(recipe: Recipe, board: BoardProfile, data: Path | None) -> list[Stage]:
    """The stages of a recipe on a board, in the order they run."""
    chosen = approaches(recipe)
    windows = dataset_stage(recipe, data)
    trained: dict[Approach, Stage] = {}
    for approach in chosen:
        base = base_of(approach, recipe)
        trained[approach] = train_stage(
            approach, recipe, approach, windows=windows.key, base=trained[base].key if base else None
        )
    exports = {
        approach: export_stage(approach, recipe, approach, windows=windows.key, trained=trained[approach].key)
        for approach in chosen
    }
    builds = {approach: build_stage(board, approach, exported=exports[approach].key) for approach in chosen}
    measured: list[Stage] = []
    for approach in chosen:
        exported = exports[approach].key
        flash = flash_stage(board, approach, exported=exported, built=builds[approach].key)
        reads = {"windows": windows.key, "exported": exported, "flashed": flash.key}
        profile = profile_stage(approach, recipe, data, board, approach, **reads)
        measured += [flash, profile, parity_stage(approach, recipe, board, approach, **reads)]
    summary = Stage(
        "report",
        "",
        partial(report.run, recipe=recipe, approaches=chosen),
        settings={"recipe": recipe.id, "window_us": recipe.representation.window},
        inputs={key: key for approach in chosen for key in (f"{name} {approach}" for name in _REPORTED)},
        code=(f"{STAGES}.report", "evbench.training.evaluate"),
    )
    return [windows, *trained.values(), *exports.values(), *builds.values(), *measured, summary]


def run_job(workspace: Workspace, store: Store, job: JobRow) -> dict[str, Any]:
    """Run a queued recipe; returns what the report stage wrote."""
    recipe = Recipe.model_validate(job.settings["recipe"])
    board = load_board(job.settings["board"])
    data = Path(job.settings["data"]) if job.settings["data"] else None
    stages = plan(recipe, board, data)
    outputs = run_stages(workspace, store, job.id, stages, HeldBoard(store, job.id))
    for approach in approaches(recipe):
        result = hardware.read_json(outputs[f"profile {approach}"] / "profile.json")
        store.add_profile_run(job.id, result["board"], f"{recipe.id} {approach}", result)
    return hardware.read_json(outputs["report"] / report.REPORT)
