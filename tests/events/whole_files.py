"""A small whole file of every kind that is read, and what becomes of one that is damaged."""

from __future__ import annotations

from importlib.util import find_spec
from itertools import islice
from pathlib import Path

import numpy as np

from evbench.errors import RecordingError
from evbench.events.recording import open_recording
from evbench.events.stream import EventStream, SensorGeometry
from evbench.events.writers import write_recording
from tests.events.bags import arrays, write_bag
from tests.events.decoders.test_aedat3 import HEADER as AEDAT3
from tests.events.decoders.test_aedat3 import packet
from tests.events.decoders.test_event_stream import HEADER as EVENT_STREAM

WRITTEN = (".dat", ".raw", ".evt2.raw", ".aedat4", ".aedat", ".h5", ".npz", ".csv", ".bin")
BAGS = (".bag", ".db3", ".mcap") if find_spec("rosbags") else ()
KINDS = (*WRITTEN, ".evt21.raw", ".evt3v.raw", ".es", ".aedat3", ".npy", *BAGS)


def write_whole_files(folder: Path) -> dict[str, bytes]:
    """The bytes of a small file of every kind of KINDS, which are written into a folder first."""
    rng = np.random.default_rng(1)
    count = 60
    stream = EventStream.from_arrays(
        np.cumsum(rng.integers(0, 500, count)),
        rng.integers(0, 34, count),
        rng.integers(0, 34, count),
        rng.random(count) < 0.5,
        SensorGeometry(34, 34),
    )
    files = {}
    for kind in WRITTEN:
        write_recording(stream, folder / f"whole{kind}")
        files[kind] = (folder / f"whole{kind}").read_bytes()
    word21 = rng.integers(0, 1 << 62, 40, dtype=np.uint64) >> np.uint64(1)
    word21[::5] = 8 << 60
    files[".evt21.raw"] = b"% evt 2.1\n% geometry 320x320\n% end\n" + word21.tobytes()
    word3 = rng.choice([0, 2, 3, 4, 5, 6, 8], 200).astype(np.uint16) << np.uint16(12)
    files[".evt3v.raw"] = (
        b"% evt 3.0\n% geometry 320x320\n% end\n" + (word3 | rng.integers(0, 300, 200).astype(np.uint16)).tobytes()
    )
    files[".es"] = EVENT_STREAM + rng.bytes(300)
    events = [
        (1, int(on), int(y), int(x), int(t))
        for t, x, y, on in zip(stream.t, stream.x, stream.y, stream.on, strict=True)
    ]
    files[".aedat3"] = AEDAT3 + packet(events[:30]) + packet(events[30:])
    table = np.zeros(count, [("t", "<i8"), ("x", "<u2"), ("y", "<u2"), ("p", "?")])
    np.save(folder / "whole.npy", table)
    files[".npy"] = (folder / "whole.npy").read_bytes()
    for kind in BAGS:
        (folder / kind).mkdir()
        files[kind] = write_bag(folder / kind, kind[1:], arrays(stream, 20)).read_bytes()
    return files


def survives(path, data):
    """What is wrong with a file of these bytes: one error, or warnings; everything that can be asked is asked."""
    path.write_bytes(data)
    error_of = None
    try:
        recording = open_recording(path)
        info = recording.info()
        assert info["on"] + info["off"] == info["events"]
        for window in islice(recording.windows(50_000), 300):
            assert (window.stream.t >= window.t0).all()
    except RecordingError as error:
        error_of = error
    if error_of:
        assert str(path) in error_of.where
        return [str(error_of)]
    return info["warnings"]
