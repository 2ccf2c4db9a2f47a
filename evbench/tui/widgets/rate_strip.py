"""Draws how many events a recording has over its length, and where the shown window lies."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from rich.text import Text
from textual.widget import Widget

from evbench.tui import numbers
from evbench.tui.drawing import columns


class RateStrip(Widget):
    """Events per second over the length of a recording; the shown window's place is marked."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._rates: NDArray[np.float64] = np.zeros(0)
        self._mark: tuple[float, float] = (0.0, 0.0)

    def show(self, rates: NDArray[np.float64]) -> None:
        """Show events per second [N] over N equal spans."""
        self._rates = rates
        self.refresh()

    def mark(self, start: float, stop: float) -> None:
        """Mark the part between two fractions of the recording."""
        self._mark = (start, stop)
        self.refresh()

    def render(self) -> Text:
        width, height = self.size.width, self.size.height
        peak = float(self._rates.max()) if self._rates.size else 0.0
        title = f"peak {numbers.scaled(peak, 'ev/s')}"
        lines = columns(self._rates, width, height - 1)
        first = min(int(self._mark[0] * width), width - 1)
        last = max(first + 1, min(round(self._mark[1] * width), width))
        text = Text(f"{'events per second':<{max(width - len(title), 0)}}{title}\n", "#8a93a6", no_wrap=True)
        for line in lines:
            text.append(line[:first], "#4a5878")
            text.append(line[first:last], "#ffb000 on #3a3320")
            text.append(line[last:] + "\n", "#4a5878")
        return text
