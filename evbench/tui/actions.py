"""The one registry of panes and of what keys do: bindings, footer, help and the palette are all made from it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from textual.binding import Binding, BindingType

if TYPE_CHECKING:
    from evbench.tui.panes.base import Pane

Home = Literal["app", "data", "voxels", "train", "quantise", "device", "jobs", "report"]


@dataclass(frozen=True, slots=True)
class PaneEntry:
    """One pane of the workbench: its number key, its name in the bar and a sentence on what it is for.

    `panes/<id>.py` holds the pane's class, `<title>Pane`, made without arguments; `panes/<id>.tcss` its styles;
    `keys/<id>.py` its ACTIONS. None of these is read before the pane, or help on it, is asked for.
    """

    id: Home
    key: str
    title: str
    sentence: str

    @property
    def styles(self) -> Path:
        """The file of its styles."""
        return Path(__file__).parent / "panes" / f"{self.id}.tcss"

    def create(self) -> Pane:
        """A new pane of this kind."""
        pane: Pane = getattr(import_module(f"evbench.tui.panes.{self.id}"), f"{self.title}Pane")()
        return pane


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
    PaneEntry("data", "1", "Data", "Browse recordings, see what is in them and what is wrong"),
    PaneEntry("voxels", "2", "Voxels", "See windows as a network does, step through them, play them"),
    PaneEntry("train", "3", "Train", "Start recipes and watch how their networks learn"),
    PaneEntry("quantise", "4", "Quantise", "See what quantisation does to every tensor, and why"),
    PaneEntry("device", "5", "Device", "Build, flash and profile a model; see cycles per layer"),
    PaneEntry("jobs", "6", "Jobs", "Start recipes; watch progress, loss curves and logs"),
    PaneEntry("report", "7", "Report", "See approaches side by side and beside what is published"),
)
"""The panes there are, in the order of their numbers."""

_KEY_NAMES = {
    "comma": ",",
    "full_stop": ".",
    "less_than_sign": "<",
    "greater_than_sign": ">",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "question_mark": "?",
    "slash": "/",
    "f2": "F2",
    "f5": "F5",
}

_APP_ACTIONS: tuple[Action, ...] = (
    Action(
        "app", "f5", "profile", "Flash", "Build, flash and profile the chosen model on the chosen board.", True, "F5"
    ),
    Action("app", "question_mark", "help", "Help", "Show what every key of this pane does.", True, "?"),
    Action("app", "f2", "tour", "Tour", "Show the workbench in five steps, on what comes with evbench.", False),
    Action("app", "ctrl+t", "next_theme", "Colours", "Change the colours: dark, light, high contrast.", False),
    Action("app", "ctrl+s", "save", "Save", "Save this screen as PNG and SVG in the current folder.", False),
    Action("app", "ctrl+y", "copy", "Copy", "Copy the text of this pane to the clipboard of the terminal.", False),
    Action("app", "q", "quit", "Quit", "Leave the workbench; jobs go on running."),
    *(Action("app", pane.key, f"show_pane('{pane.id}')", pane.title, f"{pane.sentence}.", False) for pane in PANES),
)


def pane_entry(name: str) -> PaneEntry:
    """The entry of the pane with this id."""
    return next(pane for pane in PANES if pane.id == name)


def actions_of(home: Home) -> tuple[Action, ...]:
    """The actions of one pane, or of the app, in the order they are listed."""
    if home == "app":
        return _APP_ACTIONS
    actions: tuple[Action, ...] = import_module(f"evbench.tui.keys.{home}").ACTIONS
    return actions


def all_actions() -> tuple[Action, ...]:
    """The actions of the app, then those of every pane."""
    return tuple(action for home in ("app", *(pane.id for pane in PANES)) for action in actions_of(home))


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
