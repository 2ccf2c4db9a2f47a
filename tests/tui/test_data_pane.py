from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from textual.widgets import Input, Tree
from tui_helpers import circle, opened, press, text_of, until

from evbench.events.cleaning import clean
from evbench.events.recording import open_recording
from evbench.events.stream import EventStream
from evbench.events.voxel import voxelize
from evbench.events.windows import fixed_windows, in_time_order, join
from evbench.events.writers import write_recording
from evbench.profiles import BackgroundActivity, HotPixels
from evbench.tui.app import Workbench
from evbench.tui.dialogs import PathDialog
from evbench.tui.panes import data as data_pane
from evbench.tui.panes.data import DataPane
from evbench.tui.state.recordings import read_folder, read_recording, read_window
from evbench.tui.widgets.voxel_view import VoxelView
from evbench.workspace import Workspace

BACKGROUND = BackgroundActivity(name="background-activity", keep_within=30_000)


def with_hot_pixel() -> EventStream:
    """The circle, and a pixel far from it that fires a thousand times."""
    dot = circle()
    t = np.arange(1000) * 400
    hot = EventStream.from_arrays(t, np.full(1000, 2), np.full(1000, 60), t % 800 == 0, dot.geometry)
    return in_time_order(join([dot, hot]))


def labels(app: Workbench) -> list[str]:
    found: list[str] = []

    def walk(node: object) -> None:
        for child in node.children:  # type: ignore[attr-defined]
            found.append(str(child.label))
            walk(child)

    walk(app.query_one(Tree).root)
    return found


async def test_the_data_folder_is_listed_and_its_first_recording_opened(workspace: Workspace, data: Path) -> None:
    app = Workbench(workspace, data)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        assert {"shapes  3", "train  3", "circle.dat", "half.dat"} <= set(labels(app))
        assert "4,000 events" in text_of(app, "#summary")
        assert "64 × 64" in text_of(app, "#summary")


async def test_a_broken_file_stays_listed_and_says_why(workspace: Workspace, data: Path) -> None:
    app = Workbench(workspace, data)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        await press(pilot, "down", "down")
        assert "cannot be read" in text_of(app, "#summary")
        assert "no recording that evbench knows" in text_of(app, "#summary")
        assert "✗ noise.dat" in labels(app)
        assert not app.query_one(VoxelView).display
        await press(pilot, "up")
        assert app.query_one(VoxelView).display


async def test_keys_step_through_windows_and_stop_at_both_ends(workspace: Workspace, data: Path) -> None:
    app = Workbench(workspace, data)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        await press(pilot, "g")
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
    app = Workbench(workspace, data)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        await press(pilot, "g", "full_stop", "full_stop", "left_square_bracket")
        assert "20 ms" in text_of(app, "#window-line")
        assert "window 7/20" in text_of(app, "#window-line")
        await press(pilot, "right_square_bracket")
        assert "window 3/8" in text_of(app, "#window-line")


async def test_views_and_bins_change_what_is_drawn(workspace: Workspace, data: Path) -> None:
    app = Workbench(workspace, data)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        assert text_of(app, "#voxels").count("ms") == 5
        await press(pilot, "v")
        assert "5 bins, OFF and ON" in text_of(app, "#voxels")
        await press(pilot, "v")
        assert text_of(app, "#voxels").count("OFF") == 5
        await press(pilot, "b")
        assert text_of(app, "#voxels").count("OFF") == 8


async def test_o_opens_any_file_and_a_wrong_path_is_said(workspace: Workspace, data: Path) -> None:
    app = Workbench(workspace)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        await press(pilot, "o")
        assert isinstance(app.screen, PathDialog)
        app.screen.query_one(Input).value = str(data / "nowhere.dat")
        await press(pilot, "enter")
        assert "There is no file" in text_of(app, "#complaint")
        app.screen.query_one(Input).value = str(data / "train" / "circle.dat")
        await press(pilot, "enter")
        assert app.query_one("#recording").border_title == "circle.dat"
        assert "4,000 events" in text_of(app, "#summary")


