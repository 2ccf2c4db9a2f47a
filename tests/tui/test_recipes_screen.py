from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest
from textual.widgets import Input, OptionList
from tui_helpers import press, settle, text_of, until

from evbench.jobs import engine
from evbench.jobs.recipes import recipes_folder, save_recipe, save_text
from evbench.profiles import load_recipe
from evbench.tui.app import Workbench
from evbench.tui.recipes.recipe_form import RecipeForm
from evbench.tui.recipes.recipes_screen import RecipesScreen
from evbench.tui.recipes.sweep_dialog import SweepDialog
from evbench.workspace import Workspace

WIDE = (120, 40)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Jobs that were started; their workers are not."""
    jobs: list[int] = []
    monkeypatch.setattr(engine, "start", lambda workspace, job, *rest: jobs.append(job))
    return jobs


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No recipes lie where the workbench was started."""
    monkeypatch.chdir(tmp_path)


async def opened_recipes(pilot: object, app: Workbench) -> RecipesScreen:
    await settle(pilot)  # type: ignore[arg-type]
    await press(pilot, "3", "p")  # type: ignore[arg-type]
    await until(pilot, lambda: isinstance(app.screen, RecipesScreen))  # type: ignore[arg-type]
    await until(pilot, lambda: app.screen.query_one(OptionList).option_count > 0)  # type: ignore[arg-type]
    screen = app.screen
    assert isinstance(screen, RecipesScreen)
    return screen


def typed_into(app: Workbench, key: str, text: str) -> None:
    app.screen.query_one(f"#setting-{key.replace('.', '-')}", Input).value = text


async def test_recipes_are_listed_with_the_text_of_the_chosen_one(workspace: Workspace) -> None:
    save_recipe(workspace, "mine", load_recipe("bars-voxel-qat", {"train.epochs": "7"}))
    app = Workbench(workspace)
    async with app.run_test(size=WIDE) as pilot:
        await opened_recipes(pilot, app)
        assert "mine  this workspace" in text_of(app, "#recipe-list")
        await until(pilot, lambda: 'name = "simulated-bars"' in text_of(app, "#recipe-view"))
        await press(pilot, "down", "down")
        assert "dvs128-gesture" in text_of(app, "#recipe-view")
        await press(pilot, "escape")
        assert not isinstance(app.screen, RecipesScreen)


async def test_d_marks_a_recipe_and_shows_how_others_differ_from_it(workspace: Workspace) -> None:
    save_recipe(workspace, "mine", load_recipe("bars-voxel-qat", {"train.epochs": "7"}))
    app = Workbench(workspace)
    async with app.run_test(size=WIDE) as pilot:
        await opened_recipes(pilot, app)
        await press(pilot, "d", "down")
        shown = text_of(app, "#recipe-view")
        assert "mine → bars-voxel-qat" in shown
        assert [line.strip("│ ") for line in shown.splitlines()[1:4]] == ["[train]", "- epochs = 7", "+ epochs = 4"]
        await press(pilot, "d")
        assert "→" not in str(app.screen.query_one("#recipe-view").border_title)


async def test_the_form_says_what_is_wrong_beside_the_setting_while_it_is_typed(workspace: Workspace) -> None:
    app = Workbench(workspace)
    async with app.run_test(size=WIDE) as pilot:
        await opened_recipes(pilot, app)
        await press(pilot, "f")
        assert isinstance(app.screen, RecipeForm)
        typed_into(app, "representation.window", "50 m")
        await settle(pilot)
        assert "'50 m' is not a duration" in text_of(app, "#hint-setting-representation-window")
        await press(pilot, "ctrl+s")
        assert isinstance(app.screen, RecipeForm)
        assert "1 of the settings cannot stay like this" in text_of(app, "#complaint")
        typed_into(app, "representation.window", "20 ms")
        await settle(pilot)
        assert "a duration in" in text_of(app, "#hint-setting-representation-window")
        typed_into(app, "quantize.from_epoch", "99")
        await settle(pilot)
        assert "begin earlier or train longer" in text_of(app, "#complaint")
        await press(pilot, "escape", "escape")
        assert not recipes_folder(workspace).exists()


async def test_the_form_is_saved_as_a_new_recipe_and_never_over_another(workspace: Workspace) -> None:
    app = Workbench(workspace)
    async with app.run_test(size=WIDE) as pilot:
        await opened_recipes(pilot, app)
        await press(pilot, "enter")
        typed_into(app, "train.epochs", "9")
        await settle(pilot)
        await press(pilot, "ctrl+s")
        await until(pilot, lambda: isinstance(app.screen, RecipesScreen))
        path = recipes_folder(workspace) / "bars-voxel-qat-2.toml"
        assert load_recipe(path).train.epochs == 9
        await until(pilot, lambda: "epochs = 9" in text_of(app, "#recipe-view"))
        await press(pilot, "f")
        app.screen.query_one("#name", Input).value = "bars-voxel-qat-2"
        await press(pilot, "ctrl+s")
        assert "already" in text_of(app, "#complaint")


