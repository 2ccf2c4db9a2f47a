"""Recipes of a workspace: saved as new files, found again, compared."""

from __future__ import annotations

from pathlib import Path

import pytest

from evbench.errors import ProfileError
from evbench.jobs.recipes import free_name, known_recipes, recipes_difference, save_recipe, save_text
from evbench.profiles import load_recipe
from evbench.workspace import Workspace


def test_a_saved_recipe_is_found_in_the_workspace_and_can_be_run_by_its_path(workspace: Workspace) -> None:
    recipe = load_recipe("bars-voxel-qat", {"train.epochs": "7"})
    path = save_recipe(workspace, "long", recipe, "bars-voxel-qat")
    known = known_recipes(workspace)[0]
    assert (known.name, known.origin, known.argument) == ("long", "workspace", str(path))
    assert load_recipe(known.argument) == recipe.model_copy(update={"id": "long"})
    assert path.read_text().startswith("# Made from bars-voxel-qat.\n")
    assert list(path.parent.iterdir()) == [path]


def test_a_recipe_is_never_written_over(workspace: Workspace) -> None:
    recipe = load_recipe("bars-voxel-qat")
    path = save_recipe(workspace, "mine", recipe)
    before = path.read_text()
    with pytest.raises(ProfileError, match="already"):
        save_text(workspace, "mine", "something else")
    assert path.read_text() == before
    assert list(path.parent.iterdir()) == [path]
    assert free_name(workspace, "mine") == "mine-2"
    save_recipe(workspace, "mine-2", recipe)
    assert free_name(workspace, "mine-2") == "mine-3"


@pytest.mark.parametrize("name", ["", "../mine", "a/b", ".hidden", "two words"])
def test_a_name_that_no_file_should_have_is_refused(workspace: Workspace, name: str) -> None:
    with pytest.raises(ProfileError, match="cannot be the name"):
        save_recipe(workspace, name, load_recipe("bars-voxel-qat"))


def test_recipes_that_cannot_be_used_are_listed_with_the_reason(workspace: Workspace, tmp_path: Path) -> None:
    save_text(workspace, "wrong", "[dataset]\nname = 3\n")
    (tmp_path / "here.toml").write_text('[dataset]\nname = "simulated-bars"\n')
    (tmp_path / "other.toml").write_text('[project]\nname = "x"\n')
    found = {known.name: known for known in known_recipes(workspace, tmp_path)}
    assert found["wrong"].recipe is None
    assert "line 2" in found["wrong"].problem
    assert (found["here"].origin, found["here"].problem) == ("folder", "")
    assert "other" not in found
    assert found["bars-voxel-qat"].origin == "bundled"


def test_the_difference_of_two_recipes_names_both_values() -> None:
    found = recipes_difference("bars-voxel-qat", "gesture-voxel-qat")
    assert found["recipes"] == ["bars-voxel-qat", "gesture-voxel-qat"]
    assert {"key": "train.epochs", "values": ["4", "15"]} in found["differences"]
