"""Draws one metric of a job as curves, one per approach."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text
from textual.content import Content
from textual.widgets import Static

from evbench.tui.approach_inks import approach_ink
from evbench.tui.curves import Line, Span, draw_curves, rounded_span
from evbench.tui.state.job import Curve, smooth


class LossPlot(Static):
    """Curves over training steps, many steps drawn as means of neighbours; the title is the legend."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, classes="box")
        self._curves: tuple[Curve, ...] = ()

    def show(self, metric: str, curves: Sequence[Curve]) -> None:
        """Draw these curves in place of the ones before."""
        self._curves = tuple(curve for curve in curves if len(curve.values))
        title = Text(metric.replace("_", " ") or "no metrics yet; training writes them")
        for curve in self._curves:
            title.append("  ━━ ", approach_ink(curve.approach))
            title.append(curve.approach, "not bold")
        self.border_title = Content.from_rich_text(title)
        self.border_subtitle = ""
        self._draw()

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        if not self._curves:
            self.update("")
            return
        lines = [
            Line(smooth(curve.steps), smooth(curve.values), approach_ink(curve.approach), marked=len(curve.values) == 1)
            for curve in self._curves
        ]
        first, last = (float(pick(line.x[at] for line in lines)) for pick, at in ((min, 0), (max, -1)))
        low, high = (float(pick(pick(line.y) for line in lines)) for pick in (min, max))
        x = Span(first, last) if last > first else rounded_span(first, last)
        self.update(draw_curves(lines, x, rounded_span(low, high), *self.content_size))
