"""The recipes there are: read, changed in a form or an editor, compared, and swept."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult, SuspendNotSupported
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Footer, OptionList, Static
from textual.widgets.option_list import Option

from evbench.errors import EvbenchError
from evbench.jobs.recipes import KnownRecipe, discard_unchanged, known_recipes, own_copy
from evbench.recipe_form import differences, recipe_toml
from evbench.tui import inks
from evbench.tui.messages import RecipesRead
from evbench.tui.panes.base import TROUBLE
from evbench.tui.recipes.recipe_form import RecipeForm
from evbench.tui.recipes.sweep_dialog import SweepDialog, SweepWish
from evbench.workspace import Workspace

_ORIGINS = {"workspace": "this workspace", "folder": "this folder", "bundled": ""}


class RecipesScreen(ModalScreen[SweepWish | None]):
    """A list of recipes, and of the chosen one its text or how it differs from a marked one. Gives a sweep to start."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Close", key_display="esc"),
        Binding("f", "form", "Form", tooltip="Change the recipe in a form and save it as a new one."),
        Binding("e", "edit", "Editor", tooltip="Change the recipe in $EDITOR; a bundled one is copied first."),
        Binding("d", "mark", "Diff", tooltip="Mark the recipe: others are shown by how they differ from it."),
        Binding("s", "sweep", "Sweep", tooltip="Run the recipe with one setting at several values."),
    ]

    def __init__(self, workspace: Workspace, data: Path | None, chosen: str = "") -> None:
        super().__init__()
        self._workspace, self._data, self._chosen = workspace, data, chosen
        self._known: tuple[KnownRecipe, ...] = ()
        self._marked: KnownRecipe | None = None

    def compose(self) -> ComposeResult:
        with Horizontal(id="recipes-box"):
            recipes = OptionList(id="recipe-list", classes="box", compact=True)
            recipes.border_title = "recipes"
            yield recipes
            with VerticalScroll(id="recipe-view", classes="box", can_focus=False):
                yield Static(id="recipe-text")
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        self.query_one(OptionList).focus()
        self.read()

    @work(thread=True, exclusive=True, group="recipes")
    def read(self) -> None:
        try:
            self.post_message(RecipesRead(tuple(known_recipes(self._workspace, Path.cwd()))))
        except TROUBLE as error:
            self.app.call_from_thread(self.notify, str(error), severity="error")

    @on(RecipesRead)
    def _take(self, message: RecipesRead) -> None:
        self._known = message.recipes
        recipes = self.query_one(OptionList)
        recipes.clear_options()
        recipes.add_options(_option(known) for known in self._known)
        names = [known.argument for known in self._known]
        wanted = [known.name for known in self._known]
        place = names.index(self._chosen) if self._chosen in names else 0
        if self._chosen in wanted and self._chosen not in names:
            place = wanted.index(self._chosen)
        recipes.highlighted = place if self._known else None

    @property
    def _highlighted(self) -> KnownRecipe | None:
        place = self.query_one(OptionList).highlighted
        return self._known[place] if place is not None and place < len(self._known) else None

    @on(OptionList.OptionHighlighted)
    def _show(self) -> None:
        known = self._highlighted
        if known is None:
            return
        self._chosen = known.argument
        view = self.query_one("#recipe-view", VerticalScroll)
        view.border_title = known.name
        view.border_subtitle = ""
        text = Text(known.problem, inks.BAD)
        if known.recipe is not None and self._marked is not None and self._marked.recipe is not None:
            view.border_title = f"{self._marked.name} → {known.name}"
            view.border_subtitle = "d ends the comparison"
            text = _difference(self._marked, known)
        elif known.recipe is not None:
            text = _coloured(recipe_toml(known.recipe))
        self.query_one("#recipe-text", Static).update(text)

    # --- changing -----------------------------------------------------------------------------------------------------

    @on(OptionList.OptionSelected)
    def action_form(self) -> None:
        known = self._highlighted
        if known is None or known.recipe is None:
            self._refuse_broken(known)
            return
        self.app.push_screen(RecipeForm(self._workspace, known.recipe), self._saved)

    def _saved(self, path: Path | None) -> None:
        if path is not None:
            self._chosen = str(path)
            self.notify(str(path), title="The recipe is saved")
            self.read()

    def action_edit(self) -> None:
        known = self._highlighted
        if known is None:
            return
        editor = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
        try:
            path = own_copy(self._workspace, known)
            with self.app.suspend():
                subprocess.run([*editor, str(path)], check=False)
            if discard_unchanged(path, known):
                self.notify("Nothing was changed.")
        except SuspendNotSupported:
            discard_unchanged(path, known)
            self.notify("The terminal cannot be left to an editor from here: f opens the form.", severity="error")
        except (EvbenchError, OSError) as error:
            self.notify(f"{error}", title=f"{' '.join(editor)} could not be used", severity="error")
        else:
            self._chosen = str(path) if path.exists() else known.argument
            self.read()

    # --- comparing and sweeping ---------------------------------------------------------------------------------------

    def action_mark(self) -> None:
        self._marked = None if self._marked is not None else self._highlighted
        self._show()

    def action_sweep(self) -> None:
        known = self._highlighted
        if known is None or known.recipe is None:
            self._refuse_broken(known)
            return
        self.app.push_screen(SweepDialog(known.argument, known.name, self._data), self._swept)

    def _swept(self, wish: SweepWish | None) -> None:
        if wish is not None:
            self.dismiss(wish)

    def _refuse_broken(self, known: KnownRecipe | None) -> None:
        if known is not None:
            self.notify(f"{known.problem}. e opens it in your editor.", severity="error")


def _option(known: KnownRecipe) -> Option:
    text = Text(f"{'✗ ' if known.problem else ''}{known.name}", inks.BAD if known.problem else "")
    if _ORIGINS[known.origin]:
        text.append(f"  {_ORIGINS[known.origin]}", f"not bold {inks.QUIET}")
    return Option(text, id=known.argument)


def _difference(before: KnownRecipe, after: KnownRecipe) -> Text:
    """The settings in which two recipes differ, as lines that go and lines that come, by their tables."""
    assert before.recipe is not None
    assert after.recipe is not None
    found = differences(before.recipe, after.recipe)
    if not found:
        same = before is after
        return Text("choose another recipe to compare with" if same else "the two say the same", inks.QUIET)
    text, table = Text(), ""
    for each in found:
        inside, _, name = each.key.rpartition(".")
        if inside != table:
            table = inside
            text.append(f"\n[{table}]\n" if text else f"[{table}]\n", f"bold {inks.KEY}")
        for sign, value, ink in (("-", each.before, inks.BAD), ("+", each.after, inks.GOOD)):
            if value:
                text.append(f"{sign} {name} = {value}\n", ink)
    return text


def _coloured(toml: str) -> Text:
    text = Text()
    for line in toml.splitlines():
        name, equals, value = line.partition(" = ")
        if equals:
            text.append(name, inks.TEXT).append(" = ", inks.QUIET).append(f"{value}\n", inks.ACTIVE)
        else:
            text.append(f"{line}\n", f"bold {inks.KEY}" if line.startswith("[") else inks.QUIET)
    return text
