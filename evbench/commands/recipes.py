"""Commands that list, show, compare and write recipes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evbench.commands.shared import JsonOption, RecipeArgument, SetOption, open_workspace, settings_of

recipes = typer.Typer(no_args_is_help=True, help="List, show, compare and write recipes.")


@recipes.command("list")
def recipes_list(as_json: JsonOption = False) -> None:
    """The recipes of this workspace, of this folder and of evbench itself."""
    from evbench.jobs import output
    from evbench.jobs.recipes import known_recipes, recipe_json, recipes_table

    found = known_recipes(open_workspace(), Path.cwd())
    output.show({"recipes": [recipe_json(known) for known in found]}, as_json, recipes_table)


@recipes.command("show")
def recipes_show(recipe: RecipeArgument, as_json: JsonOption = False) -> None:
    """Every setting of a recipe, those it leaves to evbench too."""
    from evbench.jobs import output
    from evbench.profiles import load_recipe
    from evbench.recipe_form import recipe_toml

    loaded = load_recipe(recipe)
    output.print_json(loaded.model_dump(mode="json")) if as_json else print(recipe_toml(loaded), end="")


@recipes.command("diff")
def recipes_diff(
    before: RecipeArgument,
    after: Annotated[str, typer.Argument(help="Another recipe's name or file.")],
    as_json: JsonOption = False,
) -> None:
    """In which settings two recipes differ."""
    from evbench.jobs import output
    from evbench.jobs.recipes import diff_table, recipes_difference

    output.show(recipes_difference(before, after), as_json, diff_table)


@recipes.command("new")
def recipes_new(
    name: Annotated[str, typer.Argument(help="What the new recipe is called.")],
    made_from: Annotated[str, typer.Option("--from", metavar="RECIPE", help="The recipe it is made from.")],
    settings: SetOption = None,
) -> None:
    """Write a new recipe into the workspace, made from another one with some settings changed."""
    from evbench.jobs.recipes import save_recipe
    from evbench.profiles import load_recipe

    loaded = load_recipe(made_from, settings_of(settings))
    print(save_recipe(open_workspace(), name, loaded, loaded.id))
