"""The line on top: which panes there are, which one is shown, and what is running."""

from __future__ import annotations

from rich.text import Text
from textual import events
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from evbench.tui.actions import PANES


class PaneBar(Widget):
    """Pane names with their keys; a click shows the pane."""

    current: reactive[str] = reactive("")
    status: reactive[str] = reactive("")

    class Chosen(Message):
        """A pane's name was clicked."""

        def __init__(self, pane: str) -> None:
            super().__init__()
            self.pane = pane

    def render(self) -> Text:
        text = Text(" evbench ", "bold #ffb000", no_wrap=True)
        for pane in PANES:
            style = "bold #0f1117 on #648fff" if pane.id == self.current else "#c6ccd8"
            text.append(f" {pane.key} {pane.title} ", style)
        room = self.size.width - text.cell_len - 1
        status = self.status if len(self.status) <= room else ""
        text.append(status.rjust(room), "#8a93a6")
        return text

    def on_click(self, event: events.Click) -> None:
        right = len(" evbench ")
        for pane in PANES:
            right += len(f" {pane.key} {pane.title} ")
            if len(" evbench ") <= event.x < right:
                self.post_message(self.Chosen(pane.id))
                return
