"""The recordings of assets/recordings: what the workbench has to show before a user has brought anything.

`python -m evbench.events.demo assets/recordings` makes them again, byte for byte.
"""

from __future__ import annotations

import sys
from pathlib import Path

from evbench.events import bars, gestures
from evbench.events.writers import write_recording

SECONDS = 1.0
GESTURES = ("hand_clapping", "right_arm_clockwise", "right_arm_counter_clockwise")
"""Of the gestures, some that the bundled model tells apart: one still body, and one arm turning either way."""


def write_demo_recordings(folder: Path) -> list[Path]:
    """Write six moving bars and three gestures of a person, all of test splits, as Prophesee DAT of a second each.

    Returns their paths. They are simulated: see bars.py and gestures.py.
    """
    folder.mkdir(parents=True, exist_ok=True)
    streams = {
        f"bar-{motion}": bars.simulate(bars.TEST_SUBJECTS[0], motion, duration_us=round(SECONDS * 1e6))
        for motion in bars.MOTIONS
    } | {
        f"gesture-{gesture.replace('_', '-')}": gestures.simulate(gestures.TEST_SUBJECTS[0], gesture, seconds=SECONDS)
        for gesture in GESTURES
    }
    paths = [folder / f"{name}.dat" for name in streams]
    for path, stream in zip(paths, streams.values(), strict=True):
        write_recording(stream, path)
    return paths


if __name__ == "__main__":
    for written in write_demo_recordings(Path(sys.argv[1])):
        print(written)
