"""The one registry of what keys do: bindings, footer, help and the command palette are all made from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from textual.binding import Binding, BindingType

Home = Literal["app", "data", "device", "jobs"]


@dataclass(frozen=True, slots=True)
class PaneEntry:
    """One pane of the workbench: its number key, its name in the bar and a sentence on what it is for."""

    id: Home
    key: str
    title: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Action:
    """One thing a key does.

    `call` is the Textual action that runs on the pane called `home`, or on the app; `label` stands in the footer where
    `footer` is set; `sentence` in help and palette.
    """

    home: Home
    key: str
    call: str
    label: str
    sentence: str
    footer: bool = True
    key_display: str | None = None

    @property
    def help_key(self) -> str:
        """The key as a person writes it, for lists in which every key has a line of its own."""
        return _KEY_NAMES.get(self.key, self.key)


PANES: tuple[PaneEntry, ...] = (
    PaneEntry("data", "1", "Data", "Browse recordings and see a window's voxel grid"),
    PaneEntry("device", "5", "Device", "Build, flash and profile a model; see cycles per layer"),
    PaneEntry("jobs", "6", "Jobs", "Start recipes; watch progress, loss curves and logs"),
)

_KEY_NAMES = {
    "comma": ",",
    "full_stop": ".",
    "less_than_sign": "<",
    "greater_than_sign": ">",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "question_mark": "?",
    "slash": "/",
    "f5": "F5",
}

ACTIONS: tuple[Action, ...] = (
    *(Action("app", pane.key, f"show_pane('{pane.id}')", pane.title, f"{pane.sentence}.", False) for pane in PANES),
    Action(
        "app", "f5", "profile", "Profile", "Build, flash and profile the chosen model on the chosen board.", True, "F5"
    ),
    Action("app", "question_mark", "help", "Help", "Show what every key of this pane does.", True, "?"),
    Action("app", "q", "quit", "Quit", "Leave the workbench; jobs go on running."),
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
    Action("jobs", "n", "new_run", "Run", "Start a recipe: choose it, its data and its board."),
    Action("jobs", "x", "cancel", "Cancel", "Cancel the chosen job."),
    Action("jobs", "r", "resume", "Resume", "Resume the chosen job from where it stopped."),
    Action("jobs", "slash", "search", "Search", "Search the log of the chosen job.", True, "/"),
    Action("jobs", "m", "metric", "Metric", "Draw the next metric of the chosen job."),
    Action("device", "m", "model", "Model", "Choose the bundled model or one that a job has made."),
    Action("device", "b", "board", "Board", "Choose the board to profile on."),
    Action("device", "comma", "run(-1)", "Run", "Show the profile run before.", True, ",."),
    Action("device", "full_stop", "run(1)", "Later run", "Show the profile run after.", False, "."),
)


def actions_of(home: Home) -> tuple[Action, ...]:
    """The actions of one pane, or of the app, in the order they are listed."""
    return tuple(action for action in ACTIONS if action.home == home)


def bindings(home: Home) -> list[BindingType]:
    """The key bindings of one pane, or of the app."""
    return [
        Binding(
            action.key,
            action.call,
            action.label,
            show=action.footer,
            key_display=action.key_display,
            id=f"{home}.{action.call}",
            tooltip=action.sentence,
        )
        for action in actions_of(home)
    ]
