"""An application in one of the workbench's themes, which remembers what its user prefers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from textual import work
from textual.app import App

from evbench.tui.messages import Refused
from evbench.tui.panes.base import TROUBLE
from evbench.tui.preferences import Preferences, read_preferences, write_preferences
from evbench.tui.themes import DARK, THEMES, TRANSLATIONS, Inks

if TYPE_CHECKING:
    from textual.filter import LineFilter


class ThemedApp(App[None]):
    """Draws in the inks of its theme. Without a file of preferences nothing outlasts the application."""

    def __init__(self, preferences: Path | None) -> None:
        self._inks = Inks(DARK.name)
        super().__init__()
        for theme in THEMES:
            self.register_theme(theme)
        self._preferences_file = preferences
        self.preferences = read_preferences(preferences) if preferences else Preferences(tour_offered=True)

    def on_mount(self) -> None:
        self.theme = self.preferences.theme if self.preferences.theme in TRANSLATIONS else DARK.name

    def watch_theme(self, name: str) -> None:
        self._inks = Inks(name)

    def get_line_filters(self) -> Sequence[LineFilter]:
        return [*([self._inks] if self._inks.enabled else []), *super().get_line_filters()]

    def action_next_theme(self) -> None:
        names = [theme.name for theme in THEMES]
        self.theme = names[(names.index(self.theme) + 1) % len(names)]
        self.remember(replace(self.preferences, theme=self.theme))
        self.notify(f"{self.theme.capitalize()} colours", timeout=2)

    def remember(self, preferences: Preferences) -> None:
        """Prefer these from now on."""
        self.preferences = preferences
        if self._preferences_file is not None:
            self._write(preferences, self._preferences_file)

    @work(thread=True, exclusive=True, group="preferences", description="remember")
    def _write(self, preferences: Preferences, path: Path) -> None:
        try:
            write_preferences(preferences, path)
        except TROUBLE as error:
            self.post_message(Refused(str(error)))
