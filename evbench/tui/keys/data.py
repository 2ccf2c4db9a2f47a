"""What keys do on the Data pane."""

from __future__ import annotations

from evbench.tui.actions import Action

ACTIONS: tuple[Action, ...] = (
    Action("data", "enter", "look", "Voxels", "See the chosen recording in Voxels; fold a folder.", True, "⏎"),
    Action("data", "o", "open", "Open", "Open any recording or folder by its path."),
)
