from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from textual.events import MouseScrollDown, MouseScrollUp
from textual.pilot import Pilot
from textual.widgets import ContentSwitcher, Input
from tui_helpers import circle, opened, press, settle, text_of, until

from evbench.events.cleaning import clean
from evbench.events.stream import EventStream
from evbench.events.voxel import voxelize
from evbench.events.windows import fixed_windows, in_time_order, join
from evbench.events.writers import write_recording
from evbench.profiles import BackgroundActivity, HotPixels
from evbench.tui.app import Workbench
from evbench.tui.panes import data as data_pane
from evbench.tui.panes.voxels import VoxelsPane
from evbench.tui.state.recordings import FolderState
from evbench.tui.widgets.scrubber import Scrubber
from evbench.tui.widgets.voxel_view import VoxelView
from evbench.workspace import Workspace

BACKGROUND = BackgroundActivity(name="background-activity", keep_within=30_000)


def with_hot_pixel() -> EventStream:
    """The circle, and a pixel far from it that fires a thousand times."""
    dot = circle()
    t = np.arange(1000) * 400
    hot = EventStream.from_arrays(t, np.full(1000, 2), np.full(1000, 60), t % 800 == 0, dot.geometry)
    return in_time_order(join([dot, hot]))


@asynccontextmanager
async def looking(
    workspace: Workspace, data: Path, size: tuple[int, int] = (120, 40)
) -> AsyncIterator[tuple[Workbench, Pilot[None]]]:
    """The workbench with the first recording of a folder in its Voxels pane, at the first window."""
    app = Workbench(workspace, data)
    async with app.run_test(size=size) as pilot:
        await opened(pilot)
        await press(pilot, "enter", "g")
        yield app, pilot


def about(app: Workbench) -> str:
    return str(app.query_one("#looking").border_subtitle)


def title(app: Workbench) -> str:
    return str(app.query_one("#looking").border_title)


async def test_enter_on_a_recording_shows_it_here_and_on_a_folder_closes_it(workspace: Workspace, data: Path) -> None:
    app = Workbench(workspace, data)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        await press(pilot, "up", "enter")
        assert app.query_one(ContentSwitcher).current == "data"
        assert "circle.dat" not in text_of(app, "#recordings")
        await press(pilot, "enter", "down", "enter")
        assert app.query_one(ContentSwitcher).current == "voxels"
        assert title(app) == "circle.dat · 64 × 64"


async def test_a_double_click_on_a_recording_opens_it_and_a_single_one_chooses(
    workspace: Workspace, data: Path
) -> None:
    app = Workbench(workspace, data)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        lines = text_of(app, "#recordings").splitlines()
        row = next(number for number, line in enumerate(lines) if "half.dat" in line)
        place = (lines[row].index("half.dat") + 1, row)
        await pilot.click("#recordings", offset=place)
        await settle(pilot)
        assert app.query_one("#recording").border_title == "half.dat"
        assert app.query_one(ContentSwitcher).current == "data"
        await pilot.click("#recordings", offset=place, times=2)
        await settle(pilot)
        assert title(app) == "half.dat · 48 × 48"


async def test_the_recording_chosen_in_data_is_the_one_seen(workspace: Workspace, data: Path) -> None:
    async with looking(workspace, data) as (app, pilot):
        await press(pilot, "1", "down", "2")
        assert title(app) == "half.dat · 48 × 48"
        assert "/5" in text_of(app, "#window-line")


