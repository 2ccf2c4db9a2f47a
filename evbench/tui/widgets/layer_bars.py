"""Draws what each layer of a network costs on a board as a bar with its figures."""

from __future__ import annotations

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from evbench.tui import numbers
from evbench.tui.drawing import bar
from evbench.tui.state.profiles import LayerCost, Measurement

_DIM = "#8a93a6"
_HEAD = f"{'skips':>5}  {'cycles':>8}  {'share':>6}  {'c/MAC':>6}  {'ms':>7}"


class LayerBars(VerticalScroll):
    """One line per layer: number, name, bar, share of its sites that is skipped, cycles, their share of all, cycles per
    MAC and milliseconds; the total stays below."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, classes="box")
        self._run: Measurement | None = None

    def compose(self) -> ComposeResult:
        yield Static(id="layer-head")
        yield Static(id="layer-lines")
        yield Static(id="layer-total")

    def show(self, run: Measurement | None) -> None:
        """Show one measurement, or nothing."""
        self._run = run
        self._draw()

    def on_resize(self, event: events.Resize) -> None:
        self._draw()

    def _draw(self) -> None:
        run, width = self._run, self.size.width - 1
        if run is None or width < 10:
            for part in ("#layer-head", "#layer-lines", "#layer-total"):
                self.query_one(part, Static).update("")
            return
        names = min(max((len(layer.name) for layer in run.layers), default=5), max(width // 3 - 2, 8))
        room = max(width - names - len(_HEAD) - 6, 3)
        head = Text(f"{'':3} {'layer':<{names}} {'':{room}} {_HEAD}", _DIM, no_wrap=True)
        self.query_one("#layer-head", Static).update(head)
        most = max((layer.cycles for layer in run.layers), default=1)
        lines = Text("\n", no_wrap=True).join(_line(layer, names, room, most) for layer in run.layers)
        self.query_one("#layer-lines", Static).update(lines)
        self.query_one("#layer-total", Static).update(_total(run))


def _line(layer: LayerCost, names: int, room: int, most: int) -> Text:
    name = layer.name if len(layer.name) <= names else "…" + layer.name[1 - names :]
    line = Text(f"{layer.index:3} ", _DIM)
    line.append(f"{name:<{names}} ", "#c6ccd8")
    line.append(bar(layer.cycles / most if most else 0.0, room), "#648fff")
    skipped = "" if layer.skipped is None else f"{layer.skipped * 100:.0f} %"
    line.append(f" {skipped:>5}", "#4fc08d")
    line.append(f"  {numbers.scaled(layer.cycles):>8}  {layer.share * 100:>4.1f} %", "#c6ccd8")
    per_mac = "" if layer.cycles_per_mac is None else numbers.significant(layer.cycles_per_mac)
    line.append(f"  {per_mac:>6}", "#ffb000")
    line.append(f"  {numbers.significant(layer.ms):>7}", "#c6ccd8")
    return line


def _total(run: Measurement) -> Text:
    macs = sum(layer.macs for layer in run.layers)
    text = Text("total ", _DIM)
    text.append(f"{numbers.significant(run.latency_ms)} ms", "bold")
    text.append(f"  {numbers.scaled(run.total_cycles)} cycles", "bold")
    if macs:
        text.append(f"  {numbers.significant(run.total_cycles / macs)} c/MAC", "bold #ffb000")
    text.append(f"  at {run.core_hz / 1e6:.0f} MHz", _DIM)
    if run.modelled:
        text.append("  modelled ±10 %", "bold #fe6100")
    return text
