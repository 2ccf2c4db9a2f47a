"""Draws one quantity of a run over epochs: a line for training, one with marks for validation, an ink per approach."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rich.text import Text
from textual.content import Content
from textual.widgets import Static

from evbench.jobs.display import approach_name
from evbench.tui import inks
from evbench.tui.approach_inks import approach_ink, faded
from evbench.tui.curves import Line, Span, draw_curves, rounded_span
from evbench.tui.state.job import smooth
from evbench.tui.state.training import Quantity, TrainingCurve

_MOST_MARKS = 40
_LEAST_ACCURACY = 0.1


class TrainingPlot(Static):
    """One quantity; the title is the legend. Curves of a run that this one is compared with are faded."""

    def __init__(self, quantity: Quantity, *, id: str) -> None:
        super().__init__(id=id, classes="box")
        self.quantity: Quantity = quantity
        self._curves: tuple[TrainingCurve, ...] = ()
        self._others: tuple[TrainingCurve, ...] = ()
        self._epochs = 0.0
        self._logarithmic = False
        self.border_title = quantity

    def show(
        self,
        curves: Sequence[TrainingCurve],
        others: Sequence[TrainingCurve] = (),
        *,
        epochs: float,
        logarithmic: bool = False,
        subtitle: str = "",
    ) -> None:
        """Draw these in place of the ones before, over an axis of `epochs` at the least."""
        self._curves, self._others = tuple(curves), tuple(others)
        self._epochs, self._logarithmic = epochs, logarithmic
        title = Text(self.quantity + ", logarithmic" * logarithmic)
        for approach in dict.fromkeys(curve.approach for curve in self._curves):
            title.append(" ━", approach_ink(approach)).append(approach_name(approach), "not bold")
        self.border_title = Content.from_rich_text(title)
        self.border_subtitle = subtitle
        self._draw()

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, lambda _: self._draw())

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        drawn = [self._line(curve, faded(approach_ink(curve.approach), 0.45, self.app.theme)) for curve in self._others]
        ordered = sorted(self._curves, key=lambda curve: curve.split == "validation")
        drawn += [self._line(curve, self._colour(curve)) for curve in ordered]
        width, height = self.content_size
        if not drawn or width < 1:
            self.update(Text("no figures yet; the first come with the first steps", inks.QUIET))
            return
        x = Span(0.0, max(self._epochs, *(float(line.x[-1]) for line in drawn), 1.0))
        low = min(float(line.y.min()) for line in drawn)
        high = max(float(line.y.max()) for line in drawn)
        if self.quantity == "accuracy":
            y = Span(np.floor(min(low, 1 - _LEAST_ACCURACY) * 10) / 10, 1.0)
        else:
            y = rounded_span(low, high) if self._logarithmic else rounded_span(0.0, high)
        percent = self.quantity == "accuracy"
        self.update(draw_curves(drawn, x, y, width, height, percent=percent, powers=self._logarithmic))

    def _colour(self, curve: TrainingCurve) -> str:
        """Training lies behind validation, which tells more."""
        ink = approach_ink(curve.approach)
        return ink if curve.split == "validation" else faded(ink, 0.7, self.app.theme)

    def _line(self, curve: TrainingCurve, colour: str) -> Line:
        x, y = smooth(curve.epochs), smooth(curve.values)
        if self._logarithmic:
            y = np.log10(np.maximum(y, 1e-9))
        marked = curve.split == "validation" and not curve.level and len(curve.values) <= _MOST_MARKS
        return Line(x, y, colour, marked=marked)
