"""What keys do on the Device pane."""

from __future__ import annotations

from evbench.tui.actions import Action

ACTIONS: tuple[Action, ...] = (
    Action("device", "space", "play", "Play", "Play the recording to the board live, or pause.", True, "␣"),
    Action("device", "o", "recording", "Open", "Choose the recording that is played.", False),
    Action("device", "e", "latency", "Curve", "Show latency against event rate, or the layers."),
    Action("device", "p", "parity", "Parity", "Compare all executions on the window being played."),
    Action("device", "d", "dense", "Dense", "Compute every site, or skip what saw no event.", False),
    Action("device", "v", "virtual", "Virtual", "Change between a virtual and a real board.", False),
    Action("device", "m", "model", "Model", "Choose the bundled model or one that a job has made."),
    Action("device", "b", "board", "Board", "Choose the board to profile on."),
    Action("device", "comma", "run(-1)", "Run", "Show the profile run before.", False, ","),
    Action("device", "full_stop", "run(1)", "Later run", "Show the profile run after.", False, "."),
)
