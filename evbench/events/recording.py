"""Opens a recording by its content, whatever its suffix, and reads it in chunks; damage is reported, not fatal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evbench.errors import RecordingError
from evbench.events.decoders import aedat2, aedat4, dat, nmnist
from evbench.events.decoders.source import RawChunk, Source, read_head
from evbench.events.stream import EventStream, SensorGeometry
from evbench.events.windows import Window, fixed_windows, join, windows_of_chunks

_SNIFF_BYTES = 1 << 14

_OPENERS: tuple[tuple[Callable[[bytes], bool], Callable[[Path], Source]], ...] = (
    (lambda head: head.startswith(aedat2.MAGIC), aedat2.open_aedat2),
    (lambda head: head.startswith(aedat4.MAGIC), aedat4.open_aedat4),
    (dat.looks_like_dat, dat.open_dat),
    # Last, because it has no magic and goes by plausibility.
    (nmnist.looks_like_nmnist, nmnist.open_nmnist),
)


_OTHERS = {b"Event Stream": "Event Stream", b"#!AER-DAT3": "AEDAT 3", b"#!AER-DAT1": "AEDAT 1", b"\x89HDF": "HDF5"}
"""Formats of events that are known by name only, so that plausibility does not take them for something else."""


def open_recording(path: str | Path) -> Recording:
    """The recording in a file: AEDAT 2.0, AEDAT 4.0, Prophesee DAT or N-MNIST, told apart by content.

    Raises RecordingError when the file cannot be read, is empty or has no format that evbench knows.
    """
    path = Path(path)
    if path.is_dir():
        raise RecordingError("A recording is a file", where=str(path), remedy="Name one file of this folder")
    head = read_head(path, _SNIFF_BYTES)
    if not head:
        raise RecordingError("The recording is empty: the file has no bytes", where=str(path), remedy="Record it again")
    other = next((f"is {name} and " for magic, name in _OTHERS.items() if head.startswith(magic)), "")
    for recognises, opener in _OPENERS:
        if not other and recognises(head):
            return Recording(path, opener(path))
    raise RecordingError(
        f"The file is no recording that evbench knows; it {other}begins with {head[:12]!r}",
        where=f"{path}, byte 0",
        remedy="Give it an AEDAT 2.0, AEDAT 4.0, Prophesee DAT or N-MNIST file",
    )


class Recording:
    """One file of events. Nothing but the header is read before events, warnings or `info()` are asked for."""

    def __init__(self, path: Path, source: Source) -> None:
        self.path = path
        self._source = source
        self._check: _Check | None = None

    @property
    def format(self) -> str:
        """The name of the file's format, such as "AEDAT 2.0"."""
        return self._source.format

    @property
    def geometry(self) -> SensorGeometry:
        """The sensor's size in pixels."""
        return self._source.geometry

    @property
    def warnings(self) -> list[str]:
        """What is wrong with the file, one sentence each; reads it to its end the first time."""
        return self._checked().warnings()

    def chunks(self) -> Iterator[EventStream]:
        """The events, some hundred thousand at a time: time in microseconds with wraps undone, coordinates outside
        the sensor dropped, order as recorded."""
        check = _Check(self._source)
        for raw in self._source.chunks(check.notes.append):
            chunk = check.take(raw)
            if len(chunk):
                yield chunk
        self._check = check

    def read(self) -> EventStream:
        """All events in the order they were recorded. Raises RecordingError when there is not one."""
        chunks = list(self.chunks())
        if not chunks:
            raise self._without_events()
        return join(chunks)

    def windows(self, duration_us: int) -> Iterator[Window]:
        """Windows of `duration_us` as `fixed_windows` cuts them, read chunk by chunk where time never runs backwards.

        Raises RecordingError when the recording has no events.
        """
        check = self._checked()
        if not check.events:
            raise self._without_events()
        if check.backwards:
            return fixed_windows(self.read(), duration_us)
        return windows_of_chunks(self.chunks(), duration_us)

    def info(self) -> dict[str, Any]:
        """What `evbench events info --json` prints: format, sensor [w, h], events, on, off, t_first_us, t_last_us,
        monotonic, warnings. The times are None where there are no events."""
        check = self._checked()
        return {
            "format": self.format,
            "sensor": [self.geometry.width, self.geometry.height],
            "events": check.events,
            "on": check.on,
            "off": check.events - check.on,
            "t_first_us": check.t_first,
            "t_last_us": check.t_last,
            "monotonic": check.backwards == 0,
            "warnings": check.warnings(),
        }

    def _checked(self) -> _Check:
        if self._check is None:
            for _ in self.chunks():
                pass
        assert self._check is not None
        return self._check

    def _without_events(self) -> RecordingError:
        damage = "; ".join(self._checked().notes)
        return RecordingError(
            "The recording is empty: it holds no event" + (f" ({damage})" if damage else ""),
            where=str(self.path),
            remedy="Record it again, or leave it out",
        )


