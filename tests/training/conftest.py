"""Small window sets that a small network learns in a second."""

from __future__ import annotations

import numpy as np
import pytest

from evbench.events.windowset import WindowSet


def corner_windows(
    per_class: int, seed: int, shape: tuple[int, int, int] = (4, 16, 16), per_recording: int = 8
) -> WindowSet:
    """Two classes: events in the upper left or in the lower right quarter, ten voxels per window."""
    rng = np.random.default_rng(seed)
    channels, height, width = shape
    labels = np.repeat(np.arange(2), per_class)
    rows = []
    for label in labels:
        y = rng.integers(0, height // 2, 10) + label * (height // 2)
        x = rng.integers(0, width // 2, 10) + label * (width // 2)
        channel = rng.integers(0, channels, 10)
        rows.append(np.unique((channel * height + y) * width + x))
    index = np.concatenate(rows).astype(np.uint32)
    return WindowSet(
        offsets=np.cumsum([0, *map(len, rows)]).astype(np.int64),
        index=index,
        count=rng.integers(1, 4, len(index)).astype(np.uint8),
        labels=labels,
        recording=(np.arange(len(labels)) // per_recording).astype(np.int32),
        t0=np.arange(len(labels), dtype=np.int64) * 50_000,
        shape=shape,
    )


@pytest.fixture(scope="session")
def train_set() -> WindowSet:
    return corner_windows(48, seed=1)


@pytest.fixture(scope="session")
def validation_set() -> WindowSet:
    return corner_windows(16, seed=2)


@pytest.fixture(scope="session")
def test_set() -> WindowSet:
    return corner_windows(16, seed=3)
