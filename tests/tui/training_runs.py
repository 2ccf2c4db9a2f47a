"""Runs in a store as a training leaves them: windows made, curves written, scales recorded, validation counted."""

from __future__ import annotations

import json
import math
from typing import Any

from evbench.jobs.store import Store
from evbench.profiles import load_recipe

STARTED = 1_700_000_000.0
NOW = STARTED + 75
CLASSES = ("left", "right", "up", "down")
STEPS = 20
"""Batches of one epoch."""

_TENSORS = ("stem.0", "blocks.0.depthwise.0", "blocks.0.pointwise.0", "head.pool")
_LEARNING = (("train", "fp32-frames"), ("train", "fp32-voxel"), ("quantise", "ptq-int8"), ("train", "qat-int8"))


def add_run(store: Store, name: str = "bars", *, epochs: int = 5, done: int = 5, rate: float = 0.003) -> int:
    """A run of a recipe with four approaches, of whose last one `done` of `epochs` epochs are over.

    It is running while that is not all; each approach took ten seconds.
    """
    recipe = load_recipe("bars-voxel-qat").model_copy(update={"id": name})
    train = recipe.train.model_copy(update={"epochs": epochs, "learning_rate": rate})
    recipe = recipe.model_copy(update={"train": train})
    job = store.add_job("run", name, {"recipe": recipe.model_dump(mode="json"), "data": None, "board": recipe.board})
    store.plan_stages(job, [("dataset", ""), *_LEARNING, ("report", "")])
    store.change_stage(job, "dataset", "", state="done", progress=1.0, digest=f"d{job}", message="4 classes")
    windows = {"classes": list(CLASSES), "splits": {"train": {"windows": STEPS * train.batch_size + 3}}}
    write(store, f"d{job}", "dataset.json", windows)
    for number, (stage, approach) in enumerate(_LEARNING):
        last = approach == "qat-int8" and done < epochs
        count = 2 if approach == "fp32-frames" else done if last else epochs
        store.add_metrics(job, _points(approach, count, STARTED + 10 * number, partly=last))
        state = "running" if last else "done"
        store.change_stage(job, stage, approach, state=state, progress=count / epochs, digest=f"{approach}{job}")
        if not last:
            record = {"epoch": count, "history": [], "validation": confusion(number)}
            write(store, f"{approach}{job}", "training.json", record)
    running = done < epochs
    store.change_job(
        job, state="running" if running else "done", started=STARTED, finished=None if running else STARTED + 70
    )
    return job


def write(store: Store, digest: str, name: str, content: dict[str, Any]) -> None:
    """Put a file into the artifact with this hash."""
    folder = store.workspace.artifact_dir(digest)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(content))


def confusion(mistakes: int) -> dict[str, Any]:
    """What training says of validation: as many windows of "left" as this are taken for "right"."""
    window = [[40 if row == column else 0 for column in range(4)] for row in range(4)]
    window[0][0], window[0][1] = 40 - mistakes, mistakes
    return {"confusion": {"window": window, "recording": [[4 * (r == c) for c in range(4)] for r in range(4)]}}


def _points(approach: str, epochs: int, begin: float, *, partly: bool) -> list[tuple[str, int, float, float]]:
    if approach == "ptq-int8":
        return [(f"{approach}/validation_accuracy", 0, 0.85, begin)]
    speed = {"fp32-frames": 60, "fp32-voxel": 30, "qat-int8": 40}[approach]
    steps = epochs * STEPS + (STEPS // 2 if partly else 0)
    found = []
    for step in range(steps):
        time = begin + 10 * step / steps
        found.append((f"{approach}/loss", step, 0.1 + 1.3 * math.exp(-step / speed), time))
        found.append((f"{approach}/learning_rate", step, 0.003 * (1 - step / 200), time))
        if approach == "qat-int8" and step % 10 == 0:
            for number, tensor in enumerate(_TENSORS):
                scale = 0.05 * (number + 1) * (1 - math.exp(-(step + 5) / 20))
                found.append((f"{approach}/scale/{tensor}", step, scale, time))
    for epoch in range(1, epochs + 1):
        share = 1 - 0.6 * math.exp(-epoch * STEPS / speed)
        loss = 0.2 + 1.3 * math.exp(-epoch * STEPS / speed)
        found.append((f"{approach}/accuracy", epoch * STEPS, share, begin))
        found.append((f"{approach}/validation_accuracy", epoch * STEPS, share - 0.03, begin))
        found.append((f"{approach}/validation_loss", epoch * STEPS, loss, begin))
    return found
