"""How long it takes to find a time in a long recording, and how much memory, once its index is in the cache.

`pytest tests/benchmarks/test_seek_speed.py --benchmark-enable --benchmark-only` writes a DAT file of a gigabyte
(EVBENCH_SEEK_GIGABYTES: another size) into pytest's temporary folder; an ordinary run one of sixteen megabytes. Every
measurement is a process of its own, so that its largest memory is known.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

EVENTS_PER_SECOND = 250_000
BLOCK = 1 << 20
MEASURED = """
import json, resource, sys, time
from pathlib import Path
from evbench.events.recording import open_recording

path, cache, start = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
begin = time.perf_counter()
recording = open_recording(path, cache=cache)
window = next(recording.windows(50_000, start=start)) if start >= 0 else None
found = [window.t0, len(window.stream)] if window else recording.info()["events"]
seconds = time.perf_counter() - begin
print(json.dumps([found, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""


@pytest.fixture
def long_recording(benchmark, tmp_path):
    """A DAT file whose clock of 32 bits turns where it is longer than 71 minutes, and its number of events."""
    size = int(float(os.environ.get("EVBENCH_SEEK_GIGABYTES", 1)) * 1e9) if benchmark.enabled else 1 << 24
    rng = np.random.default_rng(3)
    what = rng.integers(0, 640, BLOCK) | rng.integers(0, 480, BLOCK) << 14 | rng.integers(0, 2, BLOCK) << 28
    t = np.arange(BLOCK) * 1_000_000 // EVENTS_PER_SECOND
    path = tmp_path / "long.dat"
    blocks = -(-size // (8 * BLOCK))
    with path.open("wb") as file:
        file.write(b"% Data file containing CD events.\n% Version 2\n% Width 640\n% Height 480\n\x0c\x08")
        for block in range(blocks):
            times = t + block * BLOCK * 1_000_000 // EVENTS_PER_SECOND & 0xFFFF_FFFF
            (what.astype(np.uint64) << np.uint64(32) | times.astype(np.uint64)).astype("<u8").tofile(file)
    yield path, blocks * BLOCK
    path.unlink()


def measured(path, start):
    """What was found, seconds and megabytes of a process that looks for a time, or counts where that is negative."""
    command = [sys.executable, "-c", MEASURED, str(path), str(path.parent / "cache"), str(start)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


@pytest.mark.benchmark(group="seek", min_rounds=3)
def test_a_time_is_found_in_a_long_recording(benchmark, long_recording):
    path, events = long_recording
    counted, first_seconds, first_megabytes = measured(path, -1)
    assert counted == events
    start = int(events * 0.9) * 1_000_000 // EVENTS_PER_SECOND // 50_000 * 50_000
    (t0, inside), seconds, megabytes = benchmark(measured, path, start)
    assert (t0, inside) == (start, EVENTS_PER_SECOND // 20)
    benchmark.extra_info["gigabytes"] = round(path.stat().st_size / 1e9, 2)
    benchmark.extra_info["seconds_to_index_once"] = round(first_seconds, 2)
    benchmark.extra_info["megabytes_to_index_once"] = round(first_megabytes)
    benchmark.extra_info["seconds_to_seek"] = round(seconds, 3)
    benchmark.extra_info["megabytes_to_seek"] = round(megabytes)
