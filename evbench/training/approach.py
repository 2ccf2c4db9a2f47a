"""The four ways a recipe's network reaches the board: float on frames, float on voxel grids, and two integer ones.

`train_approach` turns windows into weights, `export_approach` turns weights into a model directory. Both read nothing
but their arguments and write nothing but their directory, so a pipeline can store them by the hash of their inputs.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from evbench.errors import ModelError
from evbench.graph.activity import with_activity
from evbench.graph.card import CARD, CHECK, CHECK_WINDOWS, save_check
from evbench.graph.file import save_graph
from evbench.graph.onnx import to_onnx
from evbench.networks.registry import create, parameter_count
from evbench.profiles import Recipe
from evbench.quantize.lower import lower, lower_float
from evbench.quantize.movement import FILE as MOVEMENT
from evbench.quantize.movement import load_movement
from evbench.quantize.program import convert, load_prepared, prepare, save_prepared
from evbench.quantize.statistics import FILE as STATISTICS
from evbench.quantize.statistics import SCALES_FILE, ModelStatistics, ObserverSettings, load_scales, save_statistics
from evbench.quantize.watch import measure
from evbench.training.augment import Batches, SparseWindows
from evbench.training.calibration import load_calibration, save_calibration
from evbench.training.card import model_card
from evbench.training.checkpoint import load_weights, save_weights
from evbench.training.evaluate import Accuracy, accuracy
from evbench.training.following import Follower
from evbench.training.loop import OnMetric, compute_logits, describe, steps_per_epoch, train
from evbench.training.torch_setup import torch

Approach = Literal["fp32-frames", "fp32-voxel", "ptq-int8", "qat-int8"]

APPROACHES: tuple[Approach, ...] = ("fp32-frames", "fp32-voxel", "ptq-int8", "qat-int8")
"""In the order of a report's rows."""

WEIGHTS = "weights.safetensors"
UNROUNDED = "unrounded.safetensors"
"""The weights of a float training at the epoch at which training with quantisation takes over."""

CALIBRATION_WINDOWS = 1024
CALIBRATION_BATCH = 16
LOOKED_AT = 16
"""Windows at which a training with quantisation is looked at."""


@dataclass(frozen=True, slots=True)
class ApproachResult:
    """An exported model: where it lies, how large it is, how often it is right on the test split."""

    approach: Approach
    network: str
    directory: Path
    accuracy: Accuracy
    validation: Mapping[str, Any]
    parameters: int
    model_bytes: int
    macs: int
    epoch: int
    training_seconds: float

    def to_json(self) -> dict[str, Any]:
        """Plain values; the directory is left out, a model may be moved."""
        values = asdict(self)
        del values["directory"]
        return values | {"accuracy": self.accuracy.to_json(), "validation": dict(self.validation)}


def input_kind(approach: Approach) -> Literal["voxel", "frame"]:
    """Which windows the approach reads: argument `kind` of `evbench.events.windowset.build_windows`."""
    return "frame" if approach == "fp32-frames" else "voxel"


def network_name(approach: Approach, recipe: Recipe) -> str:
    """The network that the recipe names for the approach."""
    return recipe.network.frames if approach == "fp32-frames" else recipe.network.name


def needs_base(approach: Approach, recipe: Recipe) -> bool:
    """Whether the approach starts from the recipe's fp32-voxel training: from its end, or where rounding begins."""
    return approach == "ptq-int8" or (approach == "qat-int8" and recipe.quantize.late)


def train_approach(
    approach: Approach,
    recipe: Recipe,
    train_set: SparseWindows,
    validation_set: SparseWindows,
    classes: tuple[str, ...],
    directory: Path,
    on_metric: OnMetric,
    *,
    base: Path | None = None,
) -> dict[str, Any]:
    """Trains, or for ptq-int8 calibrates, and writes weights, `training.json` and some windows into `directory`.

    `base` is the directory of the recipe's fp32-voxel training. ptq-int8 starts from its result; qat-int8 with
    `quantize.from_epoch` above 0 from what it had learned by then, since that far both are the same. An interrupted
    training goes on from the last epoch in `directory/checkpoints`. Returns what `training.json` holds: the chosen
    epoch, its figures on validation, one entry per epoch of its own and the seconds these took. Raises ModelError
    when the network cannot be made or quantised.
    """
    directory.mkdir(parents=True, exist_ok=True)
    if approach == "ptq-int8":
        record = _calibrate(recipe, train_set, validation_set, classes, directory, base, on_metric)
    elif approach == "qat-int8":
        record = _train_rounded(recipe, train_set, validation_set, classes, directory, base, on_metric)
    else:
        record = _train(approach, recipe, train_set, validation_set, classes, directory, on_metric)
    save_calibration(train_set, recipe.train.seed, directory)
    record = {"approach": approach, "network": network_name(approach, recipe), **record}
    _write_json(record, directory / "training.json")
    return record


