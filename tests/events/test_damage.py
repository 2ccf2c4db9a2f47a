"""Whatever happens to a file, it ends in warnings or in one clear error."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


@pytest.fixture(scope="module")
def whole_files(tmp_path_factory):
    """A small file of every kind, as bytes, and a folder."""
    folder = tmp_path_factory.mktemp("whole")
    rng = np.random.default_rng(1)
    count = 60
    stream = EventStream.from_arrays(
        np.cumsum(rng.integers(0, 500, count)),
        rng.integers(0, 34, count),
        rng.integers(0, 34, count),
        rng.random(count) < 0.5,
        SensorGeometry(34, 34),
    )
    files = {"folder": folder}
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
        windows = 0
        for window in recording.windows(50_000):
            windows += len(window.stream)
            if window.t0 > info["t_first_us"] + 10**9:
                break
    except RecordingError as error:
        error_of = error
    if error_of:
        assert str(path) in error_of.where
        return [str(error_of)]
    return info["warnings"]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_bits_that_flip_bytes_that_go_missing_and_garbage_are_survived(whole_files, kind, data):
    damaged = bytearray(whole_files[kind])
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        what = data.draw(st.sampled_from(["flip", "garbage", "cut"]))
        if what == "flip":
            damaged[at] ^= 1 << data.draw(st.integers(0, 7))
        elif what == "garbage":
            damaged[at:at] = data.draw(st.binary(max_size=40))
        else:
            del damaged[at : at + data.draw(st.integers(0, 40))]
        if not damaged:
            break
    assert isinstance(survives(whole_files["folder"] / f"damaged{kind}", bytes(damaged)), list)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_may_end_at_any_byte(whole_files, kind):
    data = whole_files[kind]
    step = 1 if len(data) < 2000 else 7 if len(data) < 6000 else 97
    path = whole_files["folder"] / f"cut{kind}"
    told = [survives(path, data[:length]) for length in (0, 1, *range(2, len(data), step))]
    # A cut between two records cannot be seen, one within the beginning can.
    assert told[0]
    assert told[1]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25, deadline=None)
@given(garbage=st.binary(max_size=400), keep=st.integers(0, 120))
def test_garbage_behind_a_good_beginning_is_survived(whole_files, kind, garbage, keep):
    told = survives(whole_files["folder"] / f"garbage{kind}", whole_files[kind][:keep] + garbage)
    assert isinstance(told, list)
