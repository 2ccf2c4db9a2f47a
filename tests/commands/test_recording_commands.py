"""Commands on recordings and datasets as a user types them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from evbench.events.stream import EventStream, SensorGeometry
from evbench.events.writers import write_recording
from tests.commands.command_line import Evbench, refused


def test_events_info_as_json_has_the_promised_keys(evbench: Evbench, recording: Path) -> None:
    info = evbench("events", "info", recording, "--json").json
    assert list(info) == ["format", "sensor", "events", "on", "off", "t_first_us", "t_last_us", "monotonic", "warnings"]
    assert info["events"] == info["on"] + info["off"] > 0
    assert info["monotonic"] is True


def test_datasets_list_says_what_each_set_needs(evbench: Evbench) -> None:
    entries = {entry["name"]: entry for entry in evbench("datasets", "list", "--json").json["datasets"]}
    assert list(entries["dvs128-gesture"]) == ["name", "what", "split", "files", "ready"]
    assert "DvsGesture.tar.gz" in entries["dvs128-gesture"]["files"]
    shown = evbench("datasets", "list").out
    assert all(name in shown for name in entries)
    assert "evbench downloads nothing" in shown


def test_events_info_for_people_shows_the_counts(evbench: Evbench, recording: Path) -> None:
    count = evbench("events", "info", recording, "--json").json["events"]
    assert f"{count:,}" in evbench("events", "info", recording).out


def test_events_convert_keeps_every_event(evbench: Evbench, recording: Path, tmp_path: Path) -> None:
    before = evbench("events", "info", recording, "--json").json
    done = evbench("events", "convert", recording, tmp_path / "copy.aedat")
    assert f"{before['events']:,} events" in done.out
    after = evbench("events", "info", tmp_path / "copy.aedat", "--json").json
    assert (after["events"], after["on"]) == (before["events"], before["on"])


def test_bad_recordings_end_in_one_sentence_each(evbench: Evbench, recording: Path, tmp_path: Path) -> None:
    refused(evbench("events", "info", tmp_path / "missing.dat"), 4, "missing.dat")
    empty = tmp_path / "empty.dat"
    empty.write_bytes(b"")
    refused(evbench("events", "info", empty), 4, "empty.dat")
    alien = tmp_path / "alien.dat"
    alien.write_bytes(b"\x00PNG" * 100)
    refused(evbench("events", "info", alien), 4, "alien.dat")
    refused(evbench("events", "convert", recording, tmp_path / "copy.xyz"), 4, "copy.xyz")


def test_a_truncated_recording_is_read_as_far_as_it_goes_with_a_warning(
    evbench: Evbench, recording: Path, tmp_path: Path
) -> None:
    cut = tmp_path / "cut.dat"
    cut.write_bytes(recording.read_bytes()[:-3])
    info = evbench("events", "info", cut, "--json").json
    assert info["events"] > 0
    assert info["warnings"]


def test_playing_without_a_terminal_says_what_to_do_instead(evbench: Evbench, recording: Path) -> None:
    refused(evbench("events", "play", recording), 1, "Playing needs a terminal", "evbench voxel FILE --png")


def test_voxel_describes_and_draws_a_window(evbench: Evbench, recording: Path) -> None:
    stats = evbench("voxel", recording, "--window", "1", "--json").json
    assert stats["window"] == 1
    assert np.sum(stats["counts_per_bin"]) == stats["events"]
    drawn = evbench("voxel", recording, "--window", "1").out
    assert f"window 1 of {stats['windows']}" in drawn
    assert "▀" in drawn


@pytest.mark.parametrize(
    ("kind", "shape"), [("voxel", [2, 5]), ("bilinear", [2, 5]), ("frame", [2, 1]), ("time-surface", [2, 1])]
)
def test_voxel_draws_every_representation_and_writes_it(
    evbench: Evbench, recording: Path, tmp_path: Path, kind: str, shape: list[int]
) -> None:
    found = evbench("voxel", recording, "--as", kind, "--json").json
    assert (found["representation"], found["shape"]) == (kind, [*shape, 128, 128])
    done = evbench("voxel", recording, "--as", kind, "--png", "window.png")
    assert kind in done.out
    assert "▀" in done.out
    assert (tmp_path / "window.png").read_bytes().startswith(b"\x89PNG")


def test_voxel_says_what_each_filter_kept_and_which_pixels_were_hot(evbench: Evbench, recording: Path) -> None:
    words = ["--filter", "hot-pixels factor=8", "--filter", 'background-activity keep_within="10 ms"']
    found = evbench("voxel", recording, "--window", "3", *words, "--json").json
    hot, background = found["filters"]
    assert hot["events_before"] == evbench("events", "info", recording, "--json").json["events"]
    assert hot["hot_pixels"]
    assert hot["events_before"] > hot["events_after"] == background["events_before"] > background["events_after"]
    assert found["events"] < evbench("voxel", recording, "--window", "3", "--json").json["events"]
    out = evbench("voxel", recording, "--window", "3", *words).out
    x, y = hot["hot_pixels"][0]
    assert f"{len(hot['hot_pixels'])} hot, masked: ({x}, {y})" in out
    assert f"{background['events_after']:,} of {background['events_before']:,} events kept" in out


def test_voxel_looks_as_a_recipe_does(evbench: Evbench, recording: Path, tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(
        '[dataset]\nname = "simulated-bars"\n[representation]\nbins = 2\nwindow = "20 ms"\nsize = [32, 64]\n'
        'filters = [{ name = "mirror" }, { name = "downsample", size = [64, 64] }]\n'
    )
    found = evbench("voxel", recording, "--recipe", "small.toml", "--filter", "polarity-merge", "--json").json
    assert (found["shape"], found["duration_us"]) == ([2, 2, 32, 64], 20_000)
    assert [step["name"] for step in found["filters"]] == ["mirror", "downsample", "polarity-merge"]
    assert sum(off for off, _ in found["counts_per_bin"]) == 0
    assert evbench("voxel", recording, "--recipe", "small.toml", "--bins", "3", "--json").json["shape"][1] == 3


def test_voxel_refuses_a_filter_that_is_none(evbench: Evbench, recording: Path) -> None:
    refused(evbench("voxel", recording, "--filter", "hot-pixel"), 3, "--filter 'hot-pixel'", 'mean "hot-pixels"')
    refused(evbench("voxel", recording, "--filter", "downsample size=[500,500]"), 3, "does not suit the recording")


def test_voxel_refuses_windows_that_are_not_there(evbench: Evbench, recording: Path, tmp_path: Path) -> None:
    refused(evbench("voxel", recording, "--window", "9999"), 4, "no window 9999", "Choose from 0 to")
    refused(evbench("voxel", recording, "--length", "50 MB"), 3, "'50 MB' is not a duration")
    refused(evbench("voxel", recording, "--length", "0 ms"), 3, "not longer than zero")
    quiet = tmp_path / "quiet.dat"
    stream = EventStream.from_arrays([10, 400_000], [1, 2], [1, 2], [1, 0], SensorGeometry(16, 16))
    write_recording(stream, quiet)
    refused(evbench("voxel", quiet, "--window", "2"), 4, "Window 2 has no events")


def test_datasets_make_writes_simulated_gestures_and_says_so(evbench: Evbench, tmp_path: Path) -> None:
    made = evbench("datasets", "make", "simulated-gestures", "--subjects", "3", "--seconds", "0.1", "--json").json
    assert made["simulated"] is True
    assert made["recordings"] == len(list(Path(made["folder"]).rglob("*.dat"))) == 33
    again = evbench("datasets", "make", "simulated-gestures", "--subjects", "3", "--seconds", "0.1")
    assert "33 simulated recordings" in again.out
    refused(evbench("datasets", "make", "imagenet"), 4, "simulated-gestures")
    refused(evbench("datasets", "make", "simulated-gestures", "--subjects", "99", "--to", tmp_path / "x"), 4, "3 to 29")
