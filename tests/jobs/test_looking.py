"""What commands look at: from options and recipes, and what of a recording is played."""

from __future__ import annotations

from pathlib import Path

import pytest

from evbench.errors import ProfileError
from evbench.events.cleaning import clean
from evbench.events.recording import open_recording
from evbench.jobs.looking import Look, look_from, reel_from, window_of
from evbench.profiles import parse_filter
from evbench.resources import resource


@pytest.fixture
def recording() -> Path:
    return resource("assets", "recordings", "bar-left.dat")


def test_options_go_before_the_recipe_and_filters_after_its_own(tmp_path: Path) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text(
        '[dataset]\nname = "simulated-bars"\n[representation]\nbins = 3\nwindow = "20 ms"\nsize = [64, 64]\n'
        'filters = [{ name = "polarity-merge" }]\n'
    )
    merge, hot = parse_filter({"name": "polarity-merge"}), parse_filter({"name": "hot-pixels"})
    assert look_from(None, None, None, None, []) == Look("voxel", 50_000, 5, None, ())
    assert look_from(str(recipe), None, None, None, []) == Look("voxel", 20_000, 3, (64, 64), (merge,))
    asked = look_from(str(recipe), "frame", "1 s", 7, ["hot-pixels"])
    assert asked == Look("frame", 1_000_000, 7, (64, 64), (merge, hot))
    with pytest.raises(ProfileError, match="--length tomorrow"):
        look_from(None, None, "tomorrow", None, [])


def test_filters_of_a_window_have_seen_the_whole_recording(recording: Path) -> None:
    filters = (parse_filter({"name": "hot-pixels"}), parse_filter({"name": "refractory", "period": "5 ms"}))
    cleaned = clean(open_recording(recording).read(), filters)
    found = window_of(recording, 3, Look("voxel", 50_000, 5, None, filters))
    inside = (cleaned.stream.t >= found.t0) & (cleaned.stream.t < found.t0 + 50_000)
    assert found.steps == cleaned.steps
    assert found.events == inside.sum() == found.images.sum()
    assert found.t0 == window_of(recording, 3, Look("voxel", 50_000, 5, None, ())).t0


def test_what_is_played_is_read_as_it_comes_or_filtered_whole(recording: Path, tmp_path: Path) -> None:
    crop = {"name": "crop", "left": 0, "top": 0, "width": 64, "height": 128}
    filters = (parse_filter({"name": "hot-pixels"}), parse_filter(crop))
    plain, none = reel_from(recording, Look("frame", 50_000, 5, None, ()), tmp_path)
    filtered, steps = reel_from(recording, Look("frame", 50_000, 5, None, filters), None)
    events = [sum(len(window.stream) for window in reel.slices(40_000, reel.t_first)) for reel in (plain, filtered)]
    assert events == [steps[0].before, steps[1].after]
    assert none == ()
    assert (plain.t_first, plain.t_last) == (filtered.t_first, filtered.t_last)
    assert filtered.geometry.width == 64
    assert list(tmp_path.glob("*.events-index.npz"))
