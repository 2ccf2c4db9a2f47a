"""The pixel's behaviour on single pixels whose light is known."""

from __future__ import annotations

import numpy as np

from evbench.events.camera import Camera, record
from evbench.events.stream import SensorGeometry

PIXEL = SensorGeometry(1, 1)


def light(levels) -> list[np.ndarray]:
    return [np.full((1, 1), level, np.float32) for level in levels]


def quiet(**settings) -> Camera:
    return Camera(
        **{"geometry": PIXEL, "mismatch": 0.0, "noise_hz": 0.0, "hot_pixels": 0, "refractory_us": 0} | settings
    )


def test_a_ramp_gives_one_event_per_threshold_evenly_in_time():
    stream = record(quiet(threshold=0.1), light(np.linspace(0, 1, 11)), 1000, np.random.default_rng(0))
    assert len(stream) in (9, 10)
    assert stream.on.all()
    np.testing.assert_allclose(np.diff(stream.t), 1000, atol=2)


def test_a_jump_of_several_thresholds_gives_several_events_within_its_step():
    stream = record(quiet(threshold=0.2), light([0, 0, -1.5, -1.5]), 1000, np.random.default_rng(0))
    assert len(stream) in (7, 8)
    assert not stream.on.any()
    assert ((stream.t >= 1000) & (stream.t <= 2000)).all()
    assert (np.diff(stream.t) > 0).all()


def test_a_pixel_rests_after_an_event():
    stream = record(quiet(threshold=0.05, refractory_us=400), light([0, 1, 2, 3]), 1000, np.random.default_rng(0))
    assert 5 < len(stream) <= 8
    assert (np.diff(stream.t) >= 400).all()


def test_constant_light_gives_noise_at_its_rate_and_nothing_else():
    sensor = SensorGeometry(64, 64)
    frames = [np.zeros((64, 64), np.float32)] * 101
    rng = np.random.default_rng(0)
    assert len(record(quiet(geometry=sensor), frames, 10_000, rng)) == 0
    noisy = record(quiet(geometry=sensor, noise_hz=1.0), frames, 10_000, rng)
    assert abs(len(noisy) - 4096) < 5 * 64
    assert (np.diff(noisy.t) >= 0).all()


def test_hot_pixels_fire_at_the_same_places_whatever_the_noise():
    sensor = SensorGeometry(64, 64)
    frames = [np.zeros((64, 64), np.float32)] * 101
    camera = quiet(geometry=sensor, hot_pixels=3, hot_hz=50.0, seed=7)
    places = [
        set(zip(stream.x.tolist(), stream.y.tolist(), strict=True))
        for stream in (record(camera, frames, 10_000, np.random.default_rng(seed)) for seed in (1, 2))
    ]
    assert places[0] == places[1]
    assert len(places[0]) == 3


def test_the_first_frames_time_is_where_the_recording_starts():
    stream = record(quiet(), light([0, 1]), 1000, np.random.default_rng(0), start_us=50_000)
    assert ((stream.t >= 50_000) & (stream.t <= 51_000)).all()
    assert len(stream) > 0