def _train(
    approach: Approach,
    recipe: Recipe,
    train_set: SparseWindows,
    validation_set: SparseWindows,
    classes: tuple[str, ...],
    directory: Path,
    on_metric: OnMetric,
) -> dict[str, Any]:
    settings = recipe.train
    network = _fresh(approach, recipe, train_set, classes)
    epochs = (settings.frames_epochs if approach == "fp32-frames" else None) or settings.epochs

    def keep_for_rounding(epoch: int) -> None:
        if approach == "fp32-voxel" and recipe.quantize.late and epoch == recipe.quantize.from_epoch:
            save_weights(network.state_dict(), directory / UNROUNDED)

    found = train(
        network,
        train_set,
        validation_set,
        settings,
        directory / "checkpoints",
        on_metric,
        epochs=epochs,
        before_epoch=keep_for_rounding,
    )
    save_weights(network.state_dict(), directory / WEIGHTS)
    return describe(found)


def _train_rounded(
    recipe: Recipe,
    train_set: SparseWindows,
    validation_set: SparseWindows,
    classes: tuple[str, ...],
    directory: Path,
    base: Path | None,
    on_metric: OnMetric,
) -> dict[str, Any]:
    settings, epochs, rounded_from = recipe.train, recipe.train.epochs, recipe.quantize.from_epoch
    network = _fresh("qat-int8", recipe, train_set, classes)
    if recipe.quantize.late:
        network.load_state_dict(load_weights(_needed(base, recipe) / UNROUNDED))
    program = prepare(network, train_set.shape, recipe.quantize)
    per_epoch = steps_per_epoch(train_set, settings)
    steps = range(rounded_from * per_epoch, epochs * per_epoch)

    def freeze(epoch: int) -> None:
        chosen, later = recipe.quantize, epoch > rounded_from
        program.freeze(
            ranges=later and epoch >= chosen.freeze_ranges * epochs, norm=later and epoch >= chosen.freeze_norm * epochs
        )

    found = train(
        program,
        train_set,
        validation_set,
        settings,
        directory / "checkpoints",
        on_metric,
        before_epoch=freeze,
        after_step=Follower(program, _some_windows(train_set, LOOKED_AT), steps, directory, on_metric),
        first_epoch=rounded_from,
    )
    save_prepared(program, directory / WEIGHTS)
    return describe(found)


def _needed(base: Path | None, recipe: Recipe) -> Path:
    if base is None:
        raise ModelError(
            "Quantisation has no network to start from",
            where=f"recipe {recipe.id}",
            remedy="Train fp32-voxel first and pass its directory",
        )
    return base


def _calibrate(
    recipe: Recipe,
    train_set: SparseWindows,
    validation_set: SparseWindows,
    classes: tuple[str, ...],
    directory: Path,
    base: Path | None,
    on_metric: OnMetric,
) -> dict[str, Any]:
    base = _needed(base, recipe)
    network = _fresh("ptq-int8", recipe, train_set, classes)
    network.load_state_dict(load_weights(base / WEIGHTS))
    program = prepare(network, train_set.shape, recipe.quantize)
    program.calibrate(_calibration_batches(train_set, recipe))
    found = accuracy(compute_logits(program.eval(), validation_set), validation_set.labels, validation_set.recording)
    on_metric("validation_accuracy", 0, found.window.value)
    save_prepared(program, directory / WEIGHTS)
    before = json.loads((base / "training.json").read_text(encoding="utf-8"))
    return {**before, "validation": found.to_json()}


