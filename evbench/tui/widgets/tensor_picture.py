"""Draws the chosen tensor: its histogram and ranges, its weights by channel, or how it moved while it was trained."""

from __future__ import annotations

from rich.text import Text
from textual.geometry import Size
from textual.widget import Widget

from evbench.tui import histogram, movement
from evbench.tui.inks import QUIET
from evbench.tui.state.tensors import TensorState


class TensorPicture(Widget):
    """One tensor; `over_training` says whether its history is drawn."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, classes="box")
        self._tensor: TensorState | None = None
        self._over_training = False
        self._drawn: tuple[Size, Text] | None = None

    def show(self, tensor: TensorState | None, *, over_training: bool) -> None:
        """Show a tensor, or that it is being read."""
        self._tensor, self._over_training, self._drawn = tensor, over_training, None
        self.refresh()

    def render(self) -> Text:
        if self._drawn is None or self._drawn[0] != self.size:
            self._drawn = self.size, self._draw(self.size.width, self.size.height)
        return self._drawn[1]

    def _draw(self, width: int, height: int) -> Text:
        tensor = self._tensor
        if tensor is None:
            return Text("reading …", QUIET)
        if self._over_training or tensor.detail is None:
            return movement.picture(tensor.movement, width, height)
        draw = histogram.channels if tensor.detail["kind"] == "weight" else histogram.picture
        return draw(tensor.detail, width, height)
