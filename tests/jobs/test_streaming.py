"""Windows that follow each other on a board: latency, voxelising cycles, and what reuse saves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from evbench.boards.sensor import SensorWindow
from evbench.boards.session import grid_of
from evbench.boards.virtual import probe
from evbench.errors import ProfileError, RecordingError
from evbench.jobs.actions import choose_board, profile_model
from evbench.jobs.display import layers_table
from evbench.jobs.leases import held_boards
from evbench.jobs.live import Live, LivePlayer, LiveWish
from evbench.jobs.models import by_occupied_cells, dataset_for, open_model, windows_of
from evbench.jobs.recorded import as_recorded, sliding_windows, stream_of
from evbench.jobs.store import Store
from evbench.jobs.window_tables import streaming_table, voxelising_lines
from evbench.resources import resource
from evbench.workspace import open_workspace

BAR = "bar-left.dat"


@pytest.fixture(scope="module")
def recording() -> Path:
    return resource("assets", "recordings") / BAR


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(open_workspace(tmp_path_factory.mktemp("streaming")))


@pytest.fixture(scope="module")
def streamed(store: Store, recording: Path) -> dict[str, Any]:
    """Five overlapping windows of the bundled model on the virtual board."""
    return profile_model(store, None, choose_board(None), recording, hop=10_000, streamed=5)


def shown(table: Any) -> str:
    console = Console(width=160)
    with console.capture() as text:
        console.print(table)
    return text.get()


def test_overlapping_windows_have_the_logits_of_windows_computed_anew(streamed: dict[str, Any]) -> None:
    found = streamed["streaming"]
    assert found["equal"]
    assert [point["equal"] for point in found["points"]] == [True] * 5
    assert found["windows"] == len(streamed["windows"]) == 5
    starts = [point["t0_us"] for point in found["points"]]
    assert np.diff(starts).tolist() == [10_000] * 4


def test_bins_in_common_are_not_counted_again(streamed: dict[str, Any]) -> None:
    first, *later = streamed["windows"]
    assert all(window["voxelising"]["given"] < window["events"] for window in later)
    assert first["voxelising"]["given"] == first["events"]
    assert 0 < streamed["streaming"]["reused_cycles_per_window"] < streamed["streaming"]["anew_cycles_per_window"]
    assert 0 < streamed["streaming"]["saved"] < 1


def test_voxelising_is_told_per_event_and_per_window_and_kept(streamed: dict[str, Any], store: Store) -> None:
    each = [window["voxelising"] for window in streamed["windows"]]
    assert all(entry["cycles_per_event"] == entry["cycles"] / entry["given"] for entry in each)
    text = shown(streaming_table(streamed))
    assert "last event to logits" in text
    assert "cycles per event for counting" in text
    assert f"{100 * streamed['streaming']['saved']:.0f} % saved" in text
    assert "voxel grid, while events arrive" in shown(layers_table(streamed))
    (kept,) = store.profile_runs()
    assert kept.result["windows"][0]["voxelising"] == each[0]


def test_windows_without_whole_bins_in_common_are_said_to_share_nothing(streamed: dict[str, Any]) -> None:
    assert streamed["streaming"]["whole_bins"]
    other = {**streamed, "streaming": {**streamed["streaming"], "whole_bins": False}}
    text = shown(streaming_table(other))
    assert "no whole number of 10 ms bins" in text
    assert "saved" not in text


def test_what_was_filtered_on_the_board_says_how_much_was_kept() -> None:
    window = {"sensor": True, "voxelising": {"given": 200, "counted": 50, "cycles": 8000}}
    profile = {"windows": [window], "modelled": True, "board_filters_within_us": 30_000}
    (line, _) = voxelising_lines(profile)
    assert "40.0 cycles per event for filtering within 30 ms and counting, 25 % of them kept" in line
    assert voxelising_lines({"windows": [{"voxelising": {"given": 0}}], "modelled": True}) == []


def test_windows_picked_from_recordings_are_the_grids_of_the_data_set() -> None:
    model = open_model(None)
    dataset = dataset_for(None)
    windows = windows_of(model, dataset)
    rows = by_occupied_cells(windows, 6)
    found = as_recorded(model.graph, dataset, windows, rows)
    assert all(isinstance(window, SensorWindow) for window in found)
    np.testing.assert_array_equal(np.stack([grid_of(window) for window in found]), windows.dense(rows))


def test_a_hop_that_would_leave_events_out_is_refused(store: Store, recording: Path) -> None:
    with pytest.raises(ProfileError, match="Choose up to 50 ms"):
        profile_model(store, None, choose_board(None), recording, hop=60_000)


def test_a_recording_shorter_than_a_window_is_refused(recording: Path) -> None:
    stream = stream_of(open_model(None), recording)
    short = type(stream)(stream.events[:2], stream.kept[:2], stream.settings)
    with pytest.raises(RecordingError, match="shorter than a window"):
        sliding_windows(short, 10_000, 5)


def test_a_virtual_board_that_is_killed_while_it_plays_is_told_as_gone_and_given_back(
    streamed: dict[str, Any], store: Store, recording: Path
) -> None:
    told: list[Live] = []

    def tell(live: Live) -> None:
        told.append(live)
        if len(live.points) >= 2:
            boards = [process for process in started if process.poll() is None]
            for process in boards:
                process.kill()
        if len(told) > 500:
            player.stop()

    started: list[Any] = []
    popen = probe.subprocess.Popen

    def noted(*arguments: Any, **options: Any) -> Any:
        started.append(popen(*arguments, **options))
        return started[-1]

    player = LivePlayer(store, LiveWish(None, "virtual-h743", recording), tell)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probe.subprocess, "Popen", noted)
        player.run()
    assert told[-1].phase == "failed"
    assert told[-1].note.startswith("The board is gone")
    playing = next(live for live in told if live.layers)
    assert playing.modelled
    assert playing.ram_bytes == streamed["ram_bytes"]
    assert len(playing.logits) == len(playing.classes) == 11
    assert held_boards(store) == []
