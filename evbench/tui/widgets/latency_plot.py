"""Draws the latency of windows against their event rate, one point for each window played."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.color import Color
from textual_plotext import PlotextPlot

from evbench.tui import inks
from evbench.tui.curves import nice_ticks

if TYPE_CHECKING:
    from evbench.jobs.live import Live

_AXES = Color.parse(inks.QUIET).rgb
_POINTS = Color.parse(inks.KEY).rgb


class LatencyPlot(PlotextPlot):
    """Milliseconds from the last event of a window to logits, over thousands of events a second."""

    can_focus = True

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, classes="box")
        self._points: tuple[tuple[int, float], ...] = ()
        self._window_ms = 1.0

    def show(self, live: Live) -> None:
        """Draw the windows played so far."""
        self.border_title = f"latency in ms against event rate in kev/s · {len(live.points)} windows"
        self.border_subtitle = f"limit {live.limits.latency / 1e3:g} ms" + (
            " · modelled ±10 %" if live.modelled else ""
        )
        self._points, self._window_ms = live.points, (live.window_us or 1000) / 1e3
        self._draw()

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        plot = self.plt
        plot.clear_figure()
        plot.axes_color("default")
        plot.canvas_color("default")
        plot.ticks_color(_AXES)
        plot.xaxes(bool(self._points), False)
        plot.yaxes(bool(self._points), False)
        if self._points:
            rates = [events / self._window_ms for events, _ in self._points]
            times = [milliseconds for _, milliseconds in self._points]
            plot.scatter(rates, times, color=_POINTS, marker="dot")
            # From zero on, so that heights compare.
            right, top = max(rates) * 1.05 or 1.0, max(times) * 1.1
            plot.xlim(0, right)
            plot.ylim(0, top)
            y_ticks = nice_ticks(0, top, max(self.size.height // 3, 2))
            x_ticks = nice_ticks(0, right, max(self.size.width // 12, 2))
            plot.yticks(y_ticks, [f"{tick:.4g}" for tick in y_ticks])
            plot.xticks(x_ticks, [f"{tick:g}" for tick in x_ticks])
        self.refresh()
