"""What one reading of a recording found, kept so that the next one can seek to a time and need not count again."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evbench.events.check import Check, Place
from evbench.events.decoders import source

_VERSION = 2


@dataclass(frozen=True, slots=True)
class RecordingIndex:
    """Every chunk of a recording that has events, in file order; `counts` and `warnings` are those of `info`."""

    places: tuple[Place, ...]
    counts: dict[str, Any]
    warnings: tuple[str, ...]

    @classmethod
    def of(cls, check: Check) -> RecordingIndex:
        """The index of a reading that went through the whole recording."""
        return cls(tuple(check.places), check.counts(), tuple(check.warnings()))

    def first_from(self, t: int) -> int:
        """The number of the first chunk with an event at `t` or later, in microseconds; as many as there are if none
        has."""
        return next((number for number, place in enumerate(self.places) if place.t_max >= t), len(self.places))

    def complete_until(self) -> NDArray[np.int64]:
        """[chunks] int64: the time before which, once a chunk is read, no later chunk has an event."""
        earliest = np.array([place.t_min for place in self.places[1:]] + [np.iinfo(np.int64).max], np.int64)
        return np.minimum.accumulate(earliest[::-1])[::-1]


def index_path(recording: Path, cache: Path) -> Path:
    """Where the index of a recording lies within `cache`: named by path, size and time of change of the file, or of
    the files in the folder, and by the size of the chunks that it counts."""
    files = sorted(recording.iterdir()) if recording.is_dir() else [recording]
    changes = [f"{file.stat().st_size} {file.stat().st_mtime_ns}" for file in files]
    name = " ".join([str(_VERSION), str(source.CHUNK_BYTES), str(recording.resolve()), *changes])
    return cache / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.events-index.npz"


def save_index(index: RecordingIndex, path: Path) -> None:
    """Writes the index, complete or not at all; a folder that cannot be written is no reason to fail."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    rows = [(p.turns, p.last, p.t_min, p.t_max, p.events) for p in index.places]
    about = json.dumps({"counts": index.counts, "warnings": index.warnings})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as file:
                np.savez(
                    file,
                    cursors=np.array([p.cursor for p in index.places], np.int64),
                    rows=np.array(rows, np.int64).reshape(-1, 5),
                    about=np.array(about),
                )
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError:
        return


def load_index(path: Path) -> RecordingIndex | None:
    """What `save_index` wrote, or None where there is nothing that can be used."""
    try:
        with np.load(path, allow_pickle=False) as file:
            cursors, rows, about = file["cursors"], file["rows"], json.loads(str(file["about"]))
        places = (Place(tuple(cursor), *row) for cursor, row in zip(cursors.tolist(), rows.tolist(), strict=True))
        return RecordingIndex(tuple(places), about["counts"], tuple(about["warnings"]))
    except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile):
        return None
