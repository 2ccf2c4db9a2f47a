"""What ten frames of `evbench events play` cost on a recording of a million events a second, in processor time.

25 frames a second leave 400 ms for ten. `pytest tests/benchmarks --benchmark-enable --benchmark-only` measures; an
ordinary run only checks that every event was played.
"""

from __future__ import annotations

import time

import numpy as np
import pytest
from rich.color import ColorSystem

from evbench.events.kinds import KINDS
from evbench.events.playback import reel_of
from evbench.events.recording import open_recording
from evbench.events.stream import EventStream, SensorGeometry
from evbench.events.writers import write_recording
from evbench.jobs.looking import Look
from evbench.tui.player import Player

EVENTS_PER_SECOND, SECONDS = 1_000_000, 2


@pytest.fixture(scope="module", params=[(128, 128), (1280, 720)], ids=lambda size: f"{size[0]}x{size[1]}")
def busy(request, tmp_path_factory):
    """Two seconds of a wide ring that turns, with noise everywhere."""
    width, height = request.param
    events, rng = EVENTS_PER_SECOND * SECONDS, np.random.default_rng(0)
    t = np.sort(rng.integers(0, SECONDS * 1_000_000, events))
    angle = t / 2e5 + rng.normal(0, 0.4, events)
    radius = height * rng.normal(0.3, 0.03, events)
    noise = rng.random(events) < 0.2
    x = np.where(noise, rng.integers(0, width, events), width / 2 + radius * np.cos(angle))
    y = np.where(noise, rng.integers(0, height, events), height / 2 + radius * np.sin(angle))
    stream = EventStream.from_arrays(
        t, x.clip(0, width - 1), y.clip(0, height - 1), rng.random(events) < 0.5, SensorGeometry(width, height)
    )
    path = tmp_path_factory.mktemp("busy") / "busy.dat"
    write_recording(stream, path)
    return path


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(120, 40), (200, 60)], ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.benchmark(timer=time.process_time)
def test_ten_frames_of_a_million_events_a_second(benchmark, busy, kind, size):
    reel = reel_of(open_recording(busy))
    shown = []

    def setup():
        player = Player(
            reel,
            Look(kind, 50_000, 5, None, ()),
            "busy.dat",
            speed=1.0,
            start=reel.t_first,
            system=ColorSystem.TRUECOLOR,
            clock=lambda: 0.0,
        )
        return (player,), {}

    def ten_frames(player):
        shown[:] = [player.picture(1, size) for _ in range(10)]

    benchmark.pedantic(ten_frames, setup=setup, rounds=3 if benchmark.enabled else 1)
    assert len({tuple(lines) for lines in shown}) == 10
    assert all(len(lines) == size[1] for lines in shown)
