"""What keys do on the Voxels pane."""

from __future__ import annotations

from evbench.tui.actions import Action

ACTIONS: tuple[Action, ...] = (
    Action("voxels", "space", "play", "Play", "Play in real time from this window on, or stop.", True, "␣"),
    Action("voxels", "comma", "step(-1)", "Window", "Step to the window before.", True, ",.[]"),
    Action("voxels", "full_stop", "step(1)", "Next window", "Step to the window after.", False, "."),
    Action("voxels", "less_than_sign", "step(-10)", "Back 10", "Step ten windows back.", False, "<"),
    Action("voxels", "greater_than_sign", "step(10)", "Forward 10", "Step ten windows forward.", False, ">"),
    Action("voxels", "g", "first_window", "First", "Go to the recording's first window.", False),
    Action("voxels", "G", "last_window", "Last", "Go to the recording's last window.", False),
    Action("voxels", "left_square_bracket", "length(-1)", "Shorter", "Make windows shorter.", False, "["),
    Action("voxels", "right_square_bracket", "length(1)", "Longer", "Make windows longer.", False, "]"),
    Action("voxels", "b", "bins", "Bins", "Change the number of time bins.", False),
    Action("voxels", "m", "kind", "As", "Show the window as voxel, bilinear, frame or time surface."),
    Action("voxels", "v", "view", "View", "Show bins and polarities apart, bins apart, or all as one."),
    Action("voxels", "z", "zoom", "Zoom", "Enlarge ×2, ×4, ×8, then show all; the wheel does too."),
    Action("voxels", "left", "pan(-1, 0)", "Left", "Move what is enlarged to the left.", False, "←"),
    Action("voxels", "right", "pan(1, 0)", "Right", "Move what is enlarged to the right.", False, "→"),
    Action("voxels", "up", "pan(0, -1)", "Up", "Move what is enlarged up.", False, "↑"),
    Action("voxels", "down", "pan(0, 1)", "Down", "Move what is enlarged down.", False, "↓"),
    Action("voxels", "f", "filters", "Filters", "Switch filters on and off; see what each of them kept.", False),
    Action("voxels", "s", "save", "Save", "Save the window as a PNG in the present folder."),
    Action("voxels", "o", "open", "Open", "Open any recording or folder by its path.", False),
)
