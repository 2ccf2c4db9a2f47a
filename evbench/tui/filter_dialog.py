"""The list in which a recording's filters are switched on and off and their settings changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from evbench.errors import ProfileError
from evbench.events.cleaning import filters_to_try
from evbench.events.filter_text import parse_filter_text, settings_text
from evbench.events.stream import SensorGeometry
from evbench.profiles import FilterSettings


@dataclass(frozen=True, slots=True)
class FilterChoice:
    """A filter with its settings, and whether it is on."""

    settings: FilterSettings
    on: bool = False


def choices_for(geometry: SensorGeometry, before: Sequence[FilterChoice] = ()) -> tuple[FilterChoice, ...]:
    """A choice of every kind in the order in which they work; those that were on before stay as they are."""
    kept = {choice.settings.name: choice for choice in before if choice.on}
    return tuple(kept.get(settings.name, FilterChoice(settings)) for settings in filters_to_try(geometry))


class FilterDialog(ModalScreen[tuple[FilterChoice, ...]]):
    """Asks which filters to apply; they work from the top down. Gives the choices as they are left."""

    BINDINGS: ClassVar[list[BindingType]] = [
        ("escape,f", "done", "Done"),
        ("space", "switch", "Switch"),
        ("c", "clear", "All off"),
    ]

    def __init__(self, choices: tuple[FilterChoice, ...]) -> None:
        super().__init__()
        self._choices = list(choices)

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = "Filters, from the top down"
            box.border_subtitle = "space on/off · enter settings · c all off · esc done"
            yield OptionList(*(_option(choice) for choice in self._choices), id="filters-list", compact=True)
            yield Input(id="filter-settings", compact=True)
            yield Static(id="complaint")

    def on_mount(self) -> None:
        self.query_one(Input).display = False
        self.query_one(OptionList).highlighted = 0
        self.query_one(OptionList).focus()

    @property
    def _place(self) -> int:
        return self.query_one(OptionList).highlighted or 0

    def action_switch(self) -> None:
        choice = self._choices[self._place]
        self._change(self._place, replace(choice, on=not choice.on))

    def action_clear(self) -> None:
        for place, choice in enumerate(self._choices):
            self._change(place, replace(choice, on=False))

    @on(OptionList.OptionSelected)
    def _edit(self) -> None:
        settings = settings_text(self._choices[self._place].settings)
        if not settings:
            self.action_switch()
            return
        line = self.query_one(Input)
        line.display, line.value = True, settings
        line.focus()

    @on(Input.Submitted)
    def _take_settings(self, event: Input.Submitted) -> None:
        name = self._choices[self._place].settings.name
        try:
            settings = parse_filter_text(f"{name} {event.value}", "Filter")
        except ProfileError as error:
            self.query_one("#complaint", Static).update(Text(f"{error.what}. {error.remedy}.", "#ff5c8a"))
            return
        self._change(self._place, FilterChoice(settings, on=True))
        self._close_line()

    def action_done(self) -> None:
        if self.query_one(Input).has_focus:
            self._close_line()
        else:
            self.dismiss(tuple(self._choices))

    def _close_line(self) -> None:
        self.query_one(Input).display = False
        self.query_one("#complaint", Static).update("")
        self.query_one(OptionList).focus()

    def _change(self, place: int, choice: FilterChoice) -> None:
        self._choices[place] = choice
        self.query_one(OptionList).replace_option_prompt_at_index(place, _option(choice).prompt)


def _option(choice: FilterChoice) -> Option:
    text = Text("■ " if choice.on else "□ ", "#ffb000" if choice.on else "#8a93a6")
    text.append(f"{choice.settings.name:<21}", "bold" if choice.on else "not bold default")
    text.append(settings_text(choice.settings), "not bold #8a93a6")
    return Option(text)
