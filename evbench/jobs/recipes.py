"""Recipes a user works with: those that come with evbench, those of the workspace and those of a folder."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from evbench.errors import EvbenchError, ProfileError
from evbench.profiles import Recipe, list_recipes, load_recipe
from evbench.recipe_form import differences, recipe_toml
from evbench.resources import resource
from evbench.workspace import Workspace, explained

Origin = Literal["bundled", "workspace", "folder"]


@dataclass(frozen=True, slots=True)
class KnownRecipe:
    """A recipe file that was found: what `evbench run` takes it by, where it lies, and what is wrong with it if so."""

    name: str
    path: Path
    origin: Origin
    recipe: Recipe | None
    problem: str = ""

    @property
    def argument(self) -> str:
        """What stands behind `evbench run`."""
        return self.name if self.origin == "bundled" else str(self.path)


def known_recipes(workspace: Workspace | None, folder: Path | None = None) -> list[KnownRecipe]:
    """The recipes of the workspace, of `folder` and of evbench itself, in this order, each by name."""
    found: list[KnownRecipe] = []
    if workspace is not None:
        found += [_look(path, "workspace") for path in sorted(recipes_folder(workspace).glob("*.toml"))]
    if folder is not None:
        own = [path for path in sorted(folder.glob("*.toml")) if "[dataset]" in path.read_text(errors="replace")]
        found += [_look(path, "folder") for path in own]
    bundled = resource("profiles", "recipes")
    found += [KnownRecipe(recipe.id, bundled / f"{recipe.id}.toml", "bundled", recipe) for recipe in list_recipes()]
    return found


def recipes_folder(workspace: Workspace) -> Path:
    """Where a workspace keeps recipes that were made in it."""
    return workspace.root / "recipes"


def save_recipe(workspace: Workspace, name: str, recipe: Recipe, made_from: str = "") -> Path:
    """Write a recipe as a new file of the workspace; returns its path.

    Raises ProfileError where the name cannot be one of a file or is taken, WorkspaceError where it cannot be written.
    """
    comment = f"Made from {made_from}." if made_from else ""
    return save_text(workspace, name, recipe_toml(recipe, comment))


def save_text(workspace: Workspace, name: str, text: str) -> Path:
    """As `save_recipe`, for a recipe that is text already."""
    path = recipes_folder(workspace) / f"{name}.toml"
    if not re.fullmatch(r"\w[\w.+-]*", name):
        raise ProfileError(
            f'"{name}" cannot be the name of a recipe', where=str(path.parent), remedy="Use letters, digits, -, _ and ."
        )
    with explained(path.parent):
        path.parent.mkdir(exist_ok=True)
        part = path.with_suffix(".part")
        part.write_text(text, encoding="utf-8")
        try:
            # Fails where the name is taken, even by another workbench at this moment.
            os.link(part, path)
        except FileExistsError:
            raise ProfileError(
                f'There is a recipe called "{name}" already', where=str(path), remedy="Choose another name"
            ) from None
        finally:
            part.unlink()
    return path


def free_name(workspace: Workspace, name: str) -> str:
    """A name near `name` that no recipe of the workspace has: name-2, name-3, …"""
    stem = re.sub(r"-\d+$", "", name)
    number = 2
    while (recipes_folder(workspace) / f"{stem}-{number}.toml").exists():
        number += 1
    return f"{stem}-{number}"


def recipes_difference(before: str | Path, after: str | Path) -> dict[str, Any]:
    """The JSON of `evbench recipes diff`. Raises ProfileError for a recipe that cannot be used."""
    recipes = (load_recipe(before), load_recipe(after))
    found = differences(*recipes)
    return {
        "recipes": [recipe.id for recipe in recipes],
        "differences": [{"key": each.key, "values": [each.before, each.after]} for each in found],
    }


def diff_table(content: dict[str, Any]) -> RenderableType:
    """What `recipes_difference` found, as lines that are taken away and lines that come instead."""
    text = Text(f"--- {content['recipes'][0]}\n+++ {content['recipes'][1]}\n", "bold")
    for found in content["differences"]:
        for sign, value, style in zip("-+", found["values"], ("red", "green"), strict=True):
            if value:
                text.append(f"{sign} {found['key']} = {value}\n", style)
    if not content["differences"]:
        text.append("The two say the same.\n", "dim")
    text.rstrip()
    return text


def recipe_json(known: KnownRecipe) -> dict[str, Any]:
    """A recipe for programs."""
    return {
        "name": known.name,
        "path": str(known.path),
        "origin": known.origin,
        "dataset": known.recipe.dataset.name if known.recipe else None,
        "network": known.recipe.network.name if known.recipe else None,
        "problem": known.problem,
    }


def recipes_table(content: dict[str, Any]) -> RenderableType:
    """Recipes for people."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("recipe", "from", "dataset", "network"):
        table.add_column(heading)
    for entry in content["recipes"]:
        if entry["problem"]:
            table.add_row(entry["name"], entry["origin"], Text(entry["problem"], "red"))
        else:
            table.add_row(entry["name"], entry["origin"], entry["dataset"], entry["network"])
    return table


def _look(path: Path, origin: Origin) -> KnownRecipe:
    try:
        return KnownRecipe(path.stem, path, origin, load_recipe(path))
    except EvbenchError as error:
        return KnownRecipe(path.stem, path, origin, None, f"{error.what}, {error.where}")


def own_copy(workspace: Workspace, known: KnownRecipe) -> Path:
    """The file to edit: the recipe's own, or a copy of a bundled one under a free name of the workspace."""
    if known.origin != "bundled":
        return known.path
    return save_text(workspace, free_name(workspace, known.name), known.path.read_text(encoding="utf-8"))


def discard_unchanged(path: Path, known: KnownRecipe) -> bool:
    """Delete a copy that `own_copy` made where nothing was changed in it; returns whether it was deleted."""
    if path == known.path or path.read_bytes() != known.path.read_bytes():
        return False
    path.unlink()
    return True
