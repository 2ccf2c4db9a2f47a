"""Measures the workbench in a terminal of its own, as a user has it: start, keys, frames and memory.

    measure.py start                           # processor and wall time to the first painted frame
    measure.py keys --training bars-voxel-qat  # key to paint over a minute of playing
    measure.py frames                          # frames a second of a million events a second
    measure.py memory --seconds 300            # growth while playing
    measure.py kill --training bars-voxel-qat  # from the death of a job's process to what the Jobs pane says of it

Times on the wall mean something only on a machine that does nothing else; the load is printed beside them.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from evbench.events.stream import EventStream, SensorGeometry
from evbench.events.writers import write_recording
from evbench.jobs import engine
from evbench.jobs.store import Store
from evbench.workspace import open_workspace

EVENTS_PER_SECOND, SECONDS = 1_000_000, 20
EVBENCH = [sys.executable, "-m", "evbench.cli"]
SIZE = (120, 40)


class Terminal:
    """A workbench on a pseudo-terminal of `size` columns and lines, and all that it has written."""

    def __init__(self, arguments: list[str], size: tuple[int, int]) -> None:
        self.began = time.monotonic()
        self.pid, self._file = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="xterm-256color", COLORTERM="truecolor")
            os.execv(EVBENCH[0], [*EVBENCH, *arguments])
        fcntl.ioctl(self._file, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
        self._recent = b""

    def press(self, keys: str) -> None:
        os.write(self._file, keys.encode())

    def read(self, until: float) -> bytes:
        """What is written next, or nothing when the clock reaches `until`."""
        if not select.select([self._file], [], [], max(until - time.monotonic(), 0))[0]:
            return b""
        return os.read(self._file, 1 << 20)

    def wait_for(self, *words: str, patience_s: float = 60) -> float:
        """Seconds until one of these words is painted."""
        began, wanted, seen = time.monotonic(), [word.encode() for word in words], b""
        while not any(word in seen for word in wanted):
            new = self.read(began + patience_s)
            if not new:
                raise SystemExit(f"never painted: {words}")
            seen = seen[-64:] + new
        return time.monotonic() - began

    def rest(self, seconds: float) -> bytes:
        """All that is written in the next seconds."""
        until, seen = time.monotonic() + seconds, b""
        while time.monotonic() < until:
            seen += self.read(until)
        return seen

    def end(self) -> float:
        """End the workbench; returns the processor time it took, in seconds."""
        os.kill(self.pid, signal.SIGKILL)
        _, _, used = os.wait4(self.pid, 0)
        os.close(self._file)
        return used.ru_utime + used.ru_stime


def busy_recording(path: Path) -> Path:
    """A wide ring that turns, with noise everywhere, on 128 x 128 pixels."""
    events, rng = EVENTS_PER_SECOND * SECONDS, np.random.default_rng(0)
    t = np.sort(rng.integers(0, SECONDS * 1_000_000, events))
    angle = t / 2e5 + rng.normal(0, 0.4, events)
    radius = 128 * rng.normal(0.3, 0.03, events)
    noise = rng.random(events) < 0.2
    x = np.where(noise, rng.integers(0, 128, events), 64 + radius * np.cos(angle)).clip(0, 127)
    y = np.where(noise, rng.integers(0, 128, events), 64 + radius * np.sin(angle)).clip(0, 127)
    write_recording(EventStream.from_arrays(t, x, y, rng.random(events) < 0.5, SensorGeometry(128, 128)), path)
    return path


def playing(folder: Path, size: tuple[int, int], workspace: Path | None = None) -> Terminal:
    """A workbench that plays the busy recording."""
    recording = folder / "busy.dat"
    if not recording.exists():
        busy_recording(recording)
    arguments = ["--workspace", str(workspace or folder / "workspace"), "--data", str(recording)]
    terminal = Terminal(arguments, size)
    terminal.wait_for("Mev/s")
    terminal.press("2")
    terminal.wait_for("bins")
    terminal.press("g ")
    terminal.wait_for("real time")
    return terminal


def start(folder: Path, size: tuple[int, int]) -> dict[str, Any]:
    wall, processor = [], []
    for _ in range(7):
        terminal = Terminal(["--workspace", str(folder / "workspace")], size)
        terminal.wait_for("Data")
        wall.append(time.monotonic() - terminal.began)
        processor.append(terminal.end())
    return {"wall_s": min(wall), "processor_s": min(processor), "target_s": 0.6}


def keys(folder: Path, size: tuple[int, int], seconds: float, training: str | None) -> dict[str, Any]:
    """Every key makes another view or another representation, whose name is painted then."""
    workspace = folder / "workspace"
    if training:
        subprocess.run([*EVBENCH, "--workspace", str(workspace), "run", training, "--detach"], check=True)
    terminal = playing(folder, size, workspace)
    presses = [("v", "bins"), ("v", "merged"), ("v", "× polarities"), ("?", "everywhere"), ("q", "events per second")]
    times: list[float] = []
    until, number, restart = time.monotonic() + seconds, 0, time.monotonic() + SECONDS - 2
    while time.monotonic() < until:
        key, words = presses[number % len(presses)]
        terminal.press(key)
        times.append(terminal.wait_for(words))
        number += 1
        terminal.rest(0.15)
        if time.monotonic() > restart and number % len(presses) == 0:
            terminal.press("g ")
            terminal.wait_for("real time")
            restart = time.monotonic() + SECONDS - 2
    terminal.end()
    if training:
        for job in Store(open_workspace(workspace)).jobs():
            if not job.ended:
                engine.cancel(open_workspace(workspace), job.id)
    milliseconds = 1000 * np.array(times)
    return {
        "keys": len(times),
        "median_ms": float(np.median(milliseconds)),
        "p99_ms": float(np.quantile(milliseconds, 0.99)),
        "target_p99_ms": 50,
    }


def frames(folder: Path, size: tuple[int, int]) -> dict[str, Any]:
    terminal = playing(folder, size)
    process = psutil.Process(terminal.pid)
    terminal.rest(2)
    used = sum(process.cpu_times()[:2])
    seen = terminal.rest(10)
    used = sum(process.cpu_times()[:2]) - used
    terminal.end()
    shown = len(set(re.findall(rb"\+(\d+\.\d{3}) s", seen)))
    return {
        "frames_per_s": shown / 10,
        "target_frames_per_s": 25,
        "processor_ms_per_frame": 1000 * used / max(shown, 1),
        "bytes_per_frame": len(seen) // max(shown, 1),
    }


def memory(folder: Path, size: tuple[int, int], seconds: float) -> dict[str, Any]:
    terminal = playing(folder, size)
    process = psutil.Process(terminal.pid)
    # What is kept to draw faster has a bound, and has to reach it.
    for _ in range(6):
        terminal.press("g ")
        terminal.rest(SECONDS / 2)
    at, resident, until = [], [], time.monotonic() + seconds
    while time.monotonic() < until:
        terminal.press("g ")
        terminal.rest(SECONDS / 2)
        at.append(time.monotonic())
        resident.append(process.memory_info().rss / 1e6)
    terminal.end()
    slope = float(np.polyfit(np.array(at) - at[0], resident, 1)[0])
    return {
        "first_mb": resident[0],
        "last_mb": resident[-1],
        "most_mb": max(resident),
        "mb_per_hour": 3600 * slope,
        "samples": len(resident),
    }


def kill(folder: Path, size: tuple[int, int], training: str) -> dict[str, Any]:
    workspace = folder / "workspace"
    subprocess.run([*EVBENCH, "--workspace", str(workspace), "run", training, "--detach"], check=True)
    terminal = Terminal(["--workspace", str(workspace)], size)
    terminal.wait_for("Data")
    terminal.press("6")
    terminal.wait_for("running")
    terminal.rest(3)
    job = next(job for job in Store(open_workspace(workspace)).jobs() if job.state == "running")
    assert job.pid is not None
    os.kill(job.pid, signal.SIGKILL)
    said = terminal.wait_for("interrupted")
    terminal.end()
    return {"seconds": said, "target_s": 2}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("start", "keys", "frames", "memory", "kill"))
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--size", type=lambda text: tuple(map(int, text.split("x"))), default=SIZE)
    parser.add_argument("--training", help="A recipe that is trained at the same time.")
    parser.add_argument("--folder", type=Path, help="Where the recording and the workspace lie; a temporary folder.")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = chosen.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        # The tour is for people.
        os.environ["XDG_CONFIG_HOME"] = str(folder)
        (folder / "evbench").mkdir(exist_ok=True)
        (folder / "evbench" / "workbench.json").write_text('{"tour_offered": true}')
        match chosen.what:
            case "start":
                found = start(folder, chosen.size)
            case "keys":
                found = keys(folder, chosen.size, chosen.seconds, chosen.training)
            case "frames":
                found = frames(folder, chosen.size)
            case "kill":
                found = kill(folder, chosen.size, chosen.training or "bars-voxel-qat")
            case _:
                found = memory(folder, chosen.size, chosen.seconds)
    found |= {"size": "x".join(map(str, chosen.size)), "load": os.getloadavg()[0], "processors": os.cpu_count()}
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
