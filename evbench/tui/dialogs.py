"""The questions the workbench asks over a pane: a path, a choice, a run to start; and the help of a pane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.suggester import Suggester
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from evbench.tui.actions import Home, actions_of, pane_entry


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing to choose: what it is called, a dim remark, and what the caller gets."""

    value: str
    title: str
    remark: str = ""


class PathSuggester(Suggester):
    """Completes the path being typed with the first entry of its folder that fits."""

    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)

    async def get_suggestion(self, value: str) -> str | None:
        folder, _, start = value.rpartition("/")
        if not start:
            return None
        try:
            names = sorted(Path(folder or ("/" if value.startswith("/") else ".")).expanduser().iterdir())
        except OSError:
            return None
        for path in names:
            if path.name.startswith(start):
                return f"{folder}/{path.name}" if "/" in value else path.name
        return None


class PathDialog(ModalScreen[Path | None]):
    """Asks for the path of a recording or a folder."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape", "dismiss(None)", "Close")]

    def __init__(self, title: str) -> None:
        super().__init__()
        self._title = title

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = self._title
            box.border_subtitle = "→ complete · enter open · esc close"
            yield Input(placeholder="path of a file or a folder", suggester=PathSuggester(), compact=True)
            yield Static(id="complaint")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        path = Path(event.value.strip()).expanduser()
        if event.value.strip() and path.exists():
            self.dismiss(path.absolute())
        else:
            self.query_one("#complaint", Static).update(Text(f"There is no file or folder {path}", "#ff5c8a"))


class ChoiceDialog(ModalScreen[str | None]):
    """Asks for one of several things."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape", "dismiss(None)", "Close")]

    def __init__(self, title: str, choices: Sequence[Choice], chosen: str = "") -> None:
        super().__init__()
        self._title, self._choices, self._chosen = title, choices, chosen

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = self._title
            box.border_subtitle = "↑↓ choose · enter take · esc close"
            yield OptionList(*(_option(choice) for choice in self._choices), compact=True)

    def on_mount(self) -> None:
        options = self.query_one(OptionList)
        values = [choice.value for choice in self._choices]
        options.highlighted = values.index(self._chosen) if self._chosen in values else 0
        options.focus()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option.id)


@dataclass(frozen=True, slots=True)
class RunWish:
    """What to run: a recipe by name or path, the folder of its data if not the recipe's own, the board."""

    recipe: str
    data: Path | None
    board: str | None


class RunDialog(ModalScreen[RunWish | None]):
    """Asks for a recipe, the data it learns from and the board it is measured on."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape", "dismiss(None)", "Close")]

    def __init__(self, recipes: Sequence[Choice], boards: Sequence[Choice], data: Path | None) -> None:
        super().__init__()
        self._recipes, self._boards, self._data = recipes, boards, data

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = "Start a recipe"
            box.border_subtitle = "tab next · enter start · esc close"
            yield Static("recipe", classes="field")
            yield OptionList(*(_option(choice) for choice in self._recipes), id="recipes", compact=True)
            yield Static("data  (empty: what the recipe names)", classes="field")
            yield Input(str(self._data or ""), placeholder="folder", id="data", suggester=PathSuggester(), compact=True)
            yield Static("board", classes="field")
            yield OptionList(*(_option(choice) for choice in self._boards), id="boards", compact=True)
            yield Static(id="complaint")

    def on_mount(self) -> None:
        for options in self.query(OptionList):
            options.highlighted = 0
        self.query_one("#recipes").focus()

    def on_option_list_option_selected(self) -> None:
        self._start()

    def on_input_submitted(self) -> None:
        self._start()

    def _start(self) -> None:
        recipe = self.query_one("#recipes", OptionList).highlighted_option
        board = self.query_one("#boards", OptionList).highlighted_option
        typed = self.query_one("#data", Input).value.strip()
        data = Path(typed).expanduser().absolute() if typed else None
        if recipe is None or recipe.id is None:
            self.query_one("#complaint", Static).update(Text("There is no recipe to start", "#ff5c8a"))
        elif data is not None and not data.exists():
            self.query_one("#complaint", Static).update(Text(f"There is no folder {data}", "#ff5c8a"))
        else:
            self.dismiss(RunWish(recipe.id, data, board.id if board else None))


class HelpDialog(ModalScreen[None]):
    """Says what every key of a pane does."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape,question_mark,q", "dismiss", "Close")]

    def __init__(self, pane: Home) -> None:
        super().__init__()
        self._pane = pane

    def compose(self) -> ComposeResult:
        entry = pane_entry(self._pane)
        with VerticalScroll(classes="dialog") as box:
            box.border_title = f"{entry.title}: {entry.sentence}"
            box.border_subtitle = "↑↓ scroll · esc close"
            yield Static(_keys(self._pane))
            yield Static(Text("\neverywhere", "#8a93a6"))
            yield Static(_keys("app"))


def _keys(home: Home) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right", style="bold #ffb000", no_wrap=True, min_width=6)
    table.add_column()
    for action in actions_of(home):
        table.add_row(action.help_key, action.sentence)
    if home == "app":
        table.add_row("ctrl+p", "Find any of these by name.")
        table.add_row("tab", "Move between the parts of a pane.")
    return table


def _option(choice: Choice) -> Option:
    text = Text(choice.title)
    if choice.remark:
        text.append(f"  {choice.remark}", "#8a93a6")
    return Option(text, id=choice.value)
