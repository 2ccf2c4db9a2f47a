"""The representations by name, and what each of their images shows; apart from their arrays, so that commands can name
them before NumPy is loaded."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal, get_args

Kind = Literal["voxel", "bilinear", "frame", "time-surface"]

KINDS: tuple[Kind, ...] = get_args(Kind)
"""Every representation; the first is the one that is quantised."""


def image_labels(kind: Kind, duration: int, bins: int) -> list[str]:
    """What each image of a representation shows, such as "0–10 ms"; duration in microseconds."""
    match kind:
        case "voxel":
            edges = [f"{duration * edge / bins / 1000:.4g}" for edge in range(bins + 1)]
            return [f"{begin}–{end} ms" for begin, end in pairwise(edges)]
        case "bilinear":
            return [f"around {duration * place / max(bins - 1, 1) / 1000:.4g} ms" for place in range(bins)]
        case "frame":
            return [f"0–{duration / 1000:.4g} ms"]
        case "time-surface":
            return [f"seen at {duration / 1000:.4g} ms"]
