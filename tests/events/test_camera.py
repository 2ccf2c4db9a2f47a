"""The pixel's behaviour on single pixels whose light is known."""

from __future__ import annotations

import numpy as np
import pytest

from evbench.events.camera import Camera, film, photoreceptor, record
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


def test_off_events_need_a_larger_change_where_their_threshold_is_larger():
    ramp = [*np.linspace(0, 1, 11), *np.linspace(1, 0, 11)]
    stream = record(quiet(threshold=0.1, off_ratio=2.0), light(ramp), 1000, np.random.default_rng(0))
    assert np.count_nonzero(stream.on) in (9, 10)
    assert np.count_nonzero(~stream.on) in (4, 5)


def test_leak_gives_on_events_at_its_rate_and_no_others():
    sensor = SensorGeometry(64, 64)
    frames = [np.zeros((64, 64), np.float32)] * 401
    stream = record(quiet(geometry=sensor, leak_hz=1.0), frames, 10_000, np.random.default_rng(0))
    assert stream.on.all()
    assert abs(np.count_nonzero(stream.t >= 2_000_000) / (64 * 64 * 2.0) - 1.0) < 0.02


def test_the_photoreceptor_follows_a_jump_faster_where_there_is_more_light():
    camera = quiet(bandwidth_hz=100.0)
    lags = []
    for dim, bright in ((0.1, 0.2), (1.0, 2.0)):
        steps = [level.copy() for level in photoreceptor(camera, light([dim] + [bright] * 40), 1000)]
        course = np.array(steps).reshape(-1)
        assert course[0] == pytest.approx(np.log(dim + 0.02), abs=2e-3)
        assert (np.diff(course[1:]) >= 0).all()
        lags.append(np.argmax(course - course[0] > 0.632 * (np.log(bright + 0.02) - course[0])))
    # One time constant is 1 / (2 pi 100 Hz 0.27) = 5.9 ms in the dim light and 0.8 ms in the bright one.
    assert 5 <= lags[0] <= 7
    assert lags[1] == 1


def test_shot_noise_is_four_times_as_frequent_in_the_dark():
    sensor = SensorGeometry(64, 64)
    camera = quiet(geometry=sensor, noise_hz=4.0)
    scene = np.zeros((64, 64), np.float32)
    scene[:, 32:] = 1.0
    stream = film(camera, [scene] * 101, 10_000, np.random.default_rng(0))
    dark = np.count_nonzero(stream.x < 32)
    assert abs(dark - 4 * 2048) < 5 * 91
    assert abs(len(stream) - dark - 2048) < 5 * 46


def test_the_readout_repeats_events_and_the_reset_rebounds_as_often_as_asked():
    sensor = SensorGeometry(64, 64)
    ramp = [np.full((64, 64), -level, np.float32) for level in np.linspace(0, 1, 11)]
    plain = record(quiet(geometry=sensor, threshold=0.15), ramp, 10_000, np.random.default_rng(0))
    echoed = record(quiet(geometry=sensor, threshold=0.15, echo=0.1), ramp, 10_000, np.random.default_rng(0))
    rebounding = quiet(geometry=sensor, threshold=0.15, rebound=0.5, rebound_us=900.0)
    rebounded = record(rebounding, ramp, 10_000, np.random.default_rng(0))
    assert not plain.on.any()
    assert abs(len(echoed) / len(plain) - 1.1) < 0.01
    assert not echoed.on.any()
    assert abs(np.count_nonzero(rebounded.on) / len(plain) - 0.5) < 0.02
    first_off = rebounded.t[~rebounded.on].min()
    assert rebounded.t[rebounded.on].min() >= first_off + 300


def test_jitter_delays_events_and_keeps_them_in_order_and_within_the_recording():
    frames = light(np.linspace(0, 5, 51))
    plain = record(quiet(threshold=0.1), frames, 1000, np.random.default_rng(0))
    late = record(quiet(threshold=0.1, jitter_us=200.0), frames, 1000, np.random.default_rng(0))
    assert len(late) == len(plain)
    assert (np.diff(late.t) >= 0).all()
    assert late.t.max() <= 50_000
    assert 100 < np.mean(late.t - plain.t) < 220


def test_a_seed_gives_the_same_events_and_another_seed_gives_others():
    sensor = SensorGeometry(32, 32)
    camera = Camera(sensor, leak_hz=0.1, jitter_us=50.0, echo=0.1, rebound=0.5)
    frames = [np.full((32, 32), 0.3 + 0.2 * np.sin(step), np.float32) for step in range(60)]
    runs = [film(camera, frames, 2000, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(runs[0].t, runs[1].t)
    np.testing.assert_array_equal(runs[0].x, runs[1].x)
    assert len(runs[0].t) != len(runs[2].t) or (runs[0].t != runs[2].t).any()


def test_pixels_rest_for_different_times_where_their_rest_is_spread():
    sensor = SensorGeometry(32, 32)
    ramp = [np.full((32, 32), level, np.float32) for level in np.linspace(0, 40, 101)]
    camera = quiet(geometry=sensor, threshold=0.05, refractory_us=4000, refractory_spread=0.5)
    stream = record(camera, ramp, 1000, np.random.default_rng(0))
    pixel = stream.y.astype(int) * 32 + stream.x
    shortest = [np.diff(stream.t[pixel == one]).min() for one in range(0, 1024, 16)]
    assert 2000 <= min(shortest) < 2400
    assert 5600 < max(shortest) < 6200
