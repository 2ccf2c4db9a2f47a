"""The confusion matrix of an approach: a row per true class, a column per answer, brighter for more."""

from __future__ import annotations

from rich.style import Style
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from evbench.jobs.confusion import abbreviations, mistakes, most_confused
from evbench.jobs.display import approach_name
from evbench.jobs.trainings import FoundConfusion
from evbench.tui import inks
from evbench.tui.approach_inks import faded

_CELL = 4
_WIDEST_CELL = 6
_NAME = 8
_MOST_LISTED = 12
_TEACH = "Comes with the first epoch:\nwhat is taken for what on validation, later on test."


class ConfusionView(VerticalScroll):
    """One matrix, or of one too wide the mistakes made most; and in words what is confused most."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id, classes="box")
        self.border_title = "confusion"
        self._found: FoundConfusion | None = None
        self._whole = False

    def compose(self) -> ComposeResult:
        yield Static(id="confusion-text")
        yield Static(id="confusion-words")

    def show(self, found: FoundConfusion | None, whole: bool) -> None:
        """Show a matrix of windows, or, where `whole`, of recordings."""
        self._found, self._whole = found, whole
        self._draw()

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, lambda _: self._draw())

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        found = self._found
        self.border_title = "confusion"
        self.border_subtitle = ""
        text, words = self.query_one("#confusion-text", Static), self.query_one("#confusion-words", Static)
        if found is None or not found.classes:
            text.update(Text(_TEACH, inks.QUIET))
            words.update("")
            return
        per = "recording" if self._whole else "window"
        epoch = f", epoch {found.epoch}" if found.epoch else ""
        self.border_title = f"confusion {approach_name(found.approach)} · {found.split}{epoch} · per {per}"
        self.border_subtitle = "a approach · w window/recording"
        matrix = found.recording if self._whole else found.window
        room = self.scrollable_content_region.width
        cell = min((room - _NAME) // len(found.classes), _WIDEST_CELL)
        drawn = _matrix(matrix, found.classes, cell, self.app.theme) if cell >= _CELL else _list(matrix, found.classes)
        text.update(drawn)
        words.update(most_confused(matrix, found.classes, f"{per}s"))
        # A layout under way has asked for the height of what was there before; the next one asks again.
        self.call_after_refresh(text.refresh, layout=True)


def _matrix(matrix: tuple[tuple[int, ...], ...], classes: tuple[str, ...], cell: int, theme: str) -> Text:
    names = abbreviations(classes)
    headings = names
    if max(map(len, names)) >= cell:
        # Names this close to each other cannot be told apart: columns are numbered, and so are rows.
        headings = [str(number) for number in range(1, len(names) + 1)]
        names = [f"{number:>2} {name}" for number, name in enumerate(names, 1)]
    width = max(map(len, names)) + 1
    text = Text().append(" " * width + "".join(f"{name:>{cell - 1}} " for name in headings) + "\n", inks.QUIET)
    for true, row in enumerate(matrix):
        text.append(f"{names[true]:<{width}}", inks.QUIET)
        total = sum(row)
        for answer, count in enumerate(row):
            share = count / total if total else 0.0
            ink = inks.GOOD if answer == true else inks.BAD
            ground = faded(ink, 0.12 + 0.6 * share**0.5, theme) if count else inks.GROUND
            shown = "·" if not count else _percent(count, total)
            text.append(f"{shown:>{cell - 1}} ", Style(color=inks.STRONG if count else inks.FAINT, bgcolor=ground))
        text.append("\n")
    return text


def _percent(count: int, total: int) -> str:
    """Whole percent; 100 only where none is missing, and never 0 where there is one."""
    return "100" if count == total else str(min(max(round(100 * count / total), 1), 99))


def _list(matrix: tuple[tuple[int, ...], ...], classes: tuple[str, ...]) -> Text:
    text = Text("")
    for mistake in mistakes(matrix)[:_MOST_LISTED]:
        text.append(f"{mistake.share * 100:5.1f} % ", inks.BAD)
        text.append(f"{classes[mistake.true]} → {classes[mistake.answer]}")
        text.append(f"  {mistake.count} of {mistake.total}\n", inks.QUIET)
    return text
