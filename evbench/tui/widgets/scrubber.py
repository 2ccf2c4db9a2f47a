"""The recording from its beginning to its end as a strip, to see where the window lies and to go elsewhere."""

from __future__ import annotations

from textual import events
from textual.message import Message

from evbench.tui.widgets.rate_strip import RateStrip


class Scrubber(RateStrip):
    """A rate strip that a click or a drag moves through."""

    class Sought(Message):
        """A place of the recording was asked for: a share of its length, 0 to 1."""

        def __init__(self, share: float) -> None:
            super().__init__()
            self.share = share

    def on_mouse_down(self, event: events.MouseDown) -> None:
        self.capture_mouse()
        self._seek(event)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        if self.app.mouse_captured is self:
            self._seek(event)

    def on_mouse_up(self) -> None:
        self.release_mouse()

    def _seek(self, event: events.MouseEvent) -> None:
        self.post_message(self.Sought(min(max((event.x + 0.5) / self.size.width, 0.0), 1.0)))
