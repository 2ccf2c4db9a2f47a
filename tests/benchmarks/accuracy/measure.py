"""Reproduces the accuracy figures: trains a recipe's approaches with several seeds and prints mean and range.

python tests/benchmarks/accuracy/measure.py objects-voxel-qat --data ../shared/data/dvs128-objects --out results
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

os.environ.setdefault("GOMP_SPINCOUNT", "0")
sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from evbench.events.datasets.catalogue import load_dataset
from evbench.events.windowset import build_windows
from evbench.profiles import Recipe, load_recipe
from evbench.training.approach import (
    APPROACHES,
    Approach,
    export_approach,
    input_kind,
    needs_base,
    train_approach,
)
from evbench.training.torch_setup import torch

FIGURES = ("window", "group", "recording")


def measure(recipe: Recipe, data: Path | None, approaches: list[Approach], out: Path) -> dict[str, Any]:
    """Trains and exports `approaches` below `out`; returns their results by name."""
    dataset = load_dataset(recipe.dataset, data)
    windows = {
        kind: {
            split: build_windows(dataset, recipe.representation, split, kind)
            for split in ("train", "validation", "test")
        }
        for kind in {input_kind(approach) for approach in approaches}
    }
    results: dict[str, Any] = {}
    for approach in approaches:
        started = perf_counter()
        sets = windows[input_kind(approach)]
        trained = out / approach / "trained"
        base = out / "fp32-voxel" / "trained" if needs_base(approach, recipe) else None
        train_approach(approach, recipe, sets["train"], sets["validation"], dataset.classes, trained, ignore, base=base)
        result = export_approach(approach, recipe, trained, sets["test"], dataset.classes, out / approach / "model")
        results[approach] = result.to_json() | {"seconds": round(perf_counter() - started, 1)}
        rates = {name: results[approach]["accuracy"][name] for name in FIGURES}
        found = {name: f"{100 * rate['value']:.2f}" for name, rate in rates.items() if rate["total"]}
        found["validation"] = f"{100 * results[approach]['validation']['window']['value']:.2f}"
        print(recipe.id, "seed", recipe.train.seed, approach, found, results[approach]["seconds"], "s", flush=True)
    return results


def ignore(name: str, step: int, value: float) -> None:
    """No one watches the metrics here."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--approaches", nargs="+", default=list(APPROACHES), choices=APPROACHES)
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="recipe settings to replace")
    parser.add_argument("--threads", type=int, default=0, help="torch threads; 0 leaves torch's own choice")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    overrides = dict(setting.split("=", 1) for setting in arguments.set)
    results = {}
    for seed in arguments.seeds:
        recipe = load_recipe(arguments.recipe, {**overrides, "train.seed": str(seed)})
        folder = arguments.out / f"{recipe.id}-seed{seed}"
        results[seed] = measure(recipe, arguments.data, arguments.approaches, folder)
        (folder / "results.json").write_text(json.dumps(results[seed], indent=1) + "\n", encoding="utf-8")
    for approach in arguments.approaches:
        line = [f"{approach:12}"]
        for name in FIGURES:
            if not all(result[approach]["accuracy"][name]["total"] for result in results.values()):
                continue
            values = [100 * result[approach]["accuracy"][name]["value"] for result in results.values()]
            line.append(f"{name} {sum(values) / len(values):.2f} ({min(values):.2f} to {max(values):.2f})")
        print("  ".join(line))


if __name__ == "__main__":
    main()
