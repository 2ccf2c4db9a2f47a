"""What keys do on the Data pane."""

from __future__ import annotations

from evbench.tui.actions import Action

ACTIONS: tuple[Action, ...] = (
    Action(
        "data",
        "comma",
        "step(-1)",
        "Window",
        "Step to the window before.",
        True,
        ",.[]",
    ),
    Action("data", "full_stop", "step(1)", "Next window", "Step to the window after.", False, "."),
    Action("data", "less_than_sign", "step(-10)", "Back 10", "Step ten windows back.", False, "<"),
    Action("data", "greater_than_sign", "step(10)", "Forward 10", "Step ten windows forward.", False, ">"),
    Action("data", "g", "first_window", "First", "Go to the recording's first window.", False),
    Action("data", "G", "last_window", "Last", "Go to the recording's last window.", False),
    Action("data", "left_square_bracket", "length(-1)", "Shorter", "Make windows shorter.", False, "["),
    Action("data", "right_square_bracket", "length(1)", "Longer", "Make windows longer.", False, "]"),
    Action("data", "space", "play", "Play", "Play in real time from this window on, or stop.", True, "␣"),
    Action("data", "b", "bins", "Bins", "Change the number of time bins.", False),
    Action("data", "m", "kind", "As", "Show the window as voxel, bilinear, frame or time surface."),
    Action("data", "f", "filters", "Filters", "Switch filters on and off; see what each of them kept."),
    Action("data", "v", "view", "View", "Show bins and polarities apart, bins apart, or all as one.", False),
    Action("data", "o", "open", "Open", "Open any recording or folder by its path."),
)
