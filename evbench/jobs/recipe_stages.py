"""The stages that a recipe's networks go through, one function each: what each reads, and what its hash is made of.

`label` says whom of a job a stage belongs to; it is no part of the hash. Inputs are the keys of earlier stages.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evbench.events.datasets.catalogue import dataset_folder
from evbench.jobs import hashing
from evbench.jobs.models import PROFILED_WINDOWS
from evbench.jobs.stage import Stage
from evbench.jobs.stages import dataset, export, hardware, parity, train
from evbench.profiles import BoardProfile, Recipe

if TYPE_CHECKING:
    from evbench.training.approach import Approach

STAGES = "evbench.jobs.stages"
LEARNING = ("evbench.networks", "evbench.quantize", "evbench.training", "evbench.graph", "evbench.events.windowset")
"""The code that changes what networks learn and what is made of them."""

_BUILDING = ("evbench.compile", "evbench.graph", "firmware/", f"{STAGES}.hardware")
RUNNING = (*_BUILDING, "evbench.boards")
RUNNING_LIBRARIES = ("ziglang", "unicorn", "onnxruntime", "numpy")


def kind_of(approach: Approach) -> dataset.Kind:
    """Which windows the approach's network reads."""
    return "frame" if approach == "fp32-frames" else "voxel"


def base_of(approach: Approach, recipe: Recipe) -> Approach | None:
    """Whose training the approach starts from: from its end to be calibrated, or from where rounding begins."""
    starts_there = approach == "ptq-int8" or (approach == "qat-int8" and recipe.quantize.late)
    return "fp32-voxel" if starts_there else None


def dataset_stage(recipe: Recipe, data: Path | None, label: str = "") -> Stage:
    """Recordings become windows."""
    files = dataset_folder(recipe.dataset, data)
    return Stage(
        "dataset",
        label,
        partial(dataset.run, recipe=recipe, data=data),
        settings={
            "dataset": recipe.dataset.model_dump(mode="json"),
            "representation": recipe.representation.model_dump(mode="json"),
            "files": hashing.data_fingerprint(files if files and files.exists() else None),
        },
        code=("evbench.events", "evbench.training.card", f"{STAGES}.dataset"),
        libraries=("numpy", "tonic") if recipe.dataset.name.startswith("tonic:") else ("numpy",),
    )


def train_stage(approach: Approach, recipe: Recipe, label: str, *, windows: str, base: str | None = None) -> Stage:
    """Windows become weights; `base` is the stage that trained what `base_of` names."""
    network = _network(approach, recipe)
    settings: dict[str, Any] = {
        "approach": approach,
        "network": network,
        "train": recipe.train.model_dump(mode="json", exclude={"epochs", "frames_epochs"}),
        "epochs": train.epochs_of(approach, recipe),
    }
    if approach.endswith("int8"):
        settings["quantize"] = recipe.quantize.model_dump(mode="json", exclude={"method"})
    elif approach == "fp32-voxel" and recipe.quantize.late:
        settings["kept_for_rounding"] = recipe.quantize.from_epoch
    return Stage(
        "quantise" if approach == "ptq-int8" else "train",
        label,
        partial(train.run, approach=approach, recipe=recipe),
        settings=settings,
        inputs={"dataset": windows, "base": base} if base else {"dataset": windows},
        code=(*LEARNING, f"{STAGES}.train", *users_module(network)),
        libraries=("torch", "torchao", "numpy"),
    )


def export_stage(approach: Approach, recipe: Recipe, label: str, *, windows: str, trained: str) -> Stage:
    """Weights become a model folder, measured on the test split."""
    return Stage(
        "export",
        label,
        partial(export.run, approach=approach, recipe=recipe),
        settings={"approach": approach, "recipe": recipe.model_dump(mode="json")},
        inputs={"dataset": windows, "trained": trained},
        code=(*LEARNING, f"{STAGES}.export", *users_module(_network(approach, recipe))),
        libraries=("torch", "torchao", "onnx", "numpy"),
    )


def build_stage(board: BoardProfile, label: str, *, exported: str) -> Stage:
    """A model becomes an image."""
    return Stage(
        "build",
        label,
        partial(hardware.build, board=board),
        settings={"board": board.model_dump(mode="json")},
        inputs={"export": exported},
        code=_BUILDING,
        libraries=("ziglang",),
    )


def flash_stage(board: BoardProfile, label: str, *, exported: str, built: str) -> Stage:
    """An image lies on a board."""
    return Stage(
        "flash",
        label,
        partial(hardware.flash, board=board),
        settings={"board": board.model_dump(mode="json")},
        inputs={"export": exported, "build": built},
        code=RUNNING,
        libraries=RUNNING_LIBRARIES,
    )


def profile_stage(
    approach: Approach,
    recipe: Recipe,
    data: Path | None,
    board: BoardProfile,
    label: str,
    *,
    windows: str,
    exported: str,
    flashed: str,
) -> Stage:
    """The board plays test windows, as recorded, and is measured."""
    return Stage(
        "profile",
        label,
        partial(hardware.profile, board=board, kind=kind_of(approach), dataset=recipe.dataset, data=data),
        settings={"board": board.model_dump(mode="json"), "windows": PROFILED_WINDOWS},
        inputs={"export": exported, "flash": flashed, "dataset": windows},
        code=(*RUNNING, "evbench.jobs.recorded"),
        libraries=RUNNING_LIBRARIES,
    )


def parity_stage(
    approach: Approach, recipe: Recipe, board: BoardProfile, label: str, *, windows: str, exported: str, flashed: str
) -> Stage:
    """A model's executions are compared."""
    count = recipe.parity_windows
    return Stage(
        "parity",
        label,
        partial(parity.run, board=board, kind=kind_of(approach), windows=count),
        settings={"board": board.model_dump(mode="json"), "windows": count},
        inputs={"export": exported, "flash": flashed, "dataset": windows},
        code=(*RUNNING, "evbench.parity", f"{STAGES}.parity", *LEARNING),
        libraries=RUNNING_LIBRARIES,
    )


def _network(approach: Approach, recipe: Recipe) -> str:
    return recipe.network.frames if approach == "fp32-frames" else recipe.network.name


def users_module(network: str) -> tuple[str, ...]:
    """The module of a network of a user's own, package.module:Class."""
    return (network.partition(":")[0],) if ":" in network else ()
