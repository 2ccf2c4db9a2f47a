"""How the tensors of a network moved while it was trained with quantisation: some looks at a few windows.

The windows are the same at every look and go through the network as it would run on the board at that moment, so that
nothing but training makes two looks differ. A look keeps a histogram of two bins per octave, a sixteenth of what
statistics of a finished network have, and the figures that say what the grid costs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evbench.quantize.archive import Arrays, damaged, load_archive, save_archive
from evbench.quantize.histogram import BINS, EDGES, STEPS

if TYPE_CHECKING:
    from evbench.quantize.statistics import TensorStatistics

FILE = "movement.npz"
"""The file's name in the folder of a training."""

LOOKS = 48
"""About how many looks a training takes, evenly over its steps."""

PER_OCTAVE = 2
COARSE_BINS = BINS * PER_OCTAVE // STEPS
COARSE_EDGES: NDArray[np.float64] = EDGES[:: STEPS // PER_OCTAVE]
"""float64 [COARSE_BINS + 1]."""

FIGURES = ("zero_share", "scale", "range", "lost_share", "clip_share")
"""The attributes of `TensorStatistics` that a look keeps."""


@dataclass(frozen=True, slots=True, eq=False)
class Movement:
    """n looks at T tensors `names`, each at the same `windows` windows, of a training of `total_steps` steps.

    steps: int64 [n], ascending, the step after which the look was taken; shares: float16 [n, T, COARSE_BINS], of the
    values that are not zero; figures: float64 [n, T, len(FIGURES)].
    """

    names: tuple[str, ...]
    total_steps: int
    windows: int
    steps: NDArray[np.int64]
    shares: NDArray[np.float16]
    figures: NDArray[np.float64]

    def with_look(self, step: int, tensors: Mapping[str, TensorStatistics]) -> Movement:
        """One look more; what an interrupted training had kept from `step` on is replaced."""
        before = self.steps < step
        counts = np.array([_coarse(tensors[name]) for name in self.names]).reshape(-1, COARSE_BINS)
        sums = counts.sum(axis=1, keepdims=True)
        shares = np.divide(counts, sums, out=np.zeros_like(counts), where=sums > 0).astype(np.float16)
        figures = np.array([[getattr(tensors[name], figure) for figure in FIGURES] for name in self.names])
        return Movement(
            self.names,
            self.total_steps,
            self.windows,
            np.append(self.steps[before], step),
            np.concatenate([self.shares[before], shares[None]]),
            np.concatenate([self.figures[before], figures.reshape(1, -1, len(FIGURES))]),
        )

    def of(self, name: str) -> dict[str, Any]:
        """One tensor's looks: steps [n], edges [b + 1], shares [n, b] and every figure [n]; all empty for a stranger.

        The bins are those from the lowest to the highest in which any look found something or had its range end.
        """
        if name not in self.names or not self.steps.size:
            return {"steps": [], "edges": [], "shares": [], **{figure: [] for figure in FIGURES}}
        place = self.names.index(name)
        shares = self.shares[:, place].astype(np.float64)
        bins = np.flatnonzero(shares.any(axis=0))
        reach = np.searchsorted(COARSE_EDGES, self.figures[:, place, FIGURES.index("range")].max())
        first, last = (int(bins[0]), int(max(bins[-1] + 1, reach))) if bins.size else (0, 0)
        return {
            "steps": self.steps.tolist(),
            "edges": COARSE_EDGES[first : last + 1].tolist() if bins.size else [],
            "shares": shares[:, first:last].tolist(),
            **{figure: self.figures[:, place, number].tolist() for number, figure in enumerate(FIGURES)},
        }


def no_movement(names: Sequence[str] = (), total_steps: int = 0, windows: int = 0) -> Movement:
    """A training at which nobody has looked yet."""
    shares, figures = (len(names), COARSE_BINS), (len(names), len(FIGURES))
    return Movement(
        tuple(names),
        total_steps,
        windows,
        np.zeros(0, np.int64),
        np.zeros((0, *shares), np.float16),
        np.zeros((0, *figures)),
    )


def is_a_look(step: int, steps: range) -> bool:
    """Whether a look is taken after `step` of `steps`: about `LOOKS` times, evenly, from the first to the last."""
    every = max(1, -(-len(steps) // LOOKS))
    return (step - steps.start) % every == 0 or step == steps[-1]


def save_movement(movement: Movement, path: Path) -> None:
    """Write the looks as .npz; `path` appears whole or not at all."""
    save_archive(path, *to_archive(movement))


def load_movement(path: Path) -> Movement:
    """Read what `save_movement` wrote; no looks where there is no file. Raises ModelError when it is damaged."""
    if not path.is_file():
        return no_movement()
    about, arrays = load_archive(path)
    try:
        return from_archive(about, arrays)
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(path, error) from None


def to_archive(movement: Movement) -> tuple[dict[str, Any], Arrays]:
    """A movement as plain values and arrays, under names that nothing else in an archive has."""
    about = {"names": movement.names, "total_steps": movement.total_steps, "windows": movement.windows}
    arrays: Arrays = {"look_steps": movement.steps, "look_shares": movement.shares, "look_figures": movement.figures}
    return {"movement": about}, arrays


def from_archive(about: Mapping[str, Any], arrays: Arrays) -> Movement:
    """What `to_archive` made; no looks in an archive without any. Raises KeyError or ValueError for other content."""
    if "movement" not in about:
        return no_movement()
    entry = about["movement"]
    names, count = tuple(entry["names"]), len(arrays["look_steps"])
    return Movement(
        names,
        int(entry["total_steps"]),
        int(entry["windows"]),
        np.asarray(arrays["look_steps"], np.int64),
        np.asarray(arrays["look_shares"], np.float16).reshape(count, len(names), COARSE_BINS),
        np.asarray(arrays["look_figures"], np.float64).reshape(count, len(names), len(FIGURES)),
    )


def _coarse(tensor: TensorStatistics) -> NDArray[np.float64]:
    return np.asarray(tensor.histogram.magnitudes.reshape(COARSE_BINS, -1).sum(axis=1))
