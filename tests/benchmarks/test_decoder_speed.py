"""How many events a second each format gives, beside NumPy's fromfile of the same bytes, on real recordings.

`pytest tests/benchmarks --benchmark-enable --benchmark-only` measures in processor time, so that neighbours disturb
less; an ordinary run only counts the events. What should be reached on one thread: 50 million events a second of EVT3,
150 of EVT2 and DAT.
"""

from __future__ import annotations

import time

import numpy as np
import pytest

from evbench.events.recording import open_recording

RECORDINGS = {
    "DAT": ("gen4-1280x720.dat", 1_218_618),
    "EVT3": ("gen4-1280x720.evt3.raw", 1_218_618),
    "EVT2": ("gen3-640x480.evt2.raw", 521_252),
    "Event Stream": ("dvs.es", 473_225),
    "CSV": ("dvs.csv", 473_225),
    "AEDAT4": ("davis.aedat4", 111_954),
    "AEDAT2": ("davis240-with-frames-and-imu.aedat", 374_296),
}


def every_chunk(path) -> int:
    return sum(len(chunk) for chunk in open_recording(path).chunks())


@pytest.mark.benchmark(group="decoders", timer=time.process_time, min_rounds=20)
@pytest.mark.parametrize("name", RECORDINGS)
def test_events_of_a_format(benchmark, shared_data, name):
    file, events = RECORDINGS[name]
    path = shared_data / "recordings" / file
    assert benchmark(every_chunk, path) == events
    if benchmark.stats:
        plain = min(_seconds(np.fromfile, path, np.uint8) for _ in range(20))
        best = benchmark.stats["min"]
        benchmark.extra_info["million_events_per_second"] = round(events / best / 1e6, 1)
        benchmark.extra_info["times_fromfile"] = round(best / plain, 1)


def _seconds(function, *arguments) -> float:
    begin = time.process_time()
    function(*arguments)
    return max(time.process_time() - begin, 1e-9)
