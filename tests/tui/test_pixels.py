from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_voxels_pane import looking
from textual.widget import Widget
from tui_helpers import press, settle, text_of, until

from evbench.events.pictures import colours
from evbench.tui.app import Workbench
from evbench.tui.panes.voxels import VoxelsPane
from evbench.tui.pixels import image_widget, page
from evbench.tui.tiles import arrange, scene
from evbench.tui.widgets.voxel_view import VoxelView
from evbench.workspace import Workspace

CELL = (10, 20)


class Screen(Widget):
    """Stands for a terminal's pixels: keeps the picture it was given."""

    image: Any = None

    def render(self) -> str:
        return "pixels"


@pytest.fixture
def pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Workbench, "pixels", Screen)
    monkeypatch.setattr("evbench.tui.pixels.cell_pixels", lambda: CELL)


def image_of(app: Workbench) -> Screen:
    return app.query_one("#pixels", Screen)


def test_every_picture_is_drawn_with_its_own_pixels_where_half_blocks_would_stand() -> None:
    images = np.zeros((2, 1, 64, 64), np.uint8)
    images[1, 0, 0, 63] = 9
    pictures = scene("apart", "voxel", images, 50_000)
    tiles = arrange("apart", len(pictures.labels), (76, 16), (64, 64))
    drawn = np.asarray(page("voxel", pictures, tiles, (76, 16), CELL))
    assert drawn.shape == (16 * 20, 76 * 10, 3)
    on, off = tiles[0], tiles[1]
    ground, bright = colours(np.zeros(2, np.float32), np.array([0, 9], np.float32), 9.0)
    right = (on.column + on.width) * 10 - 1
    assert drawn[(on.line + 1) * 20, right].tolist() == bright.tolist()
    assert drawn[(on.line + 1) * 20, right - on.width * 10 // 64 - 1].tolist() == ground.tolist()
    assert drawn[(off.line + 1) * 20, (off.column + off.width) * 10 - 1].tolist() == ground.tolist()


@pytest.mark.usefixtures("pixels")
async def test_a_window_at_rest_is_seen_in_pixels_and_playing_in_half_blocks(
    workspace: Workspace, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(VoxelsPane, "clock", staticmethod(lambda: 100.0))
    async with looking(workspace, data) as (app, pilot):
        await until(pilot, lambda: image_of(app).display)
        view = app.query_one("#pictures", VoxelView)
        assert image_of(app).image.size == (view.size.width * 10, view.size.height * 20)
        assert "pixels" in text_of(app, "#pictures")
        await press(pilot, "space", "m")
        assert not image_of(app).display
        assert "ON" in text_of(app, "#pictures")
        await press(pilot, "space")
        await until(pilot, lambda: image_of(app).display)


@pytest.mark.usefixtures("pixels")
async def test_pixels_follow_view_and_size_and_the_mouse_still_points(workspace: Workspace, data: Path) -> None:
    async with looking(workspace, data) as (app, pilot):
        await until(pilot, lambda: image_of(app).display)
        before = image_of(app).image
        await press(pilot, "v", "v")
        await until(pilot, lambda: image_of(app).display and image_of(app).image is not before)
        await pilot.resize_terminal(100, 30)
        await settle(pilot)
        view = app.query_one("#pictures", VoxelView)
        await until(pilot, lambda: image_of(app).display and image_of(app).image.width == view.size.width * 10)
        tile = view._tiles[0]
        await pilot.click("#pixels", offset=(tile.column + 1, tile.line + 1))
        await settle(pilot)
        assert "×2: x 0–31, y 0–31" in str(app.query_one("#looking").border_subtitle)


@pytest.mark.parametrize("environment", [{"TMUX": "/tmp/tmux,1,0"}, {"TERM": "screen-256color"}, {"TERM": "tmux"}])
def test_multiplexers_are_not_asked_for_pixels(environment: dict[str, str]) -> None:
    assert image_widget(environment) is None


def test_without_a_terminal_or_the_extra_there_are_half_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    assert image_widget({"TERM": "xterm"}) is None
    monkeypatch.setattr("evbench.tui.pixels.find_spec", lambda name: None)
    assert image_widget({"TERM": "xterm-kitty"}) is None


@pytest.mark.parametrize(("name", "begins"), [("SixelImage", "\x1bP"), ("TGPImage", "\x1b_G")])
async def test_the_widgets_of_terminals_with_pixels_take_a_page(
    workspace: Workspace, data: Path, monkeypatch: pytest.MonkeyPatch, name: str, begins: str
) -> None:
    widgets = pytest.importorskip("textual_image.widget")
    sent: list[str] = []
    tgp = pytest.importorskip("textual_image.renderable.tgp")
    monkeypatch.setattr(tgp, "_send_tgp_message", lambda **message: sent.append("\x1b_G" + str(message)))
    monkeypatch.setattr(Workbench, "pixels", getattr(widgets, name))
    async with looking(workspace, data, (80, 24)) as (app, pilot):
        await until(pilot, lambda: app.query_one("#pixels").display)
        await settle(pilot)
        strips = app.screen._compositor.render_strips()
        written = "".join(segment.text for strip in strips for segment in strip) + "".join(sent)
        assert begins in written