class _Check:
    """One reading of a source: undoes wraps, drops what lies outside the sensor, and counts."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.notes: list[str] = list(source.notes)
        self.events = self.on = self.outside = self.backwards = 0
        self.t_first: int | None = None
        self.t_last: int | None = None
        self._first_outside = ""
        self._first_backwards = ""
        self._taken = 0
        self._turns = 0
        self._raw_last: int | None = None

    def take(self, raw: RawChunk) -> EventStream:
        """The chunk's events that lie on the sensor, counted."""
        geometry = self.source.geometry
        t = self._unrolled(raw.t)
        x, y, on = raw.x, raw.y, raw.on
        inside = (x >= 0) & (x < geometry.width) & (y >= 0) & (y < geometry.height)
        if not inside.all():
            if not self.outside:
                first = int(np.argmin(inside))
                self._first_outside = f"event {self._taken + first} at ({int(x[first])}, {int(y[first])})"
            self.outside += len(t) - int(np.count_nonzero(inside))
            t, x, y, on = t[inside], x[inside], y[inside], on[inside]
        self._taken += len(raw.t)
        if len(t):
            self._count(t, on)
        return EventStream(t, x.astype(np.uint16), y.astype(np.uint16), on, geometry)

    def warnings(self) -> list[str]:
        """Every kind of damage met, one sentence each."""
        geometry = self.source.geometry
        found = list(self.notes)
        if not self.events:
            found.append("the recording holds no event")
        if self.outside:
            found.append(
                f"{self.outside} events lie outside the {geometry.width}x{geometry.height} sensor and were dropped; "
                f"the first is {self._first_outside}"
            )
        if self.backwards:
            found.append(f"timestamps run backwards {self.backwards} times; the first is {self._first_backwards}")
        return found

    def _unrolled(self, t: NDArray[np.int64]) -> NDArray[np.int64]:
        """Times with a full turn added wherever the clock's counter fell by more than half of its range."""
        if not self.source.time_bits or not len(t):
            return t
        turn = 1 << self.source.time_bits
        before = np.concatenate([[t[0] if self._raw_last is None else self._raw_last], t[:-1]])
        step = t - before
        turns = self._turns + np.cumsum((step < -turn // 2).astype(np.int64) - (step > turn // 2).astype(np.int64))
        if self._turns == 0 and not turns.any():
            self._raw_last = int(t[-1])
            return t
        self._turns, self._raw_last = int(turns[-1]), int(t[-1])
        unrolled: NDArray[np.int64] = t + turns * turn
        return unrolled

    def _count(self, t: NDArray[np.int64], on: NDArray[np.bool_]) -> None:
        steps = np.diff(t, prepend=t[0] if self.t_last is None else self.t_last)
        back = steps < 0
        if back.any():
            if not self.backwards:
                at = int(np.argmax(back))
                self._first_backwards = f"event {self.events + at}, {-int(steps[at])} µs before the one ahead of it"
            self.backwards += int(np.count_nonzero(back))
        if self.t_first is None:
            self.t_first = int(t[0])
        self.t_last = int(t[-1])
        self.events += len(t)
        self.on += int(np.count_nonzero(on))