async def test_arrows_go_from_setting_to_setting(workspace: Workspace) -> None:
    app = Workbench(workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened_recipes(pilot, app)
        await press(pilot, "f", "down", "down")
        assert app.focused is not None
        assert app.focused.id == "setting-dataset-name"
        assert "dataset.name: simulated-bars |" in text_of(app, "#complaint")
        await press(pilot, "up", "up")
        assert app.focused.id == "setting-board"


async def test_e_opens_the_editor_on_a_copy_and_says_which_line_is_wrong(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nsed -i \'s/^epochs = .*/epochs = "none"/\' "$1"\n')
    editor.chmod(0o755)
    monkeypatch.setenv("VISUAL", str(editor))
    monkeypatch.setattr(Workbench, "suspend", lambda self: nullcontext())
    app = Workbench(workspace)
    async with app.run_test(size=WIDE) as pilot:
        await opened_recipes(pilot, app)
        await press(pilot, "e")
        path = recipes_folder(workspace) / "bars-voxel-qat-2.toml"
        await until(pilot, lambda: "✗ bars-voxel-qat-2" in text_of(app, "#recipe-list"))
        assert "train.epochs of the recipe is wrong" in text_of(app, "#recipe-view")
        editor.write_text("#!/bin/sh\nsed -i 's/^epochs = .*/epochs = 6/' \"$1\"\n")
        await press(pilot, "f", "s")
        assert isinstance(app.screen, RecipesScreen)
        await press(pilot, "e")
        await until(pilot, lambda: "epochs = 6" in text_of(app, "#recipe-view"))
        assert load_recipe(path).train.epochs == 6


async def test_a_copy_in_which_nothing_was_changed_is_not_kept(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISUAL", "true")
    monkeypatch.setattr(Workbench, "suspend", lambda self: nullcontext())
    app = Workbench(workspace)
    async with app.run_test(size=WIDE) as pilot:
        await opened_recipes(pilot, app)
        await press(pilot, "e")
        await until(pilot, lambda: any("Nothing was changed" in note.message for note in app._notifications))
        assert list(recipes_folder(workspace).iterdir()) == []


async def test_where_no_editor_can_be_opened_that_is_said(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = Workbench(workspace)
    async with app.run_test(size=WIDE) as pilot:
        await opened_recipes(pilot, app)
        await press(pilot, "e")
        await until(pilot, lambda: any("f opens the form" in note.message for note in app._notifications))
        monkeypatch.setenv("VISUAL", "/no/such/editor")
        monkeypatch.setattr(Workbench, "suspend", lambda self: nullcontext())
        await press(pilot, "e")
        await until(pilot, lambda: any("could not be used" in note.title for note in app._notifications))


async def test_s_starts_a_job_for_each_value_of_a_setting(workspace: Workspace, started: list[int]) -> None:
    app = Workbench(workspace)
    async with app.run_test(size=WIDE) as pilot:
        await opened_recipes(pilot, app)
        await press(pilot, "s")
        assert isinstance(app.screen, SweepDialog)
        assert "number > 0, ≤ 1" in text_of(app, "#complaint")
        values = app.screen.query_one("#sweep-values", Input)
        values.value = "0.1, 7"
        await settle(pilot)
        assert "it should be less" in text_of(app, "#complaint")
        await press(pilot, "enter")
        assert isinstance(app.screen, SweepDialog)
        values.value = "0.1, 0.05, 0.01"
        await settle(pilot)
        assert "3 jobs, one after the other: 0.1, 0.05, 0.01" in text_of(app, "#complaint")
        await press(pilot, "enter")
        await until(pilot, lambda: len(started) == 3)
        constants = [app.store.job(job).settings["recipe"]["quantize"]["averaging_constant"] for job in started]
        assert constants == [0.1, 0.05, 0.01]


async def test_a_recipe_that_cannot_be_used_is_refused_by_the_form(workspace: Workspace) -> None:
    save_text(workspace, "a-wrong-one", "[dataset]\nname = 3\n")
    app = Workbench(workspace)
    async with app.run_test(size=WIDE) as pilot:
        await opened_recipes(pilot, app)
        await press(pilot, "f")
        assert isinstance(app.screen, RecipesScreen)
        assert any("e opens it in your editor" in note.message for note in app._notifications)
