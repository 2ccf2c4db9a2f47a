"""Says what each filter of a recording kept, and which pixels it found hot and masked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text
from textual.geometry import Size
from textual.widgets import Static

from evbench.tui import numbers

if TYPE_CHECKING:
    from evbench.events.cleaning import FilterStep

_DIM = "#8a93a6"
_NONE = "no filters: f switches them on"
_ROOM_FOR_LINES = 34
_BESIDE, _HOT_CELLS, _HOT_LINES = 50, 12, 2
"""Columns that the report does not have, columns that a pixel takes, lines of pixels."""


class FilterReport(Static):
    """Events before and after all filters, then what each did: a line for each on a tall screen, else run together."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._recorded = 0
        self._steps: tuple[FilterStep, ...] = ()
        self._drawn_for = Size()

    def show(self, recorded: int, steps: tuple[FilterStep, ...]) -> None:
        """Show the steps behind a recording that had so many events."""
        self._recorded, self._steps = recorded, steps
        self._draw()

    def on_resize(self) -> None:
        if self._drawn_for != self.app.size:
            self._draw()

    def _draw(self) -> None:
        self._drawn_for = self.app.size
        self.update(report(self._recorded, self._steps, self._drawn_for))


def report(recorded: int, steps: tuple[FilterStep, ...], size: Size) -> Text:
    """The report for a screen of this size."""
    from evbench.events.filter_text import settings_text

    if not steps:
        return Text(_NONE, _DIM)
    text = Text(f"{numbers.count(recorded)} → {numbers.count(steps[-1].after)} events", "bold")
    if size.height < _ROOM_FOR_LINES:
        for step in steps:
            text.append(f"  {step.settings.name} ", f"not bold {_DIM}")
            text.append(numbers.percent(step.kept), "not bold")
            _add_hot(text, step, "  ", most=2)
        return text
    text.append(f" behind {len(steps)} filter{'s' if len(steps) > 1 else ''}", f"not bold {_DIM}")
    for step in steps:
        text.append(f"\n{step.settings.name:<20}", "not bold")
        text.append(
            f"{numbers.count(step.after):>11} kept {numbers.percent(step.kept):>8}  ",
            "bold" if step.after < step.before else f"not bold {_DIM}",
        )
        text.append(f"{settings_text(step.settings)}", f"not bold {_DIM}")
        _add_hot(text, step, "\n  ", most=_HOT_LINES * (size.width - _BESIDE) // _HOT_CELLS)
    return text


def _add_hot(text: Text, step: FilterStep, before: str, most: int) -> None:
    if step.settings.name != "hot-pixels":
        return
    text.append(f"{before}{len(step.hot)} hot, masked", "not bold #ffb000")
    for x, y in step.hot[:most]:
        text.append(f" ({x},{y})", "not bold")
    if len(step.hot) > most:
        text.append(f" and {len(step.hot) - most} more", f"not bold {_DIM}")
