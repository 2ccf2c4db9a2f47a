"""The picture of `evbench tensors --tensor NAME --over-training`: a line per look, its histogram as shades."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Group, RenderableType
from rich.text import Text

_SHADES = np.array(list(" ░▒▓█"))
_HEADING = f"{'step':>6} {'zero':>7} {'scale':>9} {'range':>8} {'lost':>6} {'clip':>6} "
_BINS = 32
"""Half octaves that are drawn, downwards from the largest value; hardly anything lies below them."""

_HISTOGRAM, _END = "#FFB000", "#648FFF"

NOTHING = "Scales are followed while a network is trained with quantisation; of this tensor no training is known."


def movement_view(content: dict[str, Any], width: int) -> RenderableType:
    """The looks of an `over_training` on `width` columns, oldest first: figures, and histogram with the grid's end."""
    title = Text(f"{content['model']}: {content['name']} over training", "bold")
    if not content["steps"]:
        return Group(title, Text(NOTHING, "dim"))
    edges, shares = np.array(content["edges"])[-_BINS - 1 :], np.array(content["shares"])[:, -_BINS:]
    cells = max(min(width - len(_HEADING) - 1, 3 * shares.shape[1]), 8)
    lines = [title, Text(_HEADING, "dim")]
    for number, step in enumerate(content["steps"]):
        zero, scale, reach, lost, clip = (
            content[figure][number] for figure in ("zero_share", "scale", "range", "lost_share", "clip_share")
        )
        figures = f"{step:>6} {100 * zero:>6.1f}% {scale:>9.4g} {reach:>8.4g} {100 * lost:>5.1f}% {100 * clip:>5.2f}% "
        lines.append(Text(figures) + _shades(edges, shares[number], reach, cells))
    ends = f"{edges[0]:.2g}" + f"{edges[-1]:.3g}, log scale".rjust(cells - len(f"{edges[0]:.2g}")) if edges.size else ""
    lines.append(Text(" " * len(_HEADING) + ends, "dim"))
    lines.append(
        Text(
            f"{content['windows']} windows, the same at every look, of {content['total_steps']} steps; shades: values "
            "that are not zero; ┃ the end of the grid. Lost are those rounded to zero, clip those above the grid.",
            "dim",
        )
    )
    for alarm in content["alarms"]:
        lines.append(Text.assemble((f"{alarm['sentence']}. ", "yellow"), (f"{alarm['remedy']}.", "dim")))
    return Group(*lines)


def _shades(edges: NDArray[np.float64], shares: NDArray[np.float64], reach: float, cells: int) -> Text:
    """One look's histogram, each column as dark as its share of the highest; a mark where the grid ends."""
    if not shares.size:
        return Text()
    bins = np.arange(cells) * len(shares) // cells
    levels = np.ceil(shares / (shares.max() or 1.0) * (len(_SHADES) - 1)).astype(int)
    line = Text("".join(_SHADES[levels[bins]]), _HISTOGRAM)
    end = int(np.log(reach / edges[0]) / np.log(edges[-1] / edges[0]) * cells)
    if not 0 <= end < cells:
        return line
    return line[:end] + Text("┃", _END) + line[end + 1 :]
