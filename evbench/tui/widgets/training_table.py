"""How far each training of a run is: a line per approach, with as many figures as there is room for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.text import Text
from textual.widgets import Static

from evbench.jobs.display import approach_name
from evbench.tui import inks, numbers
from evbench.tui.approach_inks import approach_ink
from evbench.tui.drawing import bar
from evbench.tui.state.training import TrainingRow

_BAR = 8
_STATES = {
    "waiting": ("waits", inks.QUIET),
    "reused": ("reused", inks.GOOD),
    "done": ("done", inks.GOOD),
    "failed": ("stopped", inks.BAD),
}


@dataclass(frozen=True, slots=True)
class _Column:
    heading: str
    width: int
    worth: int
    write: Callable[[TrainingRow], str]


def _figure(value: float | None) -> str:
    return "" if value is None else numbers.significant(value)


def _share(value: float | None) -> str:
    return "" if value is None else numbers.percent(value)


def _left(row: TrainingRow) -> str:
    if row.state == "running":
        return "" if row.seconds_left is None else numbers.elapsed(row.seconds_left)
    return ""


_COLUMNS = (
    _Column("epoch", 6, 9, lambda row: f"{row.epoch}/{row.epochs}" if row.epochs else ""),
    _Column("left", 7, 8, _left),
    _Column("loss", 7, 6, lambda row: _figure(row.loss)),
    _Column("val loss", 9, 5, lambda row: _figure(row.validation_loss)),
    _Column("train acc", 10, 2, lambda row: _share(row.accuracy)),
    _Column("val acc", 8, 7, lambda row: _share(row.validation_accuracy)),
    _Column("test acc", 9, 4, lambda row: _share(row.test_accuracy)),
)


class TrainingTable(Static):
    """One line per approach under a line of headings."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id, classes="box")
        self.border_title = "training"
        self._rows: tuple[TrainingRow, ...] = ()

    def show(self, rows: Sequence[TrainingRow]) -> None:
        """Show these rows in place of the ones before."""
        self._rows = tuple(rows)
        rate = next((row.learning_rate for row in rows if row.learning_rate is not None), None)
        self.border_subtitle = "" if rate is None else f"learning rate {numbers.significant(rate)}"
        self._draw()

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        name = max([11, *(len(approach_name(row.approach)) for row in self._rows)])
        columns = _fitting(self.content_size.width - name - _BAR - 7)
        head = Text(" " * (name + _BAR + 7) + "".join(f"{c.heading:>{c.width}}" for c in columns), inks.QUIET)
        lines = [head, *(_line(row, name, columns) for row in self._rows)]
        self.update(Text("\n", no_wrap=True, overflow="crop").join(lines))


def _fitting(room: int) -> list[_Column]:
    """The columns worth most that fit beside each other, in their own order."""
    chosen: list[_Column] = []
    for column in sorted(_COLUMNS, key=lambda column: -column.worth):
        if sum(c.width for c in chosen) + column.width <= room:
            chosen.append(column)
    return [column for column in _COLUMNS if column in chosen]


def _line(row: TrainingRow, name: int, columns: Sequence[_Column]) -> Text:
    line = Text().append(f"{approach_name(row.approach):<{name}} ", approach_ink(row.approach))
    if row.state == "running":
        line.append(bar(row.share, _BAR), f"{approach_ink(row.approach)} on {inks.TRACK}")
        line.append(f"{row.share * 100:4.0f} %")
    else:
        word, style = _STATES[row.state]
        line.append(f"{word:<{_BAR + 6}}", style)
    for column in columns:
        line.append(f"{column.write(row):>{column.width}}")
    return line
