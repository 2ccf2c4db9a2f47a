"""Stages train and quantise: windows become weights, float, calibrated or trained with fake quantisation."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evbench.jobs.stage import Context
from evbench.jobs.stages.dataset import windows_file
from evbench.profiles import Recipe

if TYPE_CHECKING:
    from evbench.training.approach import Approach

KEPT = (
    "weights.safetensors",
    "unrounded.safetensors",
    "training.json",
    "calibration.npz",
    "scales.npz",
    "movement.npz",
)
"""What later stages read; not every training has all of them."""


def run(context: Context, approach: Approach, recipe: Recipe) -> str:
    """Train or calibrate in the working folder, checkpoints included, and keep what export needs.

    Calibration and late training with quantisation start from the weights of the input "base".
    """
    from evbench.events.windowset import WindowSet
    from evbench.training.approach import input_kind, train_approach

    data, base = context.inputs["dataset"], context.inputs.get("base")
    kind = input_kind(approach)
    classes = tuple(context.read("dataset", "dataset.json")["classes"])
    train_set = WindowSet.load(data / windows_file(kind, "train"))
    validation_set = WindowSet.load(data / windows_file(kind, "validation"))
    epochs = epochs_of(approach, recipe)
    steps = batches_per_epoch(len(train_set), recipe) * epochs

    def on_metric(name: str, step: int, value: float) -> None:
        context.metric(name, step, value)
        if name.startswith("validation"):
            context.flush()  # a checkpoint follows: steps before it are not trained again, so none may be lost
        if name == "loss":
            context.progress(
                step / steps, f"epoch {min(1 + step * epochs // steps, epochs)}/{epochs}, loss {value:.3f}"
            )

    record = train_approach(
        approach,
        recipe,
        train_set,
        validation_set,
        classes,
        context.work,
        on_metric,
        base=base,
    )
    keep(context.work, context.out)
    return describe(record) + ("" if approach == "ptq-int8" else f", epoch {record['epoch']} of {epochs}")


def keep(work: Path, out: Path) -> None:
    """Copy what later stages read; checkpoints stay behind."""
    for name in KEPT:
        if (work / name).is_file():
            shutil.copyfile(work / name, out / name)


def epochs_of(approach: str, recipe: Recipe) -> int:
    """How many epochs the approach trains."""
    return (recipe.train.frames_epochs if approach == "fp32-frames" else None) or recipe.train.epochs


def batches_per_epoch(windows: int, recipe: Recipe) -> int:
    """How many steps an epoch has: an incomplete last batch is left out."""
    return windows // min(recipe.train.batch_size, windows)


def describe(record: dict[str, Any]) -> str:
    """One line on a finished training, from what `training.json` holds."""
    accuracy = record["validation"]["window"]
    share = accuracy["correct"] / accuracy["total"]
    return f"validation {100 * share:.1f} % of {accuracy['total']} windows"
