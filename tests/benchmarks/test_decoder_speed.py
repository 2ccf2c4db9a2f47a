"""How many events a second each format gives, beside NumPy's fromfile of the same bytes, on real recordings.

`pytest tests/benchmarks --benchmark-enable --benchmark-only` measures in processor time, so that neighbours disturb
less; an ordinary run only counts the events. What should be reached on one thread: 50 million events a second of EVT3,
150 of EVT2 and DAT, and AEDAT4 in no more than 1.2 times the time of the package aedat.
"""

from __future__ import annotations

import time

import numpy as np
import pytest

from evbench.events.recording import open_recording

RECORDINGS = {
    "DAT": ("recordings/gen4-1280x720.dat", 1_218_618),
    "EVT3": ("recordings/gen4-1280x720.evt3.raw", 1_218_618),
    "EVT2": ("recordings/gen3-640x480.evt2.raw", 521_252),
    "Event Stream": ("recordings/dvs.es", 473_225),
    "CSV": ("recordings/dvs.csv", 473_225),
    "AEDAT4 DAVIS": ("recordings/davis.aedat4", 111_954),
    "AEDAT4 DVS128": ("dvs128-waves/wave-1.aedat4", 348_461),
    "AEDAT2": ("recordings/davis240-with-frames-and-imu.aedat", 374_296),
}


def every_chunk(path) -> int:
    return sum(len(chunk) for chunk in open_recording(path).chunks())


@pytest.mark.benchmark(group="decoders", timer=time.process_time, min_rounds=20)
@pytest.mark.parametrize("name", RECORDINGS)
def test_events_of_a_format(benchmark, shared_data, name):
    file, events = RECORDINGS[name]
    path = shared_data / file
    assert benchmark(every_chunk, path) == events
    if benchmark.stats:
        plain = _best(np.fromfile, path, np.uint8)
        best = benchmark.stats["min"]
        benchmark.extra_info["million_events_per_second"] = round(events / best / 1e6, 1)
        benchmark.extra_info["times_fromfile"] = round(best / plain, 1)


@pytest.mark.benchmark(group="decoders", timer=time.process_time, min_rounds=20)
@pytest.mark.parametrize("name", ["AEDAT4 DAVIS", "AEDAT4 DVS128"])
def test_aedat4_beside_the_package_of_that_name(benchmark, shared_data, name):
    aedat = pytest.importorskip("aedat", reason="the package aedat is not installed (extra tonic)")
    file, events = RECORDINGS[name]
    path = shared_data / file

    def theirs() -> int:
        return sum(len(packet["events"]) for packet in aedat.Decoder(path) if "events" in packet)

    assert theirs() == benchmark(every_chunk, path) == events
    if benchmark.stats:
        best = benchmark.stats["min"]
        benchmark.extra_info["times_aedat"] = round(best / _best(theirs), 2)


def _best(function, *arguments) -> float:
    """The least seconds of processor time that a call took."""
    seconds = []
    for _ in range(20):
        begin = time.process_time()
        function(*arguments)
        seconds.append(time.process_time() - begin)
    return max(min(seconds), 1e-9)
