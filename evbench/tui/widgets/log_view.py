"""Shows the last lines of a log and finds text in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import Input, RichLog

_SHOWN = 500


class LogView(Vertical):
    """The last lines of a log; while there is a search, the last of all its lines that hold the words."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape", "end_search", "End search")]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, classes="box")
        self._written: tuple[str, ...] = ()
        self._wanted = ""

    def compose(self) -> ComposeResult:
        yield RichLog(max_lines=_SHOWN, wrap=False, min_width=20)
        yield Input(placeholder="search", id="search", compact=True)

    def on_mount(self) -> None:
        self.border_title = "log"
        self.query_one(Input).display = False

    def show(self, lines: Sequence[str]) -> None:
        """Show these lines; when they only go on from the ones before, nothing jumps."""
        new = tuple(lines)
        grown = new[: len(self._written)] == self._written
        fresh = new[len(self._written) :] if grown else new
        if not grown:
            self.query_one(RichLog).clear()
        self._written = new
        self._write(fresh)

    def search(self) -> None:
        """Let the user write what to look for."""
        box = self.query_one(Input)
        box.display = True
        box.focus()

    def action_end_search(self) -> None:
        box = self.query_one(Input)
        box.value = ""
        box.display = False
        self._filter("")
        self.query_one(RichLog).focus()

    @on(Input.Changed)
    def _searched(self, event: Input.Changed) -> None:
        event.stop()
        self._filter(event.value)

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.query_one(RichLog).focus()

    def _filter(self, wanted: str) -> None:
        if wanted == self._wanted:
            return
        self._wanted = wanted
        self.query_one(RichLog).clear()
        self._write(self._written)

    def _write(self, lines: Sequence[str]) -> None:
        log = self.query_one(RichLog)
        found = [line for line in lines if self._wanted.lower() in line.lower()]
        for line in found[-_SHOWN:]:
            text = Text(line)
            if self._wanted:
                text.highlight_words([self._wanted], "#0f1117 on #ffb000", case_sensitive=False)
            log.write(text)
        if self._wanted:
            total = sum(self._wanted.lower() in line.lower() for line in self._written)
            self.border_subtitle = f"{total} of {len(self._written)} lines · esc all lines"
        else:
            self.border_subtitle = ""
