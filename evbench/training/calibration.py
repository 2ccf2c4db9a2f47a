"""Some windows of the training set, kept beside the weights: what export measures a network's activity on."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evbench.errors import ModelError
from evbench.training.augment import SparseWindows

FILE = "calibration.npz"
WINDOWS = 64


def save_calibration(windows: SparseWindows, seed: int, directory: Path) -> None:
    """Writes up to `WINDOWS` windows, drawn by `seed`, into `directory`."""
    chosen = np.sort(np.random.default_rng(seed).permutation(len(windows.labels))[:WINDOWS])
    grids = np.zeros((len(chosen), int(np.prod(windows.shape))), np.uint8)
    for grid, number in zip(grids, chosen, strict=True):
        entries = slice(windows.offsets[number], windows.offsets[number + 1])
        grid[windows.index[entries]] = windows.count[entries]
    np.savez_compressed(directory / FILE, windows=grids.reshape(len(chosen), *windows.shape))


def load_calibration(directory: Path) -> NDArray[np.uint8] | None:
    """The windows, uint8 [n, C, H, W], or None where none were kept. Raises ModelError when the file is damaged."""
    path = directory / FILE
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            return np.asarray(file["windows"], np.uint8)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ModelError(
            f"The calibration windows cannot be read: {error}", where=str(path), remedy="Train again"
        ) from None