def export_approach(
    approach: Approach,
    recipe: Recipe,
    trained: Path,
    test_set: SparseWindows,
    classes: tuple[str, ...],
    directory: Path,
    splits: Mapping[str, Any] | None = None,
) -> ApproachResult:
    """Writes the model directory of a finished training and measures it on the test split.

    `trained` is what `train_approach` wrote; `directory` receives graph.safetensors, model.onnx, some windows with
    their logits, the card model.json and, for integer models, torch.safetensors and statistics.npz. `splits` is what
    the card says of the other splits, as `split_entry` gives it. Accuracy is that of the network as exported: batch
    norm folded, and for integer models with the integers the board computes with. Raises ModelError when an operator
    cannot be lowered.
    """
    directory.mkdir(parents=True, exist_ok=True)
    record = json.loads((trained / "training.json").read_text(encoding="utf-8"))
    network = _fresh(approach, recipe, test_set, classes)
    parameters = parameter_count(network)
    name = f"{recipe.id}-{approach}"
    metadata = _metadata(approach, recipe, classes)
    if approach in ("ptq-int8", "qat-int8"):
        program = load_prepared(network, trained / WEIGHTS)
        converted = convert(program)
        graph = lower(converted, name, metadata)
        save_prepared(program, directory / "torch.safetensors")
        logits = compute_logits(converted, test_set)
    else:
        network.load_state_dict(load_weights(trained / WEIGHTS))
        graph = lower_float(network.eval(), test_set.shape, name, metadata)
        logits = compute_logits(network, test_set)
    calibration = load_calibration(trained)
    if calibration is not None and not graph.is_float:
        graph = with_activity(graph, calibration)
        tensors = measure(program, iter(torch.split(torch.from_numpy(calibration), CALIBRATION_BATCH)))
        quantize = recipe.quantize
        settings = ObserverSettings(quantize.averaging_constant, quantize.percentile, recipe.train.batch_size)
        scales, movement = load_scales(trained / SCALES_FILE), load_movement(trained / MOVEMENT)
        statistics = ModelStatistics(tensors, settings, scales, movement)
        save_statistics(statistics, directory / STATISTICS)
    save_graph(graph, directory / "graph.safetensors")
    _write(to_onnx(graph).SerializeToString(), directory / "model.onnx")
    save_check(graph, _some_windows(test_set, CHECK_WINDOWS), directory / CHECK)
    result = ApproachResult(
        approach=approach,
        network=network_name(approach, recipe),
        directory=directory,
        accuracy=accuracy(logits, test_set.labels, test_set.recording),
        validation=record["validation"],
        parameters=parameters,
        model_bytes=graph.weight_bytes,
        macs=sum(graph.macs(operator) for operator in graph.operators),
        epoch=int(record["epoch"]),
        training_seconds=float(record["seconds"]),
    )
    _write_json(model_card(graph, recipe, result.to_json(), test_set, directory, splits or {}), directory / CARD)
    return result


def _fresh(approach: Approach, recipe: Recipe, windows: SparseWindows, classes: tuple[str, ...]) -> nn.Module:
    """The approach's network with the first weights of the recipe's seed."""
    torch.manual_seed(recipe.train.seed)
    channels, height, width = windows.shape
    network = create(network_name(approach, recipe), channels, len(classes), (height, width))
    # The order in which batches lie in memory; a step takes a fifth less time than with torch's default.
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _some_windows(windows: SparseWindows, count: int) -> NDArray[np.uint8]:
    """Up to `count` windows [n, C, H, W] spread evenly over a split."""
    rows = np.unique(np.linspace(0, len(windows.labels) - 1, count).round().astype(np.int64))
    grids = np.zeros((len(rows), int(np.prod(windows.shape))), np.uint8)
    for grid, row in zip(grids, rows, strict=True):
        part = slice(windows.offsets[row], windows.offsets[row + 1])
        grid[windows.index[part]] = windows.count[part]
    return grids.reshape(len(rows), *windows.shape)


def _calibration_batches(windows: SparseWindows, recipe: Recipe) -> Iterator[Tensor]:
    order = np.random.default_rng(recipe.train.seed).permutation(len(windows.labels))[:CALIBRATION_WINDOWS]
    size = min(recipe.train.batch_size, len(order))
    batches = Batches(windows, size)
    for first in range(0, len(order), size):
        yield batches(order[first : first + size])


def _metadata(approach: Approach, recipe: Recipe, classes: tuple[str, ...]) -> dict[str, str]:
    """What the board session and the workbench must know to feed the graph and name its answers."""
    representation = recipe.representation
    kind = input_kind(approach)
    return {
        "approach": approach,
        "network": network_name(approach, recipe),
        "method": approach.partition("-")[0],
        "classes": json.dumps(list(classes)),
        "representation": kind,
        "bins": str(1 if kind == "frame" else representation.bins),
        "window_us": str(representation.window),
        "size": json.dumps(list(representation.size)),
        "filters": json.dumps([settings.model_dump() for settings in representation.filters]),
    }


def _write_json(content: Mapping[str, Any], path: Path) -> None:
    _write((json.dumps(content, indent=1) + "\n").encode(), path)


def _write(content: bytes, path: Path) -> None:
    temporary = path.with_name(f"{path.name}.tmp")
    temporary.write_bytes(content)
    os.replace(temporary, path)
