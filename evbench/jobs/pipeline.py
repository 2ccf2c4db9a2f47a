"""The road of a recipe: dataset, train, quantise, export, build, flash, profile, parity, report, for every approach."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evbench.events.datasets.catalogue import dataset_folder
from evbench.jobs import hashing
from evbench.jobs.held_board import HeldBoard
from evbench.jobs.models import PROFILED_WINDOWS
from evbench.jobs.runner import run_stages
from evbench.jobs.stage import Stage
from evbench.jobs.stages import dataset, export, hardware, parity, report, train
from evbench.jobs.store import JobRow, Store
from evbench.profiles import BoardProfile, Recipe, load_board
from evbench.workspace import Workspace

if TYPE_CHECKING:
    from evbench.training.approach import Approach

_STAGES = "evbench.jobs.stages"
_LEARNING = ("evbench.networks", "evbench.quantize", "evbench.training", "evbench.graph", "evbench.events.windowset")
_BUILDING = ("evbench.compile", "evbench.graph", "firmware/", f"{_STAGES}.hardware")
_RUNNING = (*_BUILDING, "evbench.boards")
_REPORTED = ("export", "build", "profile", "parity")


def approaches(recipe: Recipe) -> tuple[Approach, ...]:
    """The rows of the recipe's report, in order; a recipe that only calibrates has none trained with quantisation."""
    both: tuple[Approach, ...] = ("fp32-frames", "fp32-voxel", "ptq-int8")
    return (*both, "qat-int8") if recipe.quantize.method == "qat" else both


def kind_of(approach: Approach) -> dataset.Kind:
    """Which windows the approach's network reads."""
    return "frame" if approach == "fp32-frames" else "voxel"


def trained_by(approach: Approach) -> str:
    """The key of the stage that makes the approach's weights."""
    return f"quantise {approach}" if approach == "ptq-int8" else f"train {approach}"


def plan(recipe: Recipe, board: BoardProfile, data: Path | None) -> list[Stage]:
    """The stages of a recipe on a board, in the order they run."""
    chosen = approaches(recipe)
    exports = [_export(approach, recipe) for approach in chosen]
    builds = [_on_board("build", hardware.build, approach, recipe, board) for approach in chosen]
    measured = [stage for approach in chosen for stage in _measure(approach, recipe, board)]
    return [
        _dataset(recipe, data),
        *(_train(approach, recipe) for approach in chosen),
        *exports,
        *builds,
        *measured,
        Stage(
            "report",
            "",
            partial(report.run, recipe=recipe, approaches=chosen),
            settings={"recipe": recipe.id, "window_us": recipe.representation.window},
            inputs=tuple(
                f"{name} {approach}" for approach in chosen for name in ("export", "build", "profile", "parity")
            ),
            code=(f"{_STAGES}.report", "evbench.training.evaluate"),
        ),
    ]


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


def _dataset(recipe: Recipe, data: Path | None) -> Stage:
    files = dataset_folder(recipe.dataset, data)
    return Stage(
        "dataset",
        "",
        partial(dataset.run, recipe=recipe, data=data),
        settings={
            "dataset": recipe.dataset.model_dump(mode="json"),
            "representation": recipe.representation.model_dump(mode="json"),
            "files": hashing.data_fingerprint(files if files and files.exists() else None),
        },
        code=("evbench.events", "evbench.training.card", f"{_STAGES}.dataset"),
        libraries=("numpy", "tonic") if recipe.dataset.name.startswith("tonic:") else ("numpy",),
    )


def _train(approach: Approach, recipe: Recipe) -> Stage:
    network = recipe.network.frames if approach == "fp32-frames" else recipe.network.name
    settings: dict[str, Any] = {
        "network": network,
        "train": recipe.train.model_dump(mode="json", exclude={"epochs", "frames_epochs"}),
        "epochs": train.epochs_of(approach, recipe),
    }
    if approach.endswith("int8"):
        settings["quantize"] = recipe.quantize.model_dump(mode="json", exclude={"method"})
    base = trained_by("fp32-voxel") if approach == "ptq-int8" else None
    return Stage(
        trained_by(approach).split()[0],
        approach,
        partial(train.run, approach=approach, recipe=recipe, base=base),
        settings=settings,
        inputs=("dataset", base) if base else ("dataset",),
        code=(*_LEARNING, f"{_STAGES}.train", *_users_module(network)),
        libraries=("torch", "torchao", "numpy"),
    )


def _export(approach: Approach, recipe: Recipe) -> Stage:
    network = recipe.network.frames if approach == "fp32-frames" else recipe.network.name
    return Stage(
        "export",
        approach,
        partial(export.run, approach=approach, recipe=recipe, trained=trained_by(approach)),
        settings={"recipe": recipe.model_dump(mode="json")},
        inputs=("dataset", trained_by(approach)),
        code=(*_LEARNING, f"{_STAGES}.export", *_users_module(network)),
        libraries=("torch", "torchao", "onnx", "numpy"),
    )


def _measure(approach: Approach, recipe: Recipe, board: BoardProfile) -> list[Stage]:
    kind = kind_of(approach)
    return [
        _on_board("flash", hardware.flash, approach, recipe, board),
        _on_board("profile", partial(hardware.profile, kind=kind), approach, recipe, board),
        _on_board("parity", partial(parity.run, kind=kind, windows=recipe.parity_windows), approach, recipe, board),
    ]


def _on_board(name: str, run: Any, approach: Approach, recipe: Recipe, board: BoardProfile) -> Stage:
    """A stage that reads the exported model and, but for the build, the board after the stage before it."""
    before = {"flash": ("build",), "profile": ("flash", "dataset"), "parity": ("flash", "dataset")}.get(name, ())
    code = {"build": _BUILDING, "parity": (*_RUNNING, "evbench.parity", f"{_STAGES}.parity", *_LEARNING)}
    return Stage(
        name,
        approach,
        partial(run, board=board, exported=f"export {approach}"),
        settings={
            "board": board.model_dump(mode="json"),
            "windows": recipe.parity_windows if name == "parity" else PROFILED_WINDOWS,
        },
        inputs=(f"export {approach}", *(item if item == "dataset" else f"{item} {approach}" for item in before)),
        code=code.get(name, _RUNNING),
        libraries=("ziglang",) if name == "build" else ("ziglang", "unicorn", "onnxruntime", "numpy"),
    )


def _users_module(network: str) -> tuple[str, ...]:
    return (network.partition(":")[0],) if ":" in network else ()
