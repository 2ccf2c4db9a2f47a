"""Draws one metric of a job as curves, one per approach."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.text import Text
from textual.color import Color
from textual.content import Content
from textual_plotext import PlotextPlot

from evbench.tui import inks
from evbench.tui.approach_inks import approach_ink
from evbench.tui.state.job import Curve, smooth

_AXES = Color.parse(inks.QUIET).rgb


def nice_ticks(low: float, high: float, wanted: int) -> list[float]:
    """About `wanted` round numbers, 1, 2 or 5 times a power of ten apart, within [low, high]; two at the least."""
    if not high > low:
        return [low]
    while True:
        rough = (high - low) / wanted
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last > first:
            return [round(number * step, 12) for number in range(first, last + 1)]
        wanted += 1


class LossPlot(PlotextPlot):
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
        self._plot_curves()

    def on_resize(self) -> None:
        self._plot_curves()

    def _plot_curves(self) -> None:
        plot = self.plt
        plot.clear_figure()
        if not self._curves:
            plot.xaxes(False, False)
            plot.yaxes(False, False)
            self.refresh()
            return
        plot.axes_color("default")
        plot.canvas_color("default")
        plot.ticks_color(_AXES)
        plot.xaxes(True, False)
        plot.yaxes(True, False)
        drawn = [(smooth(curve.steps), smooth(curve.values)) for curve in self._curves]
        for curve, (steps, values) in zip(self._curves, drawn, strict=True):
            draw = plot.scatter if len(values) == 1 else plot.plot
            hue = Color.parse(approach_ink(curve.approach)).rgb
            draw(steps.tolist(), values.tolist(), color=hue, marker="braille")
        low = min(float(values.min()) for _, values in drawn)
        high = max(float(values.max()) for _, values in drawn)
        first = min(float(steps[0]) for steps, _ in drawn)
        last = max(float(steps[-1]) for steps, _ in drawn)
        y_ticks = nice_ticks(low, high, max(self.size.height // 3, 2))
        x_ticks = nice_ticks(first, last, max(self.size.width // 12, 2))
        plot.yticks(y_ticks, [f"{tick:.4g}" for tick in y_ticks])
        plot.xticks(x_ticks, [f"{tick:g}" for tick in x_ticks])
        self.refresh()
