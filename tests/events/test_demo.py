"""What comes with evbench can be made again."""

from __future__ import annotations

from pathlib import Path

from evbench.events.demo import write_demo_recordings
from evbench.events.recording import open_recording
from evbench.resources import resource


def test_the_bundled_recordings_are_those_that_are_simulated_here(tmp_path: Path) -> None:
    made = write_demo_recordings(tmp_path)
    bundled = resource("assets", "recordings")
    assert sorted(path.name for path in made) == sorted(path.name for path in bundled.iterdir())
    for path in made:
        assert (bundled / path.name).read_bytes() == path.read_bytes(), path.name
        assert open_recording(bundled / path.name).warnings == []


def test_the_bundled_recordings_stay_small() -> None:
    assert sum(path.stat().st_size for path in resource("assets", "recordings").iterdir()) < 1_000_000
