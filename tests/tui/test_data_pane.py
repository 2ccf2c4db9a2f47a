from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Input, Tree
from tui_helpers import opened, press, text_of

from evbench.tui.app import Workbench
from evbench.tui.dialogs import PathDialog
from evbench.tui.panes import data as data_pane
from evbench.tui.panes.data import DataPane
from evbench.tui.state.recordings import read_folder, read_recording
from evbench.tui.widgets.voxel_view import VoxelView
from evbench.workspace import Workspace


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
