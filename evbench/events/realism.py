"""How like real recordings the simulated gestures are: the same figures of both, side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evbench.events.filters import background_activity
from evbench.events.gesture_motion import GESTURES
from evbench.events.gestures import SUBJECTS, simulate
from evbench.events.recording import open_recording
from evbench.events.stream import EventStream
from evbench.events.windows import in_time_order

WINDOW_US = 50_000
BINS = 5
ECHO_US = 2
"""Two like events of a pixel this close in time are one event sent twice."""
QUIET_HZ = 0.6
"""A pixel with fewer events a second saw noise only."""
_ALONE_US = 10_000


@dataclass(frozen=True, slots=True, eq=False)
class Figures:
    """Figures of one or several recordings of the same sensor.

    events: [windows] int64, per 50 ms window; nonzero: [windows] float64, percent of the voxel grid's cells (five bins,
    both polarities) that are not zero; count: mean of those that are not; on: share of ON events; echo: share of events
    that repeat the pixel's last one within 2 µs; interval_us: [n] int64, between two events of a pixel, echoes left
    out; alternating: share of those intervals whose two events are of opposite polarity; quiet_hz, quiet_on: events per
    second, and share of ON, of the pixels that fire less often than 0.6 Hz; alone_hz: events per pixel and second that
    no neighbour's event precedes by less than 10 ms.
    """

    events: NDArray[np.int64]
    nonzero: NDArray[np.float64]
    count: float
    on: float
    echo: float
    interval_us: NDArray[np.int64]
    alternating: float
    quiet_hz: float
    quiet_on: float
    alone_hz: float


def measure(streams: Iterable[EventStream]) -> Figures:
    """The figures of recordings, taken together; windows and events count alike whatever recording they are of.

    Raises ValueError when there is no recording.
    """
    parts = [_measure_one(in_time_order(stream)) for stream in streams if len(stream)]
    if not parts:
        raise ValueError("No recording with events to measure")

    def together(name: str) -> object:
        values = [getattr(part, name) for part in parts]
        return np.concatenate(values) if isinstance(values[0], np.ndarray) else float(np.mean(values))

    return Figures(**{field.name: together(field.name) for field in fields(Figures)})  # type: ignore[arg-type]


def table(columns: dict[str, Figures]) -> str:
    """The figures side by side, a column per name."""
    rows: list[tuple[str, Callable[[Figures], str]]] = [
        ("events per 50 ms window, 5 %", lambda f: f"{np.percentile(f.events, 5):.0f}"),
        ("  median", lambda f: f"{np.median(f.events):.0f}"),
        ("  95 %", lambda f: f"{np.percentile(f.events, 95):.0f}"),
        ("voxels not zero, 5 %", lambda f: f"{np.percentile(f.nonzero, 5):.2f} %"),
        ("  median", lambda f: f"{np.median(f.nonzero):.2f} %"),
        ("  95 %", lambda f: f"{np.percentile(f.nonzero, 95):.2f} %"),
        ("mean count of those", lambda f: f"{f.count:.2f}"),
        ("ON events", lambda f: f"{100 * f.on:.0f} %"),
        ("events sent twice", lambda f: f"{100 * f.echo:.0f} %"),
        ("interval of a pixel, 10 %", lambda f: f"{np.percentile(f.interval_us, 10) / 1000:.2f} ms"),
        ("  25 %", lambda f: f"{np.percentile(f.interval_us, 25) / 1000:.2f} ms"),
        ("  median", lambda f: f"{np.median(f.interval_us) / 1000:.1f} ms"),
        ("  75 %", lambda f: f"{np.percentile(f.interval_us, 75) / 1000:.0f} ms"),
        ("intervals between ON and OFF", lambda f: f"{100 * f.alternating:.0f} %"),
        ("noise of quiet pixels", lambda f: f"{f.quiet_hz:.3f} Hz"),
        ("  ON among it", lambda f: f"{100 * f.quiet_on:.0f} %"),
        ("events without neighbours", lambda f: f"{f.alone_hz:.2f} Hz"),
    ]
    width = max(len(name) for name, _ in rows)
    lines = [" " * width + "".join(f"{name:>20}" for name in columns)]
    lines += [f"{name:{width}}" + "".join(f"{show(f):>20}" for f in columns.values()) for name, show in rows]
    return "\n".join(lines)


def read_folder(folder: Path) -> Iterator[EventStream]:
    """Every recording in a folder and those below it."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.startswith("."):
            yield open_recording(path).read()


def simulated(subjects: Sequence[int] = range(SUBJECTS), seconds: float = 2.0) -> Iterator[EventStream]:
    """One recording of each of these people, the gestures taking turns."""
    for subject in subjects:
        yield simulate(subject, GESTURES[4 * subject % len(GESTURES)], seconds=seconds)


def _measure_one(stream: EventStream) -> Figures:
    geometry = stream.geometry
    pixels = geometry.width * geometry.height
    since = stream.t - stream.t[0]
    # The last window is as a rule cut short.
    windows = max(int(since[-1]) // WINDOW_US, 1)
    seconds = (int(since[-1]) + 1) / 1e6
    pixel = stream.y.astype(np.int64) * geometry.width + stream.x
    window = since // WINDOW_US
    cell = ((window * 2 + stream.on) * BINS + since % WINDOW_US * BINS // WINDOW_US) * pixels + pixel
    occupied, counts = np.unique(cell, return_counts=True)
    nonzero = np.bincount(occupied // (2 * BINS * pixels), minlength=windows)[:windows]

    order = np.lexsort((stream.t, pixel))
    t, at, on = stream.t[order], pixel[order], stream.on[order]
    echo = np.zeros(len(t), bool)
    echo[1:] = (at[1:] == at[:-1]) & (on[1:] == on[:-1]) & (np.diff(t) <= ECHO_US)
    t, at, on = t[~echo], at[~echo], on[~echo]
    same = at[1:] == at[:-1]

    rate = np.bincount(pixel, minlength=pixels) / seconds
    quiet = rate < QUIET_HZ
    noise = quiet[pixel]
    return Figures(
        events=np.bincount(window, minlength=windows)[:windows],
        nonzero=100.0 * nonzero / (2 * BINS * pixels),
        count=float(counts.mean()),
        on=float(stream.on.mean()),
        echo=float(echo.mean()),
        interval_us=np.diff(t)[same],
        alternating=float((on[1:] != on[:-1])[same].mean()) if same.any() else 0.0,
        quiet_hz=float(rate[quiet].mean()) if quiet.any() else 0.0,
        quiet_on=float(stream.on[noise].mean()) if noise.any() else 0.0,
        alone_hz=float(np.count_nonzero(~background_activity(stream, _ALONE_US)) / seconds / pixels),
    )
