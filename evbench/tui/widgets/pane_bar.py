"""The line on top: which panes there are, which one is shown, and what is running."""

from __future__ import annotations

from rich.text import Text
from textual import events
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from evbench.tui import inks
from evbench.tui.actions import PANES, PaneEntry

_BRAND = " evbench "
_ROOM_FOR_STATUS = 12


class PaneBar(Widget):
    """Pane names with their keys; a click shows the pane. Of `status`, in full and ever shorter, what has room."""

    current: reactive[str] = reactive("")
    status: reactive[tuple[str, ...]] = reactive(())

    class Chosen(Message):
        """A pane's name was clicked."""

        def __init__(self, pane: str) -> None:
            super().__init__()
            self.pane = pane

    @property
    def _brand(self) -> str:
        """What stands left of the panes: nothing, where it would take the room of the status."""
        names = sum(len(_title(pane)) for pane in PANES)
        return _BRAND if self.size.width > names + len(_BRAND) + _ROOM_FOR_STATUS else ""

    def render(self) -> Text:
        text = Text(self._brand, f"bold {inks.KEY}", no_wrap=True)
        for pane in PANES:
            text.append(_title(pane), f"bold {inks.GROUND} on {inks.ACTIVE}" if pane.id == self.current else inks.TEXT)
        room = self.size.width - text.cell_len - 1
        status = next((words for words in self.status if len(words) <= room), "")
        text.append(status.rjust(room), inks.BAD if status.startswith("⚠") else inks.QUIET)
        return text

    def on_click(self, event: events.Click) -> None:
        left = len(self._brand)
        for pane in PANES:
            right = left + len(_title(pane))
            if left <= event.x < right:
                self.post_message(self.Chosen(pane.id))
                return
            left = right


def _title(pane: PaneEntry) -> str:
    return f" {pane.key} {pane.title} "