async def test_without_a_recording_the_pane_says_which_keys_bring_one(
    workspace: Workspace, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_pane, "read_folder", lambda path, name=None: FolderState("bundled", path))
    app = Workbench(workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await press(pilot, "2", "space", "full_stop", "z", "b", "s", "G", "v")
        shown = text_of(app, "#no-recording")
        assert "1   lists recordings" in shown
        assert "o   opens any file" in shown
        await press(pilot, "f")
        assert any("Choose a recording first" in notice.message for notice in app._notifications)


async def test_o_opens_a_file_that_data_then_lists_too(workspace: Workspace, data: Path) -> None:
    async with looking(workspace, data / "train" / "circle.dat") as (app, pilot):
        await press(pilot, "o")
        app.screen.query_one(Input).value = str(data / "train" / "half.dat")
        await press(pilot, "enter")
        assert app.query_one(ContentSwitcher).current == "voxels"
        assert title(app) == "half.dat · 48 × 48"
        await press(pilot, "o")
        app.screen.query_one(Input).value = str(data / "train" / "noise.dat")
        await press(pilot, "enter")
        assert any("no recording that evbench knows" in notice.message for notice in app._notifications)
        assert app.query_one("#no-recording").display


async def test_keys_step_through_windows_and_stop_at_both_ends(workspace: Workspace, data: Path) -> None:
    async with looking(workspace, data) as (app, pilot):
        assert "window 1/8" in text_of(app, "#window-line")
        await press(pilot, "comma")
        assert "window 1/8" in text_of(app, "#window-line")
        await press(pilot, "full_stop", "full_stop")
        assert "window 3/8" in text_of(app, "#window-line")
        await press(pilot, "greater_than_sign")
        assert "window 8/8" in text_of(app, "#window-line")
        await press(pilot, "less_than_sign")
        assert "window 1/8" in text_of(app, "#window-line")
        await press(pilot, "G")
        assert "window 8/8" in text_of(app, "#window-line")


async def test_a_shorter_window_keeps_the_place_in_time(workspace: Workspace, data: Path) -> None:
    async with looking(workspace, data) as (app, pilot):
        await press(pilot, "full_stop", "full_stop", "left_square_bracket")
        assert "20 ms" in text_of(app, "#window-line")
        assert "window  7/20" in text_of(app, "#window-line")
        await press(pilot, "right_square_bracket")
        assert "window 3/8" in text_of(app, "#window-line")


async def test_the_line_tells_events_sparsity_rate_and_polarity_of_the_window(workspace: Workspace, data: Path) -> None:
    async with looking(workspace, data) as (app, _):
        window = next(fixed_windows(circle(), 50_000))
        part = window.stream
        counts = voxelize(part.t, part.x, part.y, part.on, t0=0, duration=50_000, bins=5, size=(64, 64))
        line = text_of(app, "#window-line")
        assert f"{len(part)} events" in line
        assert f"{100 * (1 - np.count_nonzero(counts) / counts.size):.2f} % of cells empty" in line
        assert f"{len(part) / 50:.1f} kev/s" in line
        assert f"ON  {100 * part.on.mean():.1f} %" in line


async def test_views_and_bins_change_what_is_drawn(workspace: Workspace, data: Path) -> None:
    async with looking(workspace, data) as (app, pilot):
        shown = text_of(app, "#pictures")
        assert (shown.count("ON "), shown.count("OFF ")) == (5, 5)
        await press(pilot, "v")
        assert text_of(app, "#pictures").count("ms") == 5
        assert "bins" in about(app)
        await press(pilot, "v")
        assert "5 bins, OFF and ON" in text_of(app, "#pictures")
        await press(pilot, "v", "b")
        assert text_of(app, "#pictures").count("OFF") == 8


async def test_m_shows_the_window_in_every_representation(workspace: Workspace, data: Path) -> None:
    async with looking(workspace, data) as (app, pilot):
        seen = []
        for _ in range(5):
            seen.append((about(app).partition(" ")[0], text_of(app, "#pictures").count("OFF ")))
            await press(pilot, "m")
        assert seen[:4] == [("voxel", 5), ("bilinear", 5), ("frame", 1), ("time-surface", 1)]
        assert seen[4] == seen[0]


async def test_z_enlarges_and_arrows_move_what_is_enlarged_within_the_sensor(workspace: Workspace, data: Path) -> None:
    async with looking(workspace, data) as (app, pilot):
        await press(pilot, "right")
        assert "×" not in about(app).removeprefix("voxel · bins × polarities")
        await press(pilot, "z", "z")
        assert "×4: x 24–39, y 24–39" in about(app)
        await press(pilot, "left", "up")
        assert "×4: x 20–35, y 20–35" in about(app)
        await press(pilot, "right", "right", "down", "down", "down")
        assert "×4: x 28–43, y 32–47" in about(app)
        await press(pilot, *["right"] * 9)
        assert "×4: x 48–63" in about(app)
        events = text_of(app, "#window-line")
        await press(pilot, "z", "z")
        assert "×4" not in about(app)
        assert text_of(app, "#window-line") == events


async def test_wheel_and_click_enlarge_where_the_mouse_points(workspace: Workspace, data: Path) -> None:
    async with looking(workspace, data) as (app, pilot):
        await press(pilot, "v", "v")
        assert "OFF and ON" in text_of(app, "#pictures")
        view = app.query_one("#pictures", VoxelView)
        tile = view._tiles[0]
        await pilot.click(view, offset=(tile.column + tile.width - 1, tile.line + 1))
        await settle(pilot)
        assert "×2: x 32–63, y 0–31" in about(app)
        for wheel, expected in ((MouseScrollUp, "×4"), (MouseScrollDown, "×2"), (MouseScrollDown, "")):
            middle = (view.size.width // 2, 6)
            await pilot._post_mouse_events([wheel], view, offset=middle)
            await settle(pilot)
            assert about(app).endswith("merged") if not expected else expected in about(app)


async def test_a_click_or_a_drag_on_the_strip_goes_to_that_time(workspace: Workspace, data: Path) -> None:
    async with looking(workspace, data) as (app, pilot):
        width = app.query_one(Scrubber).size.width
        await pilot.click("#scrubber", offset=(width - 1, 1))
        await settle(pilot)
        assert "window 8/8" in text_of(app, "#window-line")
        await pilot.mouse_down("#scrubber", offset=(0, 1))
        await settle(pilot)
        assert "window 1/8" in text_of(app, "#window-line")
        await pilot.hover("#scrubber", offset=(width // 2 + 2, 1))
        await settle(pilot)
        assert "window 5/8" in text_of(app, "#window-line")
        await pilot.mouse_up("#scrubber", offset=(width // 2 + 2, 1))
        await pilot.hover("#scrubber", offset=(2, 1))
        await settle(pilot)
        assert "window 5/8" in text_of(app, "#window-line")


async def test_s_saves_the_window_as_a_picture_and_says_where(
    workspace: Workspace, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with looking(workspace, data) as (app, pilot):
        await press(pilot, "full_stop", "s")
        path = tmp_path / "circle-voxel-50ms-0.050s.png"
        assert any(str(path) in notice.message for notice in app._notifications)
        with Image.open(path) as page:
            assert page.width > 5 * 64
        await press(pilot, "z", "s")
        assert (tmp_path / "circle-voxel-50ms-0.050s-32x32+16+16.png").exists()


async def test_a_picture_that_cannot_be_written_is_said(
    workspace: Workspace, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "circle-voxel-50ms-0.000s.png").mkdir()
    async with looking(workspace, data) as (app, pilot):
        await press(pilot, "s")
        assert any("cannot be written" in notice.message for notice in app._notifications)


# --- filters ----------------------------------------------------------------------------------------------------------


async def test_f_switches_filters_and_the_pane_says_what_each_kept(workspace: Workspace, data: Path) -> None:
    write_recording(with_hot_pixel(), data / "train" / "a.dat")
    async with looking(workspace, data) as (app, pilot):
        assert "no filters: f switches them on" in text_of(app, "#filter-report")
        await press(pilot, "f", "space", "down", "down", "space", "escape")
        report = text_of(app, "#filter-report")
        cleaned = clean(with_hot_pixel(), [HotPixels(name="hot-pixels"), BACKGROUND])
        hot, background = cleaned.steps
        assert f"5,000 → {background.after:,} events behind 2 filters" in report
        assert "4,000 kept   80.0 %" in report
        assert "1 hot, masked (2,60)" in report
        assert f"{background.after:,} kept" in report
        assert hot.hot == ((2, 60),)
        await press(pilot, "f", "c", "escape")
        assert "no filters" in text_of(app, "#filter-report")


async def test_a_filters_settings_are_edited_and_mistakes_said(workspace: Workspace, data: Path) -> None:
    async with looking(workspace, data, (80, 24)) as (app, pilot):
        await press(pilot, "f", "down", "down", "down", "down", "enter")
        line = app.screen.query_one(Input)
        assert line.value == "left=16 top=16 width=32 height=32"
        line.value = "left=16 top=16 width=32 hight=32"
        await press(pilot, "enter")
        assert "has no setting" in text_of(app, "#complaint")
        line.value = "left=0 top=0 width=64 height=32"
        await press(pilot, "enter")
        assert not line.display
        assert "■ crop                 left=0 top=0 width=64 height=32" in text_of(app, "#filters-list")
        await press(pilot, "escape")
        assert title(app) == "circle.dat · 64 × 32"
        assert "crop" in text_of(app, "#filter-report")
        await press(pilot, "f", "down", "down", "down", "down", "enter", "escape", "escape")
        assert title(app) == "circle.dat · 64 × 32"


async def test_filters_stay_on_for_the_next_recording(workspace: Workspace, data: Path) -> None:
    async with looking(workspace, data) as (app, pilot):
        await press(pilot, "f", "down", "down", "down", "space", "escape")
        assert "ON 100.0 %" in text_of(app, "#window-line")
        await press(pilot, "1", "down", "enter")
        assert title(app) == "half.dat · 48 × 48"
        assert "ON 100.0 %" in text_of(app, "#window-line")


async def test_a_filter_that_does_not_suit_is_said_and_the_recording_shown_without(
    workspace: Workspace, data: Path
) -> None:
    async with looking(workspace, data) as (app, pilot):
        await press(pilot, "f", "down", "down", "down", "down", "enter")
        app.screen.query_one(Input).value = "left=0 top=0 width=60 height=64"
        await press(pilot, "enter", "escape")
        assert title(app) == "circle.dat · 60 × 64"
        await press(pilot, "1", "down", "2")
        assert any("crop does not suit" in notice.message for notice in app._notifications)
        assert title(app) == "half.dat · 48 × 48"
        assert "no filters" in text_of(app, "#filter-report")


async def test_windows_keep_their_places_when_filters_leave_nothing(workspace: Workspace, data: Path) -> None:
    async with looking(workspace, data) as (app, pilot):
        await press(pilot, "full_stop", "f", "down", "down", "enter")
        app.screen.query_one(Input).value = "keep_within=0"
        await press(pilot, "enter", "escape")
        assert "4,000 → 0 events" in text_of(app, "#filter-report")
        assert "window 2/8" in text_of(app, "#window-line")
        assert " 0 events" in text_of(app, "#window-line")


# --- playing ----------------------------------------------------------------------------------------------------------


async def test_space_plays_in_real_time_until_the_end(
    workspace: Workspace, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(VoxelsPane, "clock", staticmethod(lambda: now))
    async with looking(workspace, data) as (app, pilot):
        await press(pilot, "space")
        assert "▶ real time" in about(app)
        now += 0.04
        await until(pilot, lambda: "+0.040 s" in text_of(app, "#window-line"))
        assert "left out" not in about(app)
        now += 0.16
        await until(pilot, lambda: "+0.200 s" in text_of(app, "#window-line"))
        assert "3 frames left out" in about(app)
        await press(pilot, "m", "b", "z")
        assert "+0.200 s" in text_of(app, "#window-line")
        assert "▶" in about(app)
        await pilot.resize_terminal(80, 24)
        await settle(pilot)
        now += 0.04
        await until(pilot, lambda: "+0.240 s" in text_of(app, "#window-line"))
        assert "▶" in about(app)
        now += 10
        await until(pilot, lambda: "window 8/8" in text_of(app, "#window-line"))
        await until(pilot, lambda: "▶" not in about(app))
        await press(pilot, "space")
        await until(pilot, lambda: "window 1/8" in text_of(app, "#window-line"))


async def test_a_step_or_a_second_space_ends_playing_on_a_window_that_training_sees(
    workspace: Workspace, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(VoxelsPane, "clock", staticmethod(lambda: now))
    async with looking(workspace, data) as (app, pilot):
        for ending, begin in (("space", 0.1), ("full_stop", 0.15), ("left_square_bracket", 0.1), ("g", 0.0)):
            await press(pilot, "right_square_bracket", "left_square_bracket", "g")
            await press(pilot, "space")
            now += 0.0805
            await until(
                pilot, lambda: "+0.080 s" in text_of(app, "#window-line") or "20 ms" in text_of(app, "#window-line")
            )
            await press(pilot, ending)
            assert "▶" not in about(app)
            if ending != "left_square_bracket":
                assert f"+{begin:.3f} s" in text_of(app, "#window-line"), ending


async def test_leaving_the_pane_or_the_recording_ends_playing(
    workspace: Workspace, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(VoxelsPane, "clock", staticmethod(lambda: 100.0))
    async with looking(workspace, data) as (app, pilot):
        await press(pilot, "space", "1", "down", "2")
        assert "▶" not in about(app)
