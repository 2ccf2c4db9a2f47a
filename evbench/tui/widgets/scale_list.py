"""The scales of a training with quantisation as they move: a line per tensor, where it has been and where it is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from evbench.tui import inks, numbers
from evbench.tui.approach_inks import approach_ink
from evbench.tui.state.job import smooth
from evbench.tui.state.training import ScaleRow

_LEVELS = "▁▂▃▄▅▆▇█"
_FIGURES = 22
_RESTLESS = 0.05
"""A scale that still moves by more than this share over a tenth of the training has not settled."""


class ScaleList(VerticalScroll):
    """One line per tensor in the order of the layers."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id, classes="box")
        self.border_title = "scales"
        self._rows: tuple[ScaleRow, ...] = ()

    def compose(self) -> ComposeResult:
        yield Static(id="scale-head")
        yield Static(id="scale-lines")

    def show(self, rows: Sequence[ScaleRow]) -> None:
        """Show these in place of the ones before."""
        self._rows = tuple(rows)
        self._draw()

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        width = self.scrollable_content_region.width - 2
        lines = self.query_one("#scale-lines", Static)
        head = self.query_one("#scale-head", Static)
        head.display = bool(self._rows)
        if not self._rows:
            lines.update(Text("A training with quantisation records its scales\nat every tenth step.", inks.QUIET))
            return
        name = min(max(len(row.tensor) for row in self._rows), max(width // 3, 8)) + 1
        room = max(width - name - _FIGURES, 4)
        trace = next((words for words in ("over the training", "training") if len(words) < room), "")
        head.update(Text(f"{'tensor':<{name}}{trace:<{room}}{'scale':>12}{'drift':>10}", inks.QUIET))
        lines.update(Text("\n", no_wrap=True, overflow="crop").join(_line(row, name, room) for row in self._rows))


def _line(row: ScaleRow, name: int, room: int) -> Text:
    shown = row.tensor if len(row.tensor) < name else "…" + row.tensor[-(name - 2) :]
    line = Text().append(f"{shown:<{name}}")
    line.append(_movement(row.values, room - 1) + " ", approach_ink(row.approach))
    line.append(f"{numbers.significant(float(row.values[-1])):>12}", "bold")
    restless = abs(row.drift) > _RESTLESS
    return line.append(f"{row.drift * 100:+8.1f} %", inks.CAUTION if restless else inks.QUIET)


def _movement(values: NDArray[np.float64], width: int) -> str:
    """Values from their lowest to their highest as a line of columns; level where they stood still."""
    means = smooth(values, width)
    means = means[np.arange(width) * len(means) // width]
    low, high = float(means.min()), float(means.max())
    if high - low <= 1e-6 * abs(high):
        return _LEVELS[3] * width
    steps = np.rint((means - low) / (high - low) * (len(_LEVELS) - 1)).astype(int)
    return "".join(_LEVELS[step] for step in steps)
