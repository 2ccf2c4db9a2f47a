from __future__ import annotations

import re
from pathlib import Path

import pytest
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from tui_helpers import opened, press, settle, text_of, until

import evbench.tui
from evbench.tui import inks
from evbench.tui.app import Workbench
from evbench.tui.preferences import Preferences, preferences_file, read_preferences, write_preferences
from evbench.tui.saving import screen_lines
from evbench.tui.themes import THEMES, TRANSLATIONS, Inks
from evbench.workspace import Workspace

INKS = {name: value for name, value in vars(inks).items() if name.isupper()}
WRITTEN = ("TEXT", "QUIET", "KEY", "ACTIVE", "GOOD", "CAUTION", "BAD", "STOPPED", "ON", "OFF")
names = pytest.mark.parametrize("theme", [theme.name for theme in THEMES])


def contrast(first: str, second: str) -> float:
    """The ratio of WCAG 2.1, from 1 to 21."""
    lights = []
    for colour in (first, second):
        parts = [value / 255 for value in Color.parse(colour).rgb]
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        lights.append(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2])
    return (max(lights) + 0.05) / (min(lights) + 0.05)


def translated(theme: str, ink: str) -> str:
    return TRANSLATIONS[theme].get(ink, ink)


@names
@pytest.mark.parametrize("ink", WRITTEN)
@pytest.mark.parametrize("ground", ["GROUND", "PANEL"])
def test_text_can_be_read_in_every_theme(theme: str, ink: str, ground: str) -> None:
    wanted = 6.5 if theme == "high contrast" and ground == "GROUND" else 4.5
    assert contrast(translated(theme, INKS[ink]), translated(theme, INKS[ground])) >= wanted


@names
def test_no_theme_writes_in_a_colour_that_would_be_translated_again(theme: str) -> None:
    made = {new for ink, new in TRANSLATIONS[theme].items() if new != ink}
    assert not made & set(INKS.values())


def test_polarities_keep_their_colours_on_dark_grounds() -> None:
    assert (inks.ON, inks.OFF) == ("#ffb000", "#648fff")
    assert (translated("high contrast", inks.ON), translated("high contrast", inks.OFF)) == (inks.ON, inks.OFF)


def test_every_colour_of_the_workbench_is_an_ink() -> None:
    folder = Path(evbench.tui.__path__[0])
    strange = {
        f"{path.name}: {colour}"
        for path in [*folder.rglob("*.py"), *folder.rglob("*.tcss")]
        if path.name != "themes.py"
        for colour in re.findall(r"#[0-9a-fA-F]{6}\b", path.read_text())
        if colour not in INKS.values()
    }
    assert not strange


def test_pictures_keep_their_colours() -> None:
    pixels = Segment("▀▀", Style(color=inks.ON, bgcolor=inks.GROUND))
    word = Segment("word", Style(color=inks.ON, bgcolor=inks.GROUND, bold=True))
    kept, changed = Inks("light").apply([pixels, word], Color(0, 0, 0))
    assert kept == pixels
    assert changed.style == Style(
        color=TRANSLATIONS["light"][inks.ON], bgcolor=TRANSLATIONS["light"][inks.GROUND], bold=True
    )


async def test_a_key_goes_through_the_themes_and_the_choice_is_remembered(workspace: Workspace, tmp_path: Path) -> None:
    remembered = tmp_path / "home" / "workbench.json"
    write_preferences(Preferences(tour_offered=True), remembered)
    app = Workbench(workspace, preferences=remembered)
    async with app.run_test() as pilot:
        await settle(pilot)
        seen = [app.theme]
        for _ in THEMES:
            await press(pilot, "ctrl+t")
            seen.append(app.theme)
        await press(pilot, "ctrl+t")
    assert seen == ["dark", "light", "high contrast", "dark"]
    again = Workbench(workspace, preferences=remembered)
    async with again.run_test() as pilot:
        await settle(pilot)
        assert again.theme == "light"
        assert (
            "light" in {style.bgcolor.name for style in styles(again) if style.bgcolor} or grounds(again) == "#fcfcfe"
        )


def styles(app: Workbench) -> list[Style]:
    return [segment.style for line in screen_lines(app.screen) for segment in line if segment.style]


def grounds(app: Workbench) -> str:
    """The most frequent ground of the screen."""
    found = [style.bgcolor.get_truecolor().hex for style in styles(app) if style.bgcolor]
    return max(set(found), key=found.count)


async def test_preferences_that_cannot_be_written_are_said(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    app = Workbench(workspace, preferences=tmp_path / "file" / "workbench.json")
    async with app.run_test() as pilot:
        await settle(pilot)
        await press(pilot, "escape", "ctrl+t")
        assert app.theme == "light"
        assert any(note.severity == "error" for note in app._notifications)


@pytest.mark.parametrize("content", ["", "[1, 2]", '{"theme": 7, "tour_offered": "yes"}', "\x00"])
def test_damaged_preferences_are_as_on_the_first_day(tmp_path: Path, content: str) -> None:
    path = tmp_path / "workbench.json"
    path.write_text(content)
    found = read_preferences(path)
    assert found.theme not in TRANSLATIONS
    assert not found.tour_offered


def test_preferences_come_back_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "workbench.json"
    write_preferences(Preferences("light", True), path)
    assert read_preferences(path) == Preferences("light", True)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_preferences_lie_in_the_users_configuration_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert preferences_file() == tmp_path / "evbench" / "workbench.json"


async def test_without_colours_nothing_is_coloured_and_polarities_stand_apart(
    workspace: Workspace, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = Workbench(workspace, data)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        await press(pilot, "2")
        await until(pilot, lambda: "OFF 0" in text_of(app, "*"))
        colours = {
            colour.get_truecolor()
            for style in styles(app)
            for colour in (style.color, style.bgcolor)
            if colour is not None and not colour.is_default
        }
        assert all(max(colour) - min(colour) <= 2 for colour in colours), colours
        assert len(colours) > 5
        assert "ON 0" in text_of(app, "*")
