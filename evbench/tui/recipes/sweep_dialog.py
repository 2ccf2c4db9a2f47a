"""Asks for a sweep: which setting of a recipe, and the values it is to have, a job for each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.suggester import SuggestFromList
from textual.widgets import Input, Static

from evbench.errors import EvbenchError
from evbench.jobs.sweep import Sweep, check_sweep, parse_sweep
from evbench.recipe_form import recipe_settings
from evbench.tui import inks
from evbench.tui.dialogs import PathSuggester


@dataclass(frozen=True, slots=True)
class SweepWish:
    """Which recipe to run, how often with what, and the folder of its data if not the recipe's own."""

    recipe: str
    sweep: Sweep
    data: Path | None


class SweepDialog(ModalScreen[SweepWish | None]):
    """Checks the values while they are typed; enter starts the jobs."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape", "dismiss(None)", "Close")]

    def __init__(self, recipe: str, title: str, data: Path | None) -> None:
        super().__init__()
        self._recipe, self._title, self._data = recipe, title, data
        self._hints = {setting.key: setting.hint for setting in recipe_settings()}
        self._sweep: Sweep | None = None

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = f"Sweep {self._title}"
            box.border_subtitle = "→ complete · tab next · enter start · esc close"
            yield Static("setting", classes="field")
            keys = SuggestFromList(list(self._hints), case_sensitive=True)
            yield Input("quantize.averaging_constant", id="sweep-key", suggester=keys, compact=True)
            yield Static("values, with commas between them", classes="field")
            yield Input(placeholder="0.1, 0.05, 0.01", id="sweep-values", compact=True)
            yield Static("folder of the data, where the recipe needs one", classes="field")
            yield Input(str(self._data or ""), id="sweep-data", suggester=PathSuggester(), compact=True)
            yield Static(id="complaint")

    def on_mount(self) -> None:
        self._check()
        self.query_one("#sweep-values", Input).focus()

    @on(Input.Changed)
    def _check(self) -> None:
        key, values = (self.query_one(f"#sweep-{name}", Input).value.strip() for name in ("key", "values"))
        self._sweep = None
        if not values:
            self._say(f"{key}: {self._hints.get(key, 'no setting of a recipe')}", inks.QUIET)
            return
        try:
            sweep = parse_sweep(f"{key}={values}")
            check_sweep(self._recipe, sweep)
        except EvbenchError as error:
            self._say(str(error), inks.BAD)
        else:
            self._sweep = sweep
            self._say(f"{len(sweep.values)} jobs, one after the other: {', '.join(sweep.values)}", inks.GOOD)

    def _say(self, words: str, ink: str) -> None:
        self.query_one("#complaint", Static).update(Text(words, ink))

    @on(Input.Submitted)
    def _start(self) -> None:
        typed = self.query_one("#sweep-data", Input).value.strip()
        data = Path(typed).expanduser().absolute() if typed else None
        if data is not None and not data.exists():
            self._say(f"There is no folder {data}", inks.BAD)
        elif self._sweep is not None:
            self.dismiss(SweepWish(self._recipe, self._sweep, data))
