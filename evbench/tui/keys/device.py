"""What keys do on the Device pane."""

from __future__ import annotations

from evbench.tui.actions import Action

ACTIONS: tuple[Action, ...] = (
    Action("device", "m", "model", "Model", "Choose the bundled model or one that a job has made."),
    Action("device", "b", "board", "Board", "Choose the board to profile on."),
    Action("device", "comma", "run(-1)", "Run", "Show the profile run before.", True, ",."),
    Action("device", "full_stop", "run(1)", "Later run", "Show the profile run after.", False, "."),
)
