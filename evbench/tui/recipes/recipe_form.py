"""A recipe as a form: a line per setting with what may stand there, checked while it is typed."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.suggester import SuggestFromList
from textual.widgets import Input, Static

from evbench.errors import EvbenchError
from evbench.jobs.recipes import free_name, save_recipe
from evbench.profiles import Recipe
from evbench.recipe_form import Draft, Setting, check_settings, recipe_settings, table_sentence, typed
from evbench.tui import inks
from evbench.workspace import Workspace

_NAME = "name"


class RecipeForm(ModalScreen[Path | None]):
    """Edits a recipe; ctrl+s saves it as a new file of the workspace and gives its path."""

    BINDINGS: ClassVar[list[BindingType]] = [
        ("escape", "dismiss(None)", "Close"),
        ("ctrl+s", "save", "Save"),
        # Before the list in which the settings stand takes them for scrolling.
        Binding("down", "app.focus_next", "Next", priority=True),
        Binding("up", "app.focus_previous", "Previous", priority=True),
    ]

    def __init__(self, workspace: Workspace, recipe: Recipe) -> None:
        super().__init__()
        self._workspace, self._recipe = workspace, recipe
        self._settings = {_widget_id(setting.key): setting for setting in recipe_settings()}
        self._before = typed(recipe)
        self._draft = Draft(recipe, {})

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="recipe-form") as box:
            box.border_title = f"Recipe made from {self._recipe.id}"
            box.border_subtitle = "tab ↑↓ next setting · ctrl+s save as new recipe · esc close"
            with Horizontal(classes="setting"):
                yield Static("name", classes="setting-name")
                yield Input(free_name(self._workspace, self._recipe.id), id=_NAME, compact=True)
                yield Static("the new recipe's file in this workspace", classes="setting-hint")
            with VerticalScroll(id="settings", can_focus=False):
                table = ""
                for identity, setting in self._settings.items():
                    if setting.table != table:
                        table = setting.table
                        yield Static(_heading(table), classes="setting-table")
                    with Horizontal(classes="setting"):
                        yield Static(setting.name, classes="setting-name")
                        yield self._input(identity, setting)
                        yield Static(id=f"hint-{identity}", classes="setting-hint")
            yield Static(id="complaint")

    def _input(self, identity: str, setting: Setting) -> Input:
        suggester = SuggestFromList(setting.choices) if setting.choices else None
        return Input(self._before.get(setting.key, ""), id=identity, suggester=suggester, compact=True)

    @property
    def _recipe_name(self) -> str:
        return self.query_one(f"#{_NAME}", Input).value.strip()

    def on_mount(self) -> None:
        self._check()
        self.query_one(f"#{next(iter(self._settings))}", Input).focus()

    @on(Input.Changed)
    def _check(self) -> None:
        inputs = {setting.key: self.query_one(f"#{identity}", Input) for identity, setting in self._settings.items()}
        texts = {key: field.value for key, field in inputs.items()}
        self._draft = check_settings(self._recipe_name, texts)
        for identity, setting in self._settings.items():
            problem = self._draft.problems.get(setting.key)
            changed = texts[setting.key].strip() != self._before.get(setting.key, "")
            hint = Text(problem, inks.BAD) if problem else Text(setting.hint, inks.KEY if changed else inks.QUIET)
            self.query_one(f"#hint-{identity}", Static).update(hint)
        self._explain()

    @on(Input.Blurred)
    def _explain(self) -> None:
        """What is wrong with the setting being typed, in full, else what is contradictory, else what may stand here."""
        problems = self._draft.problems
        focused = self._settings.get(self.focused.id or "") if self.focused else None
        wrong = problems.get(focused.key) if focused else None
        if wrong or problems:
            text = Text(wrong or problems.get("") or f"{len(problems)} of the settings cannot stay like this", inks.BAD)
        else:
            text = Text(f"{focused.key}: {focused.hint}" if focused else "", inks.QUIET)
        self.query_one("#complaint", Static).update(text)

    def on_descendant_focus(self) -> None:
        self._explain()

    @on(Input.Submitted)
    def action_save(self) -> None:
        if self._draft.recipe is None:
            self._explain()
            return
        try:
            path = save_recipe(self._workspace, self._recipe_name, self._draft.recipe, self._recipe.id)
        except EvbenchError as error:
            self.query_one("#complaint", Static).update(Text(str(error), inks.BAD))
        else:
            self.dismiss(path)


def _widget_id(key: str) -> str:
    return "setting-" + key.replace(".", "-")


def _heading(table: str) -> Text:
    return Text(f"[{table}] ", f"bold {inks.KEY}").append(table_sentence(table), f"not bold {inks.QUIET}")
