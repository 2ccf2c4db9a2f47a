"""What the Voxels pane draws of a window: the grid that networks see, enlarged, in blocks, laid out on the screen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from evbench.events.kinds import KINDS
from evbench.events.recording import open_recording
from evbench.events.representations import represent
from evbench.events.voxel import voxelize
from evbench.events.windows import fixed_windows
from evbench.tui.state.recordings import read_recording
from evbench.tui.state.windows import WindowLook, Zoom, read_window
from evbench.tui.tiles import arrange, scene


def test_windows_are_the_ones_that_training_sees(data: Path) -> None:
    path = data / "train" / "circle.dat"
    stream = open_recording(path).read()
    recording = read_recording(path)
    windows = list(fixed_windows(stream, 50_000))
    assert recording.windows(50_000) == len(windows)
    for number, window in enumerate(windows):
        shown = read_window(recording, recording.window_start(number, 50_000), WindowLook())
        part = window.stream
        expected = voxelize(part.t, part.x, part.y, part.on, t0=window.t0, duration=50_000, bins=5, size=(64, 64))
        assert (shown.t0, shown.events) == (window.t0, len(part))
        assert (shown.images == expected).all()


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_enlarged_is_that_part_of_the_whole(data: Path, kind: str) -> None:
    recording = read_recording(data / "train" / "circle.dat")
    look = WindowLook(kind=kind, zoom=Zoom(4, 0.9, 0.6))  # type: ignore[arg-type]
    left, top, width, height = look.zoom.region(recording.geometry)
    assert (left, top, width, height) == (48, 30, 16, 16)
    whole = represent(look.kind, recording.stream, t0=0, duration=50_000, bins=5)
    shown = read_window(recording, 0, look)
    np.testing.assert_array_equal(shown.images, whole[..., top : top + height, left : left + width])
    assert shown.zero_share == 1 - np.count_nonzero(whole) / whole.size


def test_a_large_sensor_is_shown_in_blocks_without_losing_events(shared_data: Path) -> None:
    recording = read_recording(shared_data / "recordings" / "gen4-1280x720.dat")
    window = read_window(recording, recording.window_start(0, 1_000), WindowLook(length=1_000, bins=2))
    assert window.block == 5
    assert window.images.shape == (2, 2, 144, 256)
    assert 0.9 * window.events < int(window.images.sum()) <= window.events


@pytest.mark.parametrize("cells", [(76, 16), (116, 28), (196, 46), (10, 8), (400, 12)])
@pytest.mark.parametrize("bins", [1, 5, 10])
@pytest.mark.parametrize("image", [(128, 128), (34, 34), (480, 640)])
def test_pictures_never_overlap_nor_leave_the_screen(cells: tuple[int, int], bins: int, image: tuple[int, int]) -> None:
    for view, pictures in (("apart", 2 * bins + 1), ("bins", bins), ("merged", 1)):
        taken = np.zeros((cells[1], cells[0]), int)
        tiles = arrange(view, pictures, cells, image)  # type: ignore[arg-type]
        for tile in tiles:
            assert tile.column >= 0
            assert tile.line >= 0
            assert tile.column + tile.width <= cells[0]
            assert tile.line + 1 + tile.height // 2 <= cells[1]
            taken[tile.line : tile.line + 1 + tile.height // 2, tile.column : tile.column + tile.width] += 1
        assert taken.max(initial=0) <= 1
        assert len({(tile.width, tile.height) for tile in tiles}) <= 2


def test_bins_and_polarities_stand_below_each_other_and_the_merged_picture_adds_them_up() -> None:
    images = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 2, 2)
    shown = scene("apart", "voxel", images, 30_000)
    assert shown.labels == (
        *("ON 0–10 ms", "ON 10–20 ms", "ON 20–30 ms", "OFF 0–10 ms", "OFF 10–20 ms", "OFF 20–30 ms"),
        "3 bins, OFF and ON",
    )
    np.testing.assert_array_equal(shown.values[1, 1], images[1, 1])
    np.testing.assert_array_equal(shown.values[4, 0], images[0, 1])
    assert not shown.values[1, 0].any()
    assert not shown.values[4, 1].any()
    np.testing.assert_array_equal(shown.values[6], images.sum(axis=1))
    wide = arrange("apart", 7, (196, 46), (128, 128))
    assert [tile.line for tile in wide[:6]] == [0, 0, 0, wide[3].line, wide[3].line, wide[3].line]
    assert wide[3].line > 0
    assert wide[6].width > 2 * wide[0].width
