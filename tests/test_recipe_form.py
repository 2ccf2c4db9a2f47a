"""Recipes as people write them: every setting with what may stand there, checked while it is typed."""

from __future__ import annotations

import tomllib

import pytest

from evbench.profiles import DURATION, SIZE, Recipe, list_recipes, load_recipe
from evbench.recipe_form import (
    check_settings,
    differences,
    recipe_settings,
    recipe_toml,
    table_sentence,
    typed,
    written,
)


@pytest.mark.parametrize("recipe", list_recipes(), ids=lambda recipe: recipe.id)
def test_what_is_written_of_a_recipe_says_the_same(recipe: Recipe) -> None:
    filters = '[{ name = "background-activity", keep_within = "30 ms" }, { name = "downsample", size = [64, 64] }]'
    layers = '{ "stem.0" = "int16", blocks = "int8" }'
    changes = {"representation.filters": filters, "dataset.seconds": "2.5", "quantize.layers": layers}
    changed = load_recipe(recipe.id, changes | {"quantize.per_channel_head": "true"})
    for each in (recipe, changed):
        read = Recipe.model_validate({**tomllib.loads(recipe_toml(each, "A comment.")), "id": each.id})
        assert read == each
        assert check_settings(each.id, typed(each)).recipe == each
        assert check_settings(each.id, written(each)).recipe == each


def test_quantities_are_written_with_the_largest_unit_that_says_them_exactly() -> None:
    assert [DURATION.write(value) for value in (50_000, 2_000_000, 1_500)] == ["50 ms", "2 s", "1500 us"]
    assert [SIZE.write(value) for value in (1_000_000, 524_288, 1_048_576, 7)] == ["1 MB", "512 KiB", "1 MiB", "7 B"]


def test_every_setting_says_what_may_stand_there() -> None:
    hints = {setting.key: setting.hint for setting in recipe_settings()}
    assert hints["train.epochs"] == "whole number ≥ 1"
    assert hints["quantize.averaging_constant"] == "number > 0, ≤ 1"
    assert hints["train.frames_epochs"] == "whole number ≥ 1, or nothing"
    assert hints["representation.window"] == "a duration in us, µs, ms, s > 0"
    assert hints["representation.size"] == "[height, width] in pixels ≥ 8, ≤ 1024"
    assert hints["budget.flash"].startswith("a size in B, kB")
    assert hints["quantize.method"] == "qat | ptq"
    assert hints["train.augment"] == "a list of shift, flip, reverse, affine"
    assert hints["quantize.per_channel_head"] == "true | false"
    assert hints["quantize.layers"].startswith('{ "blocks.0" = "…" }, each one of ')
    assert all(hints.values())
    choices = {setting.key: setting.choices for setting in recipe_settings()}
    assert choices["quantize.method"] == ("qat", "ptq")
    assert choices["train.epochs"] == ()


def test_every_table_of_a_recipe_has_a_sentence() -> None:
    tables = {setting.table for setting in recipe_settings()} - {""}
    assert tables == {"dataset", "representation", "network", "quantize", "train", "budget"}
    assert all(table_sentence(table).endswith(".") for table in tables)


@pytest.mark.parametrize(
    ("key", "text", "said"),
    [
        ("train.epochs", "0", "greater than or equal to 1, not 0"),
        ("train.epochs", "many", "valid integer"),
        ("representation.window", "50 m", "'50 m' is not a duration"),
        ("representation.window", "0 ms", "greater than 0"),
        ("representation.size", "[4, 64]", "greater than or equal to 8"),
        ("representation.filters", '[{ name = "crop", left = 0 }]', "is needed"),
        ("quantize.observer", "minmx", 'Did you mean "minmax"?'),
        ("dataset.name", "", "name is needed"),
        ("budget.ram", "512 KB2", "is not a size"),
    ],
)
def test_a_wrong_value_is_told_beside_its_setting(key: str, text: str, said: str) -> None:
    draft = check_settings("mine", {"dataset.name": "simulated-bars", key: text})
    assert draft.recipe is None
    assert list(draft.problems) == [key]
    assert said in draft.problems[key]


def test_all_that_is_wrong_is_told_at_once_and_contradictions_at_last() -> None:
    draft = check_settings("mine", {"dataset.name": "bars", "train.epochs": "-1", "network.name": "x"})
    assert set(draft.problems) == {"dataset.name", "train.epochs"}
    draft = check_settings("mine", {"dataset.name": "simulated-bars", "quantize.from_epoch": "20"})
    assert list(draft.problems) == [""]
    assert "begin earlier or train longer" in draft.problems[""]


def test_an_empty_setting_is_left_to_evbench() -> None:
    draft = check_settings("mine", {"dataset.name": "simulated-bars", "train.epochs": " ", "train.frames_epochs": ""})
    assert draft.recipe is not None
    assert draft.recipe.train.epochs == 15
    assert draft.recipe.train.frames_epochs is None


def test_two_recipes_differ_in_the_settings_that_say_something_else() -> None:
    before = load_recipe("bars-voxel-qat")
    after = load_recipe(
        "bars-voxel-qat", {"train.epochs": "9", "train.frames_epochs": "3", "representation.window": "0.1 s"}
    )
    found = {each.key: (each.before, each.after) for each in differences(before, after)}
    assert found == {
        "representation.window": ('"50 ms"', '"100 ms"'),
        "train.epochs": ("4", "9"),
        "train.frames_epochs": ("2", "3"),
    }
    assert differences(before, before) == ()
