"""What keys do on the Train pane."""

from __future__ import annotations

from evbench.tui.actions import Action

ACTIONS: tuple[Action, ...] = (
    Action("train", "n", "new_run", "Run", "Start a recipe: choose it, its data and its board."),
    Action("train", "x", "cancel", "Cancel", "Cancel the chosen run; its checkpoints stay."),
    Action("train", "r", "resume", "Resume", "Resume the chosen run from its last checkpoint.", False),
    Action("train", "c", "compare", "Compare", "Show another run's curves behind, and how recipes differ."),
    Action("train", "p", "recipes", "Recipes", "Change recipes in a form or editor, compare, sweep."),
    Action("train", "v", "view", "View", "Show the next view: a curve, scales, confusion, or all."),
    Action("train", "a", "approach", "Approach", "Show the confusion matrix of the next approach.", False),
    Action("train", "w", "whole", "Per", "Count the confusion matrix per window or per recording.", False),
    Action("train", "l", "logarithmic", "Log", "Draw the loss on a logarithmic axis, or on a linear one.", False),
)
