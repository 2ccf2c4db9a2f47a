"""The training loop: Adam on a cosine schedule, a checkpoint per epoch, the model chosen on validation."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import cos, isfinite, pi
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from evbench.errors import ModelError
from evbench.profiles import TrainSettings
from evbench.training.augment import Batches, SparseWindows
from evbench.training.checkpoint import (
    Checkpoint,
    latest_checkpoint,
    load_weights,
    save_checkpoint,
    save_weights,
)
from evbench.training.evaluate import Accuracy, accuracy
from evbench.training.sparsity import forward_with_density
from evbench.training.torch_setup import torch

OnMetric = Callable[[str, int, float], None]
"""Called as on_metric(name, step, value); steps count batches from the start of training."""

WARM_UP = 0.1
"""Part of all steps in which the learning rate rises."""

EVALUATION_BATCH = 128

VALIDATION = "validation.json"
"""The file of `Accuracy.to_json()` with the number of its epoch, for those who watch a training."""


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training left: the chosen epoch (1 is the first), its figures on validation, one entry per epoch."""

    epoch: int
    validation: Accuracy
    history: tuple[Mapping[str, float], ...]
    seconds: float


def learning_rate(step: int, steps: int, peak: float) -> float:
    """The rate of batch `step` of `steps`: a straight rise, then half a cosine down to zero.

    Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017, without restarts.
    """
    rise = max(1, round(WARM_UP * steps))
    if step < rise:
        return peak * (step + 1) / rise
    return peak * 0.5 * (1.0 + cos(pi * (step - rise) / max(1, steps - rise)))


def steps_per_epoch(train_set: SparseWindows, settings: TrainSettings) -> int:
    """How many whole batches the training set makes; one where it is smaller than a batch."""
    return len(train_set.labels) // min(settings.batch_size, len(train_set.labels))


def evaluate(network: nn.Module, windows: SparseWindows) -> Accuracy:
    """Accuracy of `network`, put into evaluation mode, on all windows."""
    return accuracy(logits_of(network, windows), windows.labels, windows.recording)


def logits_of(network: nn.Module, windows: SparseWindows) -> NDArray[np.float32]:
    """Logits [N, classes] of all windows from `network`, put into evaluation mode."""
    network.eval()
    return compute_logits(network, windows)


def compute_logits(forward: Callable[[torch.Tensor], torch.Tensor], windows: SparseWindows) -> NDArray[np.float32]:
    """Logits [N, classes] of all windows; `forward` maps [n, C, H, W] float32 to [n, classes]."""
    count = len(windows.labels)
    batches = Batches(windows, min(EVALUATION_BATCH, max(1, count)))
    with torch.no_grad():
        parts = [
            forward(batches(np.arange(first, min(first + EVALUATION_BATCH, count)))).numpy()
            for first in range(0, count, EVALUATION_BATCH)
        ]
    return np.concatenate(parts)


