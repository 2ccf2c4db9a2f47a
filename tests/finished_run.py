"""A finished run and a finished study in a store, for what shows or exports reports."""

from __future__ import annotations

import json
from typing import Any

from evbench.jobs.store import Store
from evbench.profiles import load_recipe

STARTED = 1_700_000_000.0
CLASSES = ["left", "right", "up"]

_FIGURES = {
    "fp32-frames": (4_201_112, 0.608, 364.7, 4_213_257, 381_232, "virtual-h743-qspi"),
    "fp32-voxel": (213_020, 0.62, 28.2, 224_256, 462_848, "virtual-h743"),
    "ptq-int8": (58_712, 0.618, 4.55, 96_256, 296_960, "virtual-h743"),
    "qat-int8": (58_712, 0.636, 4.5638, 99_328, 296_960, "virtual-h743"),
}


def add_finished_run(
    store: Store, name: str = "bars-voxel-qat", dataset: str = "simulated-bars", data: str = ""
) -> int:
    """A run of four approaches with its report, two epochs of history and a confusion matrix each."""
    recipe = load_recipe("bars-voxel-qat", {"dataset.name": dataset, "train.epochs": "2"})
    recipe = recipe.model_copy(update={"id": name})
    settings = {"recipe": recipe.model_dump(mode="json"), "data": data or None, "board": "virtual-h743"}
    job = store.add_job("run", name, settings)
    trained = [approach for approach in _FIGURES if approach != "ptq-int8"]
    store.plan_stages(job, [("train", approach) for approach in trained])
    for approach in trained:
        digest = f"{approach}-{job}"
        store.change_stage(job, "train", approach, state="done", digest=digest, progress=1.0)
        folder = store.workspace.artifact_dir(digest)
        folder.mkdir(parents=True)
        history = [{"loss": 1.0, "validation_accuracy": 0.4}, {"loss": 0.7, "validation_accuracy": 0.6}]
        (folder / "training.json").write_text(json.dumps({"history": history}))
    store.change_job(job, state="done", started=STARTED, finished=STARTED + 60, result=_result(name))
    return job


def add_study(store: Store, name: str = "approaches") -> int:
    """A finished study of two variants with three seeds."""
    job = store.add_job("study", f"{name} on bars-voxel-qat", {})
    store.change_job(job, state="done", started=STARTED, finished=STARTED + 90, result=_study(name))
    return job


def _result(name: str) -> dict[str, Any]:
    confusion = {"window": [[50, 4, 0], [6, 44, 0], [0, 1, 49]], "recording": [[5, 0, 0], [1, 4, 0], [0, 0, 5]]}
    layers = [
        {"index": index, "name": layer, "kind": "Conv2d", "macs": 1000, "cycles": cycles, "ms": cycles / 480_000}
        for index, (layer, cycles) in enumerate((("stem", 178_594), ("block", 344_246), ("head", 1_435)))
    ]
    return {
        "recipe": name,
        "window_us": 50_000,
        "classes": CLASSES,
        "rows": [_row(approach) for approach in _FIGURES],
        "layers": dict.fromkeys(_FIGURES, layers),
        "confusion": dict.fromkeys(_FIGURES, confusion),
    }


def _row(approach: str) -> dict[str, Any]:
    size, accuracy, latency, flash, ram, board = _FIGURES[approach]
    return {
        "approach": approach,
        "network": "voxel-dsc",
        "parameters": 52_000,
        "macs": 3_000_000,
        "model_bytes": size,
        "flash_bytes": flash,
        "ram_bytes": ram,
        "accuracy_window": accuracy,
        "accuracy_window_ci95": [accuracy - 0.013, accuracy + 0.013],
        "accuracy_group": None,
        "accuracy_group_ci95": None,
        "accuracy_recording": 0.7,
        "accuracy_recording_ci95": [0.6, 0.78],
        "n_windows": 5304,
        "n_recordings": 204,
        "latency_ms": latency,
        "cycles": round(latency * 480_000),
        "modelled": True,
        "board": board,
        "fits": board == "virtual-h743",
        "parity": True,
        "differing": [],
    }


def _study(name: str) -> dict[str, Any]:
    def figure(*values: float) -> dict[str, Any]:
        mean = sum(values) / len(values)
        return {"mean": mean, "ci95": [mean - 0.02, mean + 0.02], "values": list(values)}

    rows = [
        {
            "variant": title,
            "approach": approach,
            "network": "voxel-dsc",
            "model_bytes": 58_712,
            "window": figure(*values),
            "group": None,
            "recording": figure(0.9, 0.92, 0.91),
            "latency_ms": figure(4.2, 4.3, 4.25),
            "zero_share": None,
            "useful_macs": None,
            "oscillation": None,
        }
        for title, approach, values in (
            ("QAT int8", "qat-int8", (0.64, 0.65, 0.63)),
            ("PTQ int8", "ptq-int8", (0.62, 0.64, 0.63)),
        )
    ]
    return {
        "study": name,
        "title": "Four approaches",
        "claim": "Training with quantisation beats calibration.",
        "shows": ["window", "group", "recording", "latency_ms"],
        "recipe": "bars-voxel-qat",
        "dataset": "simulated-bars",
        "settings": {"train.epochs": "10"},
        "board": "virtual-h743",
        "seeds": [0, 1, 2],
        "windows": 480,
        "recordings": 12,
        "modelled": True,
        "rows": rows,
        "comparisons": [],
        "outcome": "not decided",
        "verdict": "The claim is not decided here: QAT int8 against PTQ int8 is +1.0 points per window (-1.1 to +3.1).",
    }
