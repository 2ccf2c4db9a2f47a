"""What keys do on the Quantise pane."""

from __future__ import annotations

from evbench.tui.actions import Action

ACTIONS: tuple[Action, ...] = (
    Action("quantise", "m", "model", "Model", "Choose a model, or a training to watch."),
    Action("quantise", "w", "weights", "Weights", "List weights, with their channels, or activations."),
    Action("quantise", "t", "training", "Training", "Follow the tensor through training, or see it as it is."),
    Action("quantise", "l", "ranking", "Layers", "Rank layers by what rounding them costs."),
    Action("quantise", "enter", "jump", "Go to", "Go from the ranking to the tensor.", False),
    Action("quantise", "r", "measure", "Rank", "Measure what rounding each layer costs, as a job.", False),
    Action("quantise", "p", "parity", "Parity", "Go to the layer where parity saw executions part.", False),
)