async def test_a_folder_that_is_missing_stays_listed_with_the_reason(workspace: Workspace, tmp_path: Path) -> None:
    app = Workbench(workspace, tmp_path / "gone")
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        assert "gone  not found" in labels(app)
        assert isinstance(app.pane, DataPane)


async def test_a_fault_in_a_decoder_is_said_and_ends_nothing(
    workspace: Workspace, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stumble(path: Path) -> None:
        raise TypeError("no such cursor")

    monkeypatch.setattr(data_pane, "read_recording", stumble)
    app = Workbench(workspace, data)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        assert "TypeError: no such cursor" in text_of(app, "#summary")
        assert "✗ circle.dat" in labels(app)


async def test_m_shows_the_window_in_every_representation(workspace: Workspace, data: Path) -> None:
    app = Workbench(workspace, data)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        seen = []
        for _ in range(5):
            seen.append((app.query_one("#recording").border_subtitle, text_of(app, "#voxels").count("ms")))
            await press(pilot, "m")
        assert seen == [
            ("voxel · bins", 5),
            ("bilinear · bins", 5),
            ("frame", 1),
            ("time-surface", 1),
            ("voxel · bins", 5),
        ]


async def test_f_switches_filters_and_the_pane_says_what_each_kept(workspace: Workspace, data: Path) -> None:
    write_recording(with_hot_pixel(), data / "train" / "a.dat")
    app = Workbench(workspace, data)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        assert "no filters: f switches them on" in text_of(app, "#filter-report")
        await press(pilot, "f", "space", "down", "down", "space", "escape")
        report = text_of(app, "#filter-report")
        cleaned = clean(with_hot_pixel(), [HotPixels(name="hot-pixels"), BACKGROUND])
        hot, background = cleaned.steps
        assert f"5,000 → {background.after:,} events behind 2 filters" in report
        assert "4,000 kept   80.0 %" in report
        assert "1 hot, masked (2,60)" in report
        assert f"{background.after:,} kept" in report
        assert f"{background.after:,} events" in text_of(app, "#summary")
        assert hot.hot == ((2, 60),)
        await press(pilot, "f", "c", "escape")
        assert "5,000 events" in text_of(app, "#summary")
        assert "no filters" in text_of(app, "#filter-report")


async def test_a_filters_settings_are_edited_and_mistakes_said(workspace: Workspace, data: Path) -> None:
    app = Workbench(workspace, data)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
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
        assert "64 × 32" in text_of(app, "#summary")
        assert "crop" in text_of(app, "#filter-report")
        await press(pilot, "f", "down", "down", "down", "down", "enter", "escape", "escape")
        assert "64 × 32" in text_of(app, "#summary")


async def test_filters_stay_on_for_the_next_recording(workspace: Workspace, data: Path) -> None:
    app = Workbench(workspace, data)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        await press(pilot, "f", "down", "down", "down", "space", "escape")
        assert "ON 100.0 %" in text_of(app, "#summary")
        await press(pilot, "down")
        assert app.query_one("#recording").border_title == "half.dat"
        assert "ON 100.0 %" in text_of(app, "#summary")


async def test_a_filter_that_does_not_suit_is_said_and_the_recording_shown_without(
    workspace: Workspace, data: Path
) -> None:
    app = Workbench(workspace, data)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        await press(pilot, "f", "down", "down", "down", "down", "enter")
        app.screen.query_one(Input).value = "left=0 top=0 width=60 height=64"
        await press(pilot, "enter", "escape")
        assert "60 × 64" in text_of(app, "#summary")
        await press(pilot, "down")
        assert any("crop does not suit" in notice.message for notice in app._notifications)
        assert "48 × 48" in text_of(app, "#summary")
        assert "no filters" in text_of(app, "#filter-report")


async def test_windows_keep_their_places_when_filters_leave_nothing(workspace: Workspace, data: Path) -> None:
    app = Workbench(workspace, data)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        await press(pilot, "g", "full_stop", "f", "down", "down", "enter")
        app.screen.query_one(Input).value = "keep_within=0"
        await press(pilot, "enter", "escape")
        assert "4,000 → 0 events" in text_of(app, "#filter-report")
        assert "window 2/8" in text_of(app, "#window-line")
        assert "0 events" in text_of(app, "#window-line")


async def test_space_plays_in_real_time_until_the_end(
    workspace: Workspace, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(DataPane, "clock", staticmethod(lambda: now))
    app = Workbench(workspace, data)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        await press(pilot, "g", "space")
        assert "▶ real time" in str(app.query_one("#recording").border_subtitle)
        now += 0.055
        await until(pilot, lambda: "window 2/8" in text_of(app, "#window-line"))
        now += 0.15
        await until(pilot, lambda: "window 5/8" in text_of(app, "#window-line"))
        assert "2 windows left out" in str(app.query_one("#recording").border_subtitle)
        await press(pilot, "m", "b")
        assert "window 5/8" in text_of(app, "#window-line")
        assert "▶" in str(app.query_one("#recording").border_subtitle)
        now += 10
        await until(pilot, lambda: "window 8/8" in text_of(app, "#window-line"))
        await until(pilot, lambda: "▶" not in str(app.query_one("#recording").border_subtitle))
        await press(pilot, "space")
        await until(pilot, lambda: "window 1/8" in text_of(app, "#window-line"))


async def test_a_step_or_a_second_space_ends_playing(
    workspace: Workspace, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DataPane, "clock", staticmethod(lambda: 100.0))
    app = Workbench(workspace, data)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        for ending in ("space", "full_stop", "left_square_bracket", "g"):
            await press(pilot, "g", "space")
            assert "▶" in str(app.query_one("#recording").border_subtitle)
            await press(pilot, ending)
            assert "▶" not in str(app.query_one("#recording").border_subtitle)


def test_windows_are_the_ones_that_training_sees(data: Path) -> None:
    path = data / "train" / "circle.dat"
    stream = open_recording(path).read()
    recording = read_recording(path)
    windows = list(fixed_windows(stream, 50_000))
    assert recording.windows(50_000) == len(windows)
    for number, window in enumerate(windows):
        shown = read_window(recording, number, 50_000, 5, "voxel")
        part = window.stream
        expected = voxelize(part.t, part.x, part.y, part.on, t0=window.t0, duration=50_000, bins=5, size=(64, 64))
        assert (shown.t0, shown.events) == (window.t0, len(part))
        assert (shown.images == expected).all()


def test_a_large_sensor_is_shown_in_blocks_without_losing_events(shared_data: Path) -> None:
    recording = read_recording(shared_data / "recordings" / "gen4-1280x720.dat")
    window = read_window(recording, 0, 1_000, 2, "voxel")
    assert window.block == 5
    assert window.images.shape == (2, 2, 144, 256)
    assert 0.9 * window.events < int(window.images.sum()) <= window.events


def test_real_recordings_are_listed_and_read(shared_data: Path) -> None:
    folder = read_folder(shared_data / "dvs128-objects")
    assert [(split.name, split.recordings) for split in folder.folders] == [("test", 5), ("train", 5)]
    recording = read_recording(folder.folders[0].files[0])
    assert recording.geometry.width == 128
    assert recording.rates.max() > 1000


def test_samples_of_nmnist_are_sorted_into_splits_and_classes(shared_data: Path) -> None:
    folder = read_folder(shared_data / "nmnist-small")
    assert {split.name for split in folder.folders} == {"train", "validation", "test"}
    assert all(len(split.folders) == 10 for split in folder.folders)
    assert folder.recordings == 1100


def test_numbers_in_names_sort_as_people_count(tmp_path: Path) -> None:
    for name in ("10.bin", "9.bin", "a.bin", "notes.txt"):
        (tmp_path / name).write_bytes(b"12345")
    assert [path.name for path in read_folder(tmp_path).files] == ["9.bin", "10.bin", "a.bin"]