def train(
    network: nn.Module,
    train_set: SparseWindows,
    validation_set: SparseWindows,
    settings: TrainSettings,
    directory: Path,
    on_metric: OnMetric,
    *,
    epochs: int | None = None,
    before_epoch: Callable[[int], None] | None = None,
    after_step: Callable[[int], None] | None = None,
    first_epoch: int = 0,
) -> Trained:
    """Trains `network` in place and leaves it with the weights of the epoch that did best on validation.

    The best epoch is the one with the highest accuracy per window, of equal ones that with the smallest loss: the loss
    of a network that has grown sure of itself rises while it still answers better. Goes on from the newest checkpoint
    of `directory`; the outcome is bit for bit that of an unbroken run with as many threads. `epochs` replaces the
    settings' number; `before_epoch` is called with the number of each epoch and `after_step` with that of each step,
    counted from 0. A network that has the epochs before `first_epoch` behind it goes on there, with an optimiser that
    knows nothing of them. Metrics: loss, learning_rate and, where the settings weigh it, density per step; accuracy
    (on the augmented windows of training), validation_accuracy and validation_loss per epoch. `directory` holds
    VALIDATION, the newest epoch's figures on validation. Raises ModelError when the loss is no longer finite or a
    checkpoint belongs to another network.
    """
    started = perf_counter()
    epochs = epochs or settings.epochs
    optimizer = torch.optim.Adam(network.parameters(), settings.learning_rate)
    chosen = directory / "weights.safetensors"
    state = latest_checkpoint(directory)
    if state is None:
        state = Checkpoint(first_epoch, {}, {}, 0, 0.0, float("inf"))
    else:
        _go_on_from(state, network, optimizer, directory)
    batches = Batches(train_set, settings.batch_size)
    per_epoch = steps_per_epoch(train_set, settings)
    for epoch in range(state.epoch, epochs):
        if before_epoch is not None:
            before_epoch(epoch)
        loss, right = _train_epoch(
            network, optimizer, batches, train_set.labels, settings, epoch, epochs * per_epoch, on_metric, after_step
        )
        found = evaluate(network, validation_set)
        step = (epoch + 1) * per_epoch
        on_metric("accuracy", step, right)
        on_metric("validation_accuracy", step, found.window.value)
        on_metric("validation_loss", step, found.loss)
        figures = {
            "loss": loss,
            "accuracy": right,
            "validation_loss": found.loss,
            "validation_accuracy": found.window.value,
        }
        _write_validation(directory, epoch + 1, found)
        rank, best = (found.window.value, -found.loss), (state.best_accuracy, -state.best_loss)
        improved = rank >= best
        if improved:
            directory.mkdir(parents=True, exist_ok=True)
            save_weights(network.state_dict(), chosen)
        state = Checkpoint(
            epoch + 1,
            network.state_dict(),
            optimizer.state_dict(),
            epoch + 1 if improved else state.best_epoch,
            found.window.value if improved else state.best_accuracy,
            found.loss if improved else state.best_loss,
            [*state.history, figures],
        )
        save_checkpoint(state, directory)
    network.load_state_dict(load_weights(chosen))
    return Trained(state.best_epoch, evaluate(network, validation_set), tuple(state.history), perf_counter() - started)


def _go_on_from(state: Checkpoint, network: nn.Module, optimizer: torch.optim.Optimizer, directory: Path) -> None:
    try:
        network.load_state_dict(dict(state.weights))
        optimizer.load_state_dict(dict(state.optimizer))
    except (RuntimeError, ValueError, KeyError) as error:
        raise ModelError(
            "The checkpoint belongs to another network",
            where=str(directory),
            remedy="Delete it to train from the start",
        ) from error


def _train_epoch(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: Batches,
    labels: NDArray[np.int64],
    settings: TrainSettings,
    epoch: int,
    steps: int,
    on_metric: OnMetric,
    after_step: Callable[[int], None] | None,
) -> tuple[float, float]:
    """One pass over the training set; returns its mean loss and the share of windows that were answered right.

    All randomness follows from the seed and the epoch.
    """
    rng = np.random.default_rng((settings.seed, epoch))
    torch.manual_seed(int(rng.integers(2**31)))
    order = rng.permutation(len(labels))
    size = min(settings.batch_size, len(labels))
    losses: list[float] = []
    right = 0
    network.train()
    for number in range(len(labels) // size):
        rows = order[number * size : (number + 1) * size]
        step = epoch * (len(labels) // size) + number
        rate = learning_rate(step, steps, settings.learning_rate)
        for group in optimizer.param_groups:
            group["lr"] = rate
        batch = batches(rows, settings.augment, rng)
        logits, density = forward_with_density(network, batch) if settings.sparsity else (network(batch), None)
        wanted = torch.from_numpy(labels[rows])
        loss = nn.functional.cross_entropy(logits, wanted)
        right += int((logits.argmax(1) == wanted).sum())
        if density is not None:
            loss = loss + settings.sparsity * density
            on_metric("density", step, density.item())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.item())
        if not isfinite(losses[-1]):
            raise ModelError(
                "Training diverged: the loss is no longer a number",
                where=f"epoch {epoch + 1}, step {step}",
                remedy="Lower train.learning_rate",
            )
        on_metric("loss", step, losses[-1])
        on_metric("learning_rate", step, rate)
        if after_step is not None:
            after_step(step)
    return float(np.mean(losses)), right / (size * len(losses))


def _write_validation(directory: Path, epoch: int, found: Accuracy) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    part = directory / f"{VALIDATION}.tmp"
    part.write_text(json.dumps({"epoch": epoch, **found.to_json()}))
    os.replace(part, directory / VALIDATION)


def describe(trained: Trained) -> dict[str, Any]:
    """A training as plain values for JSON."""
    return {
        "epoch": trained.epoch,
        "validation": trained.validation.to_json(),
        "history": [dict(figures) for figures in trained.history],
        "seconds": round(trained.seconds, 3),
    }
