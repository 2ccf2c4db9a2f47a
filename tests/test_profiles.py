"""Recipes and board profiles: what is read, and what is said about every mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from evbench.errors import ProfileError
from evbench.profiles import list_boards, load_board, load_recipe

RECIPE = """# a comment
[dataset]
name = "simulated-bars"

[representation]
bins = 5
window = "50 ms"
size = [64, 64]
filters = [{ name = "background-activity", keep_within = "30 ms" }]

[train]
epochs = 3
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(RECIPE)
    return path


def changed(recipe: Path, old: str, new: str) -> Path:
    assert old in RECIPE
    recipe.write_text(RECIPE.replace(old, new))
    return recipe


def test_a_recipe_is_read_with_its_units(recipe: Path) -> None:
    loaded = load_recipe(recipe)
    assert loaded.id == "mine"
    assert loaded.representation.window == 50_000
    assert loaded.representation.filters[0].keep_within == 30_000
    assert loaded.budget.flash == 1_000_000
    assert loaded.train.epochs == 3


def test_every_bundled_board_profile_loads_by_name() -> None:
    boards = list_boards()
    assert {board.id for board in boards} >= {"nucleo-h743zi2", "virtual-h743", "virtual-h743-qspi"}
    assert load_board("virtual-h743").memory["axi"].size == 512 * 1024


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("epochs = 3", "epoch = 3", ['Unknown key "epoch" in [train]', "line 12", 'Did you mean "epochs"']),
        ("[train]", "[training]", ['Unknown key "training"', "line 11", 'Did you mean "train"']),
        ("bins = 5", "zebra = 5", ['Unknown key "zebra"', "line 6", "Valid keys are kind, bins, window"]),
        ('"50 ms"', '"50 MB"', ["'50 MB' is not a duration", "line 7", "us, µs, ms, s"]),
        ('"50 ms"', '"-50 ms"', ["'-50 ms' is not a duration", "line 7"]),
        ('"50 ms"', '"0 ms"', ["representation.window", "greater than 0", "line 7"]),
        ("bins = 5", 'bins = "five"', ["representation.bins", "valid integer", "not 'five'", "line 6"]),
        ("[64, 64]", "[64]", ["representation.size", "line 8"]),
        ("[64, 64]", "[64, 2]", ["representation.size.1", "greater than or equal to 8, not 2", "line 8"]),
        ("keep_within", "keep_with", ['Unknown key "keep_with"', "line 9", 'Did you mean "keep_within"']),
        ('"30 ms"', '"30 MB"', ["representation.filters.0.keep_within", "not a duration", "line 9"]),
        ('name = "simulated-bars"', "", ['lacks "dataset.name"', "line 2"]),
        ("epochs = 3", "epochs = ", ["not valid TOML", "line 12"]),
        ("[dataset]", "[dataset", ["not valid TOML", "line 2"]),
        ("epochs = 3", "epochs = 3\n[quantize]\nfrom_epoch = 5", ["contradictory", "from_epoch is 5", "mine.toml"]),
        ("[dataset]", "board = 7\n[dataset]", ["board of the recipe is wrong", "line 2"]),
    ],
)
def test_mistakes_are_named_with_file_line_and_remedy(recipe: Path, old: str, new: str, parts: list[str]) -> None:
    with pytest.raises(ProfileError) as caught:
        load_recipe(changed(recipe, old, new))
    message = str(caught.value)
    assert str(recipe) in message
    for part in parts:
        assert part in message
    assert "\n" not in message


def test_board_profiles_name_their_mistakes_too(tmp_path: Path) -> None:
    path = tmp_path / "board.toml"
    path.write_text(
        '[board]\nname = "X"\nchip = "c"\nport = "p"\ncore_hz = 1\n'
        '[memory]\nflash = { origin = 0, sise = "2 MiB" }\n[flash]\ntool = "virtual"\n'
    )
    with pytest.raises(ProfileError, match=r'Unknown key "sise" in \[memory.flash\].*line 7.*"size"'):
        load_board(path)
    path.write_text(path.read_text().replace("sise", "size").replace('"virtual"', '"jlink"'))
    with pytest.raises(ProfileError, match=r"flash.tool.*'openocd'.*not 'jlink'.*line 9"):
        load_board(path)


def test_a_missing_file_a_folder_and_a_binary_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match=r"cannot be read: No such file.*nothing\.toml"):
        load_recipe(tmp_path / "nothing.toml")
    with pytest.raises(ProfileError, match="cannot be read"):
        load_recipe(tmp_path)
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ProfileError, match=r"not a text file.*byte 0"):
        load_recipe(binary)


def test_an_unknown_name_suggests_the_nearest_bundled_one() -> None:
    with pytest.raises(ProfileError, match=r'Did you mean "virtual-h743"'):
        load_board("virtual-hh743")
    with pytest.raises(ProfileError, match="Choose one of these or give the path"):
        load_board("zebra")


def test_settings_from_the_command_line_win_over_the_file(recipe: Path) -> None:
    loaded = load_recipe(
        recipe, {"train.epochs": "7", "representation.window": "20 ms", "network.name": "voxel-resnet", "board": "b"}
    )
    assert loaded.train.epochs == 7
    assert loaded.representation.window == 20_000
    assert (loaded.network.name, loaded.board) == ("voxel-resnet", "b")


@pytest.mark.parametrize(
    ("key", "value", "parts"),
    [
        ("train.epoch", "7", ['Unknown key "epoch"', "--set train.epoch=7", 'Did you mean "epochs"']),
        ("trian.epochs", "7", ['Unknown key "trian"', "--set trian.epochs=7", 'Did you mean "train"']),
        ("dataset.name", "tonic:DVSGestures", ["dataset.name", 'Did you mean "tonic:DVSGesture"']),
        ("train.epochs", "many", ["train.epochs", "--set train.epochs=many"]),
        ("representation.window", "5 MB", ["not a duration", "--set representation.window=5 MB"]),
        ("train.epochs.first", "7", ["--set train.epochs.first=7"]),
    ],
)
def test_wrong_settings_from_the_command_line_are_named(recipe: Path, key: str, value: str, parts: list[str]) -> None:
    with pytest.raises(ProfileError) as caught:
        load_recipe(recipe, {key: value})
    for part in parts:
        assert part in str(caught.value)
