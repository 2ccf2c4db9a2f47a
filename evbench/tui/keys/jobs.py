"""What keys do on the Jobs pane."""

from __future__ import annotations

from evbench.tui.actions import Action

ACTIONS: tuple[Action, ...] = (
    Action("jobs", "n", "new_run", "Run", "Start a recipe: choose it, its data and its board."),
    Action("jobs", "x", "cancel", "Cancel", "Cancel the chosen job."),
    Action("jobs", "r", "resume", "Resume", "Resume the chosen job from where it stopped."),
    Action("jobs", "slash", "search", "Search", "Search the log of the chosen job.", True, "/"),
    Action("jobs", "m", "metric", "Metric", "Draw the next metric of the chosen job."),
)
