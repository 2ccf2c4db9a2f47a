"""Checkpoints on disk: weights as safetensors, the rest for `torch.load(weights_only=True)`; opening runs no code."""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from evbench.errors import ModelError
from evbench.training.torch_setup import torch

_NAME = "epoch-{:04d}.pt"
_KEPT = 2


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Everything training needs to go on after `epoch` epochs.

    weights: the network's state dict; optimizer: the optimiser's; best: the chosen epoch (0 before the first), its
    accuracy and loss on validation; history: one entry of figures per epoch. Random numbers need no
    entry: those of an epoch depend on the seed and the epoch alone.
    """

    epoch: int
    weights: Mapping[str, torch.Tensor]
    optimizer: Mapping[str, Any]
    best_epoch: int
    best_accuracy: float
    best_loss: float
    history: list[dict[str, float]] = field(default_factory=list)


def save_weights(weights: Mapping[str, torch.Tensor], path: Path) -> None:
    """Writes a state dict as safetensors, under a temporary name first."""
    temporary = path.with_suffix(".tmp")
    # Tied or strided tensors are refused by safetensors, so every one is written as its own copy.
    save_file({name: value.detach().clone().contiguous() for name, value in weights.items()}, temporary)
    os.replace(temporary, path)


def load_weights(path: Path) -> dict[str, torch.Tensor]:
    """A state dict written by `save_weights`. Raises ModelError when the file is absent or damaged."""
    try:
        return dict(load_file(path))
    except (OSError, SafetensorError) as error:
        raise ModelError(
            f"The weights cannot be read: {error}", where=str(path), remedy="Train the network again"
        ) from error


def save_checkpoint(checkpoint: Checkpoint, directory: Path) -> Path:
    """Writes a checkpoint into `directory` under a temporary name first and drops all but the last two."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / _NAME.format(checkpoint.epoch)
    temporary = path.with_suffix(".tmp")
    content = {
        "epoch": checkpoint.epoch,
        "weights": dict(checkpoint.weights),
        "optimizer": dict(checkpoint.optimizer),
        "best_epoch": checkpoint.best_epoch,
        "best_accuracy": checkpoint.best_accuracy,
        "best_loss": checkpoint.best_loss,
        "history": checkpoint.history,
    }
    with temporary.open("wb") as file:
        torch.save(content, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    for old in _checkpoints(directory)[:-_KEPT]:
        old.unlink(missing_ok=True)
    return path


def load_checkpoint(path: Path) -> Checkpoint:
    """Reads a checkpoint without running code from it.

    Raises ModelError when the file is damaged, holds anything but tensors and plain values, or is no checkpoint.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        return Checkpoint(**content)
    except (OSError, RuntimeError, EOFError, TypeError, ValueError, pickle.UnpicklingError) as error:
        raise ModelError(
            "This file is not a checkpoint that can be opened safely",
            where=f"{path}: {str(error).splitlines()[0] if str(error) else type(error).__name__}",
            remedy="Delete it to go on from the checkpoint before it",
        ) from error


def latest_checkpoint(directory: Path) -> Checkpoint | None:
    """The newest readable checkpoint of `directory`, None when there is none."""
    for path in reversed(_checkpoints(directory)):
        try:
            return load_checkpoint(path)
        except ModelError:
            continue
    return None


def _checkpoints(directory: Path) -> list[Path]:
    return sorted(directory.glob(_NAME.replace("{:04d}", "*")))
