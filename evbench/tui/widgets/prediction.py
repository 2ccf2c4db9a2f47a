"""Shows what a network makes of the newest window: the predicted class and the logits of all."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text
from textual.widget import Widget

from evbench.tui.drawing import bar
from evbench.tui.inks import FAINT, GOOD, QUIET, TEXT

_NAME = 20
_VALUE = 8


class Prediction(Widget):
    """A bar per class from the least to the greatest logit, in as many columns as there is room for; where there is
    none, the classes in the order of their logits on a line."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, classes="box")
        self._logits: tuple[float, ...] = ()
        self._names: tuple[str, ...] = ()

    def show(self, names: Sequence[str], logits: Sequence[float]) -> None:
        """Show the logits of these classes."""
        self._logits, self._names = tuple(logits), tuple(names)
        best = max(range(len(logits)), key=logits.__getitem__, default=None)
        self.border_title = f"predicts {names[best]}" if best is not None else "prediction"
        self.refresh()

    def render(self) -> Text:
        count, width, height = len(self._logits), self.size.width, self.size.height
        if not count or not height:
            return Text("")
        columns = -(-count // height)
        room = width // columns
        if room < _VALUE + 10:
            return self._line()
        return self._bars(columns, room, min(count, height))

    def _line(self) -> Text:
        order = sorted(range(len(self._logits)), key=lambda i: -self._logits[i])
        text = Text(no_wrap=True, overflow="ellipsis")
        for place, number in enumerate(order):
            text.append(f"{self._names[number]} {self._logits[number]:.2f}", GOOD if place == 0 else TEXT)
            text.append("  ")
        return text

    def _bars(self, columns: int, room: int, lines: int) -> Text:
        low, high = min(self._logits), max(self._logits)
        names = min(max(map(len, self._names)), _NAME, room - _VALUE - 4)
        length = room - names - _VALUE - 3
        text = Text(no_wrap=True)
        for line in range(lines):
            for column in range(columns):
                number = column * lines + line
                if number < len(self._logits):
                    value = self._logits[number]
                    best = value == high
                    text.append(f"{self._names[number][:names]:<{names}} ", f"bold {GOOD}" if best else QUIET)
                    share = (value - low) / (high - low) if high > low else 0.0
                    text.append(bar(share, length), GOOD if best else FAINT)
                    text.append(f"{value:>{_VALUE}.2f}  ", TEXT)
            text.append("\n")
        return text
