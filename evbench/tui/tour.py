"""The tour: five steps on the recordings and the model that evbench brings along, each on the pane it speaks of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Static

from evbench.tui import inks
from evbench.tui.actions import PANES, Home


@dataclass(frozen=True, slots=True)
class Step:
    """What is said on a pane, and the actions of that pane that show it."""

    pane: Home
    title: str
    text: str
    calls: tuple[str, ...] = ()


_STEPS = (
    Step(
        "data",
        "Recordings",
        "On the left lie recordings of an event camera; these come with evbench. Each is read as you choose it: "
        "events over time, hot pixels, the share of either polarity. o opens files and folders of your own.",
    ),
    Step(
        "voxels",
        "What a network sees",
        "Windows of 50 ms become voxel grids: ON events amber, OFF events blue, time from left to right. This "
        "one plays in real time. Later, space plays and stops, m shows other representations, f switches filters on.",
        ("first_window", "play"),
    ),
    Step(
        "quantise",
        "What eight bits do to it",
        "Most activations are exactly zero and the rest lie far away. Here stands every tensor of a quantised network, "
        "where its ranges end and what each observer's choice would cost.",
    ),
    Step(
        "device",
        "Cycles on a Cortex-M7",
        "F5 has just been pressed for you: the bundled network is compiled, flashed to a virtual board and measured, "
        "layer by layer. b chooses a board of your own. It goes on if you leave.",
        ("profile",),
    ),
    Step(
        "jobs",
        "Your own network",
        "n starts a recipe, from recordings to a table of results; bars-voxel-qat needs no data and takes minutes. "
        "Jobs go on when the workbench is closed. ? lists the keys of a pane, ctrl+p finds every action.",
    ),
)


def steps() -> tuple[Step, ...]:
    """The steps, in order, of the panes that this workbench has."""
    there = {pane.id for pane in PANES}
    return tuple(step for step in _STEPS if step.pane in there)


class Tour(ModalScreen[None]):
    """A card over the panes that says what is to be seen; begins with the question whether it is wanted, or at once."""

    BINDINGS: ClassVar[list[BindingType]] = [
        ("enter,right", "move(1)", "Next"),
        ("left", "move(-1)", "Back"),
        ("escape,q", "dismiss", "End"),
    ]

    class Arrived(Message):
        """A step has begun: its pane is to come to the front and show what the step speaks of."""

        def __init__(self, step: Step) -> None:
            super().__init__()
            self.step = step

    def __init__(self, *, asking: bool) -> None:
        super().__init__()
        self._steps = steps()
        self._number = -1 if asking else 0

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="tour"):
            yield Static()

    def on_mount(self) -> None:
        self._show()

    def action_move(self, by: int) -> None:
        if self._number + by >= len(self._steps):
            self.dismiss()
        else:
            self._number = max(0, self._number + by)
            self._show()

    def _show(self) -> None:
        box, said = self.query_one("#tour"), self.query_one(Static)
        if self._number < 0:
            box.border_title = "First time here?"
            box.border_subtitle = "enter show me · esc not now"
            said.update(
                Text(
                    f"A tour of {len(self._steps)} steps shows the workbench on recordings and a network that come "
                    "with evbench. Nothing needs to be installed or connected. F2 brings it back at any time."
                )
            )
            return
        step = self._steps[self._number]
        box.border_title = f"{self._number + 1} of {len(self._steps)} · {step.title}"
        last = self._number == len(self._steps) - 1
        box.border_subtitle = (
            "← back · enter end" if last else f"{'← back · ' * (self._number > 0)}enter next · esc end"
        )
        said.update(Text(step.text, inks.TEXT))
        self.post_message(self.Arrived(step))
