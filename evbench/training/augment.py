"""Dense batches from sparse windows, moved about at random while the network learns.

Everything happens on the list of non-zero voxels, a few hundred per window, before the batch becomes dense.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from evbench.training.torch_setup import torch

Augmentation = Literal["shift", "flip", "reverse", "affine"]

SHIFT = 1 / 8
"""Largest shift, as a fraction of height and width."""

ROTATION = np.deg2rad(15.0)
"""Largest rotation, radians."""

ZOOM = 1.2
"""Largest magnification; its inverse is the smallest."""


class SparseWindows(Protocol):
    """The non-zero voxels of N windows, window after window.

    Window n holds entries offsets[n] … offsets[n + 1]: index [E] uint32 is the position in the flat (C, H, W) grid,
    count [E] uint8 the number of events; labels [N] int64; recording [N] int32 numbers the recordings.
    """

    @property
    def offsets(self) -> NDArray[np.int64]: ...
    @property
    def index(self) -> NDArray[np.uint32]: ...
    @property
    def count(self) -> NDArray[np.uint8]: ...
    @property
    def labels(self) -> NDArray[np.int64]: ...
    @property
    def recording(self) -> NDArray[np.int32]: ...
    @property
    def shape(self) -> tuple[int, int, int]: ...


@dataclass(frozen=True, slots=True)
class Voxels:
    """Non-zero voxels of a batch: all arrays are [E]; `item` is the place in the batch."""

    item: NDArray[np.int64]
    channel: NDArray[np.int64]
    y: NDArray[np.int64]
    x: NDArray[np.int64]
    count: NDArray[np.float32]


def gather(windows: SparseWindows, rows: NDArray[np.int64]) -> Voxels:
    """The voxels of the windows numbered `rows` [n]."""
    _, height, width = windows.shape
    spans = [slice(windows.offsets[row], windows.offsets[row + 1]) for row in rows]
    flat = np.concatenate([windows.index[span] for span in spans] or [np.zeros(0, np.uint32)]).astype(np.int64)
    count = np.concatenate([windows.count[span] for span in spans] or [np.zeros(0, np.uint8)]).astype(np.float32)
    item = np.repeat(np.arange(len(rows)), [span.stop - span.start for span in spans])
    channel, place = np.divmod(flat, height * width)
    y, x = np.divmod(place, width)
    return Voxels(item, channel, y, x, count)


def augment(
    voxels: Voxels,
    shape: tuple[int, int, int],
    items: int,
    augmentations: Sequence[Augmentation],
    rng: np.random.Generator,
) -> Voxels:
    """The voxels after random changes, drawn anew for each of the `items` windows; `shape` is (C, H, W).

    shift: by up to an eighth of the size. flip: left to right, for classes that look alike in a mirror. reverse: the
    motion runs backwards, that is the bins in opposite order and the polarities swapped, for classes that do not
    depend on direction. affine: rotation by up to 15 degrees and zoom by up to 1.2. Voxels that leave the grid are
    dropped, those that meet are summed when the batch becomes dense.
    """
    channels, height, width = shape
    channel, y, x = voxels.channel, voxels.y, voxels.x
    if "reverse" in augmentations:
        reversed_ = (rng.random(items) < 0.5)[voxels.item]
        channel = np.where(reversed_, channels - 1 - channel, channel)
    if "flip" in augmentations:
        flipped = (rng.random(items) < 0.5)[voxels.item]
        x = np.where(flipped, width - 1 - x, x)
    if "affine" in augmentations:
        angle = rng.uniform(-ROTATION, ROTATION, items)
        zoom = np.exp(rng.uniform(-np.log(ZOOM), np.log(ZOOM), items))
        cosine, sine = (zoom * np.cos(angle))[voxels.item], (zoom * np.sin(angle))[voxels.item]
        across, down = x - (width - 1) / 2, y - (height - 1) / 2
        x = np.rint(cosine * across - sine * down + (width - 1) / 2).astype(np.int64)
        y = np.rint(sine * across + cosine * down + (height - 1) / 2).astype(np.int64)
    if "shift" in augmentations:
        x = x + rng.integers(-int(width * SHIFT), int(width * SHIFT) + 1, items)[voxels.item]
        y = y + rng.integers(-int(height * SHIFT), int(height * SHIFT) + 1, items)[voxels.item]
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    return Voxels(voxels.item[inside], channel[inside], y[inside], x[inside], voxels.count[inside])


class Batches:
    """Makes dense batches [n, C, H, W] float32, channels last in memory, from sparse windows.

    One buffer serves all batches: a batch is valid until the next one is asked for.
    """

    def __init__(self, windows: SparseWindows, largest: int) -> None:
        self._windows = windows
        channels, height, width = windows.shape
        self._buffer = torch.zeros(largest, height, width, channels)
        self._written = torch.zeros(0, dtype=torch.int64)

    def __call__(
        self,
        rows: NDArray[np.int64],
        augmentations: Sequence[Augmentation] = (),
        rng: np.random.Generator | None = None,
    ) -> torch.Tensor:
        """The windows numbered `rows`; augmented when `rng` is given."""
        shape = self._windows.shape
        channels, height, width = shape
        voxels = gather(self._windows, rows)
        if rng is not None and augmentations:
            voxels = augment(voxels, shape, len(rows), augmentations, rng)
        flat = ((voxels.item * height + voxels.y) * width + voxels.x) * channels + voxels.channel
        memory = self._buffer.view(-1)
        memory[self._written] = 0.0
        self._written = torch.from_numpy(flat)
        memory.scatter_add_(0, self._written, torch.from_numpy(voxels.count))
        return self._buffer[: len(rows)].permute(0, 3, 1, 2)
