"""Opens a recording by its content, whatever its suffix, and reads it in chunks; damage is reported, not fatal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from evbench.errors import RecordingError
from evbench.events.check import Check
from evbench.events.decoders import (
    aedat2,
    aedat3,
    aedat4,
    csv,
    dat,
    event_stream,
    hdf5,
    nmnist,
    numpy_file,
    prophesee_raw,
    rosbag,
)
from evbench.events.decoders.source import Source, read_head
from evbench.events.index import RecordingIndex, index_path, load_index, save_index
from evbench.events.stream import EventStream, SensorGeometry
from evbench.events.windows import Window, first_window_start, join, windows_of_chunks

_SNIFF_BYTES = 1 << 14


def _begins_with(magic: bytes, head: bytes) -> bool:
    return head.startswith(magic)


_OPENERS: tuple[tuple[Callable[[bytes], bool], Callable[[Path], Source]], ...] = (
    (lambda head: head.startswith(aedat2.MAGIC), aedat2.open_aedat2),
    (lambda head: head.startswith(aedat3.MAGIC), aedat3.open_aedat3),
    (lambda head: head.startswith(aedat4.MAGIC), aedat4.open_aedat4),
    (lambda head: head.startswith(event_stream.MAGIC), event_stream.open_event_stream),
    (lambda head: head.startswith(hdf5.MAGIC), hdf5.open_hdf5),
    (lambda head: head.startswith(numpy_file.NPY_MAGIC), numpy_file.open_npy),
    (lambda head: head.startswith(numpy_file.NPZ_MAGIC), numpy_file.open_npz),
    (prophesee_raw.looks_like_raw, prophesee_raw.open_raw),
    *((partial(_begins_with, magic), partial(rosbag.open_bag, form=form)) for form, magic in rosbag.MAGICS.items()),
    (dat.looks_like_dat, dat.open_dat),
    (csv.looks_like_csv, csv.open_csv),
    # Last, because it has no magic and goes by plausibility.
    (nmnist.looks_like_nmnist, nmnist.open_nmnist),
)


FORMATS = (
    "AEDAT 2.0, 3.1 or 4.0, Prophesee RAW (EVT2, EVT2.1, EVT3) or DAT, Event Stream 2, HDF5, NPZ, NPY, N-MNIST, a bag "
    "of ROS 1 or 2 with events, or CSV with a header line"
)
"""What evbench reads, for people."""


def open_recording(path: str | Path, *, cache: Path | None = None) -> Recording:
    """The recording in a file of one of `FORMATS`, told apart by content, or in a folder that ROS 2 wrote.

    `cache` is a folder that keeps an index of the recording, so that counts and a seek to a time cost no second pass
    over a long file. Raises RecordingError when the file cannot be read, is empty or has no format that evbench knows.
    """
    path = Path(path)
    if (path / rosbag.METADATA).is_file():
        return Recording(path, rosbag.open_bag(path, rosbag.ROS2_FOLDER), cache)
    if path.is_dir():
        raise RecordingError("A recording is a file", where=str(path), remedy="Name one file of this folder")
    head = read_head(path, _SNIFF_BYTES)
    if not head:
        raise RecordingError("The recording is empty: the file has no bytes", where=str(path), remedy="Record it again")
    for recognises, opener in _OPENERS:
        if recognises(head):
            return Recording(path, opener(path), cache)
    raise RecordingError(
        f"The file is no recording that evbench knows; it begins with {head[:12]!r}",
        where=f"{path}, byte 0",
        remedy=f"Give it {FORMATS}",
    )


class Recording:
    """One file of events. Nothing but the header is read before events, warnings or `info()` are asked for."""

    def __init__(self, path: Path, source: Source, cache: Path | None = None) -> None:
        self.path = path
        self._source = source
        self._cache = cache
        self._index: RecordingIndex | None = None
        self._late = 0

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
        late = f"{self._late} events came too late for their windows, which had been given out without them"
        return [*self._indexed().warnings, *([late] if self._late else [])]

    def chunks(self) -> Iterator[EventStream]:
        """The events, some ten thousand at a time: time in microseconds with wraps undone, coordinates outside the
        sensor dropped, order as recorded."""
        check = Check(self._source)
        for raw in self._source.chunks(check.notes.append, ()):
            chunk = check.take(raw)
            if len(chunk):
                yield chunk
        if self._index is None:
            self._index = RecordingIndex.of(check)
            if self._cache:
                save_index(self._index, index_path(self.path, self._cache))

    def read(self) -> EventStream:
        """All events in the order they were recorded. Raises RecordingError when there is not one."""
        chunks = list(self.chunks())
        if not chunks:
            raise self._without_events()
        return join(chunks)

    def windows(self, duration_us: int, *, start: int | None = None, stop: int | None = None) -> Iterator[Window]:
        """Windows of `duration_us` as `fixed_windows` cuts them, read chunk by chunk; memory does not grow with the
        recording.

        start and stop: microseconds; the first window holds `start`, and windows from `stop` on are left out. What
        lies before `start` is not read but for the first pass over the file, whose index a cache folder keeps.
        Raises RecordingError when the recording has no events.
        """
        index = self._indexed()
        if not index.places:
            raise self._without_events()
        if start is not None:
            start = first_window_start(start, duration_us)
        begin = 0 if start is None else index.first_from(start)
        complete = index.complete_until()[begin:].tolist()
        chunks = zip(self._chunks_from(index, begin), complete, strict=False)
        return windows_of_chunks(chunks, duration_us, start=start, stop=stop, on_late=self._note_late)

    def info(self) -> dict[str, Any]:
        """What `evbench events info --json` prints: format, sensor [w, h], events, on, off, t_first_us, t_last_us,
        monotonic, warnings. The times are None where there are no events."""
        return {
            "format": self.format,
            "sensor": [self.geometry.width, self.geometry.height],
            **self._indexed().counts,
            "warnings": self.warnings,
        }

    def _indexed(self) -> RecordingIndex:
        if self._index is None and self._cache:
            self._index = load_index(index_path(self.path, self._cache))
        if self._index is None:
            for _ in self.chunks():
                pass
        assert self._index is not None
        return self._index

    def _chunks_from(self, index: RecordingIndex, number: int) -> Iterator[EventStream]:
        if number >= len(index.places):
            return
        place = index.places[number]
        check = Check(self._source, place)
        for raw in self._source.chunks(_say_nothing, place.cursor):
            chunk = check.take(raw)
            if len(chunk):
                yield chunk

    def _note_late(self, events: int) -> None:
        self._late += events

    def _without_events(self) -> RecordingError:
        damage = "; ".join(note for note in self._indexed().warnings if not note.endswith("holds no event"))
        return RecordingError(
            "The recording is empty: it holds no event" + (f" ({damage})" if damage else ""),
            where=str(self.path),
            remedy="Record it again, or leave it out",
        )


def _say_nothing(_: str) -> None:
    """Damage is counted once, by the reading that made the index."""
