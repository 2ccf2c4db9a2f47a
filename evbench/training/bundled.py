"""Makes the model that travels with evbench: `python -m evbench.training.bundled assets/model`."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from evbench.events.datasets.catalogue import load_dataset
from evbench.events.windowset import build_windows
from evbench.profiles import load_recipe
from evbench.training.approach import ApproachResult, export_approach, train_approach
from evbench.training.card import split_entry

RECIPE = "bars-voxel-qat"


def make(directory: Path, epochs: int | None = None) -> ApproachResult:
    """Trains the quantised network of the simulated-bars recipe and puts its model files into `directory`.

    `epochs` replaces the recipe's number.
    """
    recipe = load_recipe(RECIPE, {} if epochs is None else {"train.epochs": str(epochs)})
    dataset = load_dataset(recipe.dataset, None)
    train_set, validation_set, test_set = (
        build_windows(dataset, recipe.representation, split) for split in ("train", "validation", "test")
    )
    with tempfile.TemporaryDirectory() as scratch:
        trained = Path(scratch) / "trained"
        train_approach("qat-int8", recipe, train_set, validation_set, dataset.classes, trained, _show)
        splits = {"train": split_entry(train_set), "validation": split_entry(validation_set)}
        model = Path(scratch) / "model"
        result = export_approach("qat-int8", recipe, trained, test_set, dataset.classes, model, splits)
        directory.mkdir(parents=True, exist_ok=True)
        for path in sorted(result.directory.iterdir()):
            shutil.copyfile(path, directory / path.name)
    return result


def _show(name: str, step: int, value: float) -> None:
    if name.startswith("validation"):
        print(f"step {step}: {name} {value:.4f}", flush=True)


if __name__ == "__main__":
    made = make(Path(sys.argv[1]))
    print(f"{made.model_bytes} bytes of weights, {100 * made.accuracy.window.value:.1f} % of test windows right")
