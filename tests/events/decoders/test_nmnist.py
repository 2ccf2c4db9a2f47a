"""The 40-bit events of N-MNIST."""

from __future__ import annotations

import numpy as np

from evbench.events.recording import open_recording


def event(x: int, y: int, on: int, t: int) -> bytes:
    return bytes([x, y]) + (on << 23 | t).to_bytes(3, "big")


def test_an_event_is_x_y_polarity_and_23_bits_of_time(write_bytes):
    data = event(3, 33, 1, 5) + event(33, 0, 0, 70_000)
    stream = open_recording(write_bytes("a.bin", data)).read()
    assert stream.x.tolist() == [3, 33]
    assert stream.y.tolist() == [33, 0]
    assert stream.on.tolist() == [True, False]
    assert stream.t.tolist() == [5, 70_000]


def test_a_row_of_240_moves_the_clock_on_and_is_no_event(write_bytes):
    data = event(1, 1, 1, 10) + event(0, 240, 0, 0) + event(2, 2, 0, 20) + event(0, 240, 0, 0) + event(3, 3, 0, 30)
    stream = open_recording(write_bytes("a.bin", data)).read()
    assert stream.t.tolist() == [10, 20 + 8192, 30 + 2 * 8192]


def test_the_sensor_is_the_smallest_known_one_that_holds_the_events(write_bytes):
    wide = b"".join(event(x, x // 2, 1, 100 * x) for x in range(200))
    assert open_recording(write_bytes("a.bin", wide)).info()["sensor"] == [240, 180]


def test_a_stray_coordinate_is_damage_not_a_larger_sensor(write_bytes):
    data = b"".join(event(i % 34, i % 34, i & 1, 50 * i) for i in range(500)) + event(60, 5, 1, 26_000)
    recording = open_recording(write_bytes("a.bin", data))
    assert recording.info()["sensor"] == [34, 34]
    assert recording.warnings[0].startswith("1 events lie outside the 34x34 sensor")


def test_a_recording_with_a_few_steps_back_is_still_recognised(write_bytes):
    t = np.arange(500) * 60
    t[100:105] -= 3_000
    data = b"".join(event(1, 2, 1, int(time)) for time in t)
    info = open_recording(write_bytes("a.bin", data)).info()
    assert (info["events"], info["monotonic"]) == (500, False)
