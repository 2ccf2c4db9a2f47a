"""A model with known tensors as a job leaves it, and a training of it as one sees it from outside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evbench.jobs.store import Store
from evbench.quantize.movement import FILE as MOVEMENT_FILE
from evbench.quantize.movement import Movement, no_movement, save_movement
from evbench.quantize.statistics import (
    FILE,
    SCALES_FILE,
    Collector,
    ModelStatistics,
    ObserverSettings,
    ScaleRecord,
    TensorStatistics,
    save_scales,
    save_statistics,
)

DIGESTS = {"train": "1" * 64, "export": "2" * 64, "parity": "3" * 64}


def activation(name: str, centre: float, zeros: float, reach: float, outlier: float = 0.0) -> TensorStatistics:
    """Eight windows of four channels around `centre`, on a grid that ends at `reach`."""
    rng = np.random.default_rng(len(name))
    values = np.abs(rng.normal(centre, centre / 5, (8, 4, 20, 20))) * (rng.random((8, 4, 20, 20)) >= zeros)
    if outlier:
        values[0, 0, 0, 0] = outlier
    scale = reach / 255
    collector = Collector(name, "activation", 0, 255, np.array([scale]), "minmax")
    collector.add(values.astype(np.float32), (np.clip(np.rint(values / scale), 0, 255) * scale).astype(np.float32))
    return collector.finish(batches=3)


def weights(name: str, channels: int, dead: bool = False) -> TensorStatistics:
    """A weight tensor whose channels grow from the first to the last, the third of them dead where asked."""
    rng = np.random.default_rng(channels)
    values: NDArray[np.float32] = (rng.normal(0, 1, (channels, 9)) * np.arange(1, channels + 1)[:, None]).astype("f4")
    if dead:
        values[2] = 0
    scales = np.maximum(np.abs(values).max(axis=1), 1e-3) / 127
    collector = Collector(name, "weight", -127, 127, scales, "minmax")
    rounded = np.rint(values / scales[:, None]) * scales[:, None]
    collector.add(values, rounded.astype(np.float32))
    return collector.finish()


def counts() -> TensorStatistics:
    """The input: counts, nearly all of them zero."""
    values = np.random.default_rng(0).poisson(0.02, (8, 4, 20, 20)).astype(np.float32)
    collector = Collector("input", "input", 0, 255, np.array([1.0]), "counts")
    collector.add(values, values)
    return collector.finish()


def movement(looks: int = 12, total: int = 240) -> Movement:
    """A training in which the values of both layers grow and the grids follow."""
    found = no_movement(("stem", "block"), total, 16)
    for look in range(looks):
        size = 1 + look / 4
        found = found.with_look(
            look * total // 12,
            {
                "stem": activation("stem", 5 * size, 0.9 - look / 50, 10 * size),
                "block": activation("block", 0.5 * size, 0.5, 0.8 * size),
            },
        )
    return found


def scales(steps: int = 24) -> ScaleRecord:
    record = np.geomspace(0.04, 0.15, steps)[:, None] * np.array([[1.0, 0.1]])
    return ScaleRecord(("stem", "block"), np.arange(steps) * 10, record)


def statistics() -> ModelStatistics:
    """An input, a layer whose range an outlier owns, one in order, and their weights, a channel of which is dead."""
    tensors = (
        counts(),
        weights("stem.weight", 8, dead=True),
        activation("stem", 5.0, 0.9, 1000.0, outlier=1000.0),
        weights("block.weight", 16),
        activation("block", 0.5, 0.5, 1.0),
        weights("head.weight", 6),
    )
    return ModelStatistics(tensors, ObserverSettings(), scales(), movement())


def add_model(store: Store, recipe: str = "objects-voxel-qat") -> int:
    """A finished job with an exported model, its statistics and a parity result that names the layer "block"."""
    job = store.add_job("run", recipe, {"board": "virtual-h743", "data": None})
    store.plan_stages(job, [("train", "qat-int8"), ("export", "qat-int8"), ("parity", "qat-int8")])
    for name, digest in DIGESTS.items():
        store.workspace.artifact_dir(digest).mkdir(parents=True)
        store.change_stage(job, name, "qat-int8", state="done", digest=digest, progress=1.0)
    folder = store.workspace.artifact_dir(DIGESTS["export"]) / "model"
    folder.mkdir()
    save_statistics(statistics(), folder / FILE)
    (folder / "model.json").write_text(f'{{"recipe": {{"id": "{recipe}"}}, "approach": "qat-int8"}}')
    set_parity(
        store, '{"a": "reference", "b": "board", "max_lsb": 3, "passed": false, "first_differing_layer": "block"}'
    )
    store.change_job(job, state="done", started=1.0, finished=2.0)
    return job


def set_parity(store: Store, pair: str) -> None:
    """Make this the result of the model's parity stage."""
    file = store.workspace.artifact_dir(DIGESTS["parity"]) / "parity.json"
    file.write_text(f'{{"windows": 16, "pairs": [{pair}], "passed": false}}')


def add_training(store: Store) -> tuple[int, Path]:
    """A job whose training with quantisation is under way and has looked at nothing yet; and its working folder."""
    job = store.add_job("run", "bars-voxel-qat", {"board": "virtual-h743"})
    store.plan_stages(job, [("train", "qat-int8"), ("export", "qat-int8")])
    digest = "4" * 64
    folder = store.workspace.work_dir(digest)
    folder.mkdir(parents=True)
    store.change_stage(job, "train", "qat-int8", state="running", digest=digest, progress=0.4)
    store.change_job(job, state="running", started=1.0)
    return job, folder


def look(folder: Path, looks: int) -> None:
    """What a training has written after so many looks."""
    save_movement(movement(looks), folder / MOVEMENT_FILE)
    save_scales(scales(2 * looks), folder / SCALES_FILE)


def part(rank: int, layer: str, what: str, off: float, correct: int) -> dict[str, Any]:
    cost = {"correct": correct, "accuracy": correct / 100, "logit_rms": off, "logit_max": 4 * off}
    return {"rank": rank, "layer": layer, "what": what, "only": cost, "all_but": cost}


RANKED: dict[str, Any] = {
    "windows": 100,
    "split": "validation",
    "float": {"accuracy": 0.97},
    "parts": [
        part(1, "block", "weights", 0.0412, 94),
        part(2, "stem", "activations", 0.0123, 97),
        part(3, "stem", "weights", 0.0009, 97),
    ],
}
"""What measuring the model's sensitivity has found."""
