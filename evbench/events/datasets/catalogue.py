"""Which labelled sets there are, what each needs, and how a recipe's name becomes one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from evbench.errors import RecordingError
from evbench.events import gestures
from evbench.events.datasets.dvs128_gesture import dvs128_gesture
from evbench.events.datasets.files import folder, nmnist_lists
from evbench.events.datasets.labelled import Dataset
from evbench.events.datasets.simulated import make_dataset, simulated_bars, simulated_gestures
from evbench.events.datasets.tonic_sets import PREFIX, TONIC_SETS, tonic_is_installed, tonic_set
from evbench.profiles import DatasetSettings

Loader = Callable[[Path, DatasetSettings], Dataset]


@dataclass(frozen=True, slots=True)
class Entry:
    """A set in the catalogue: what it shows, how it is split, and which files it needs where, "" for none.

    `ready` says whether the software that reads it is here; whether its files are is known once it is loaded.
    """

    name: str
    what: str
    split: str
    files: str
    ready: bool = True

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


_OWN = (
    Entry("simulated-bars", "bars that move in six ways, simulated", "by subject", ""),
    Entry(
        "simulated-gestures",
        "the eleven gestures of DVS128 Gesture, simulated people",
        "by subject",
        "made where they are missing; `evbench datasets make simulated-gestures`",
    ),
    Entry(
        "dvs128-gesture",
        "DVS128 Gesture as IBM ships it",
        "official, by subject",
        "DvsGesture.tar.gz: --data is its folder DvsGesture",
    ),
    Entry(
        "folder",
        "recordings of your own in any format",
        "as you sort them",
        "--data holds train/ and test/, in each CLASS.suffix or CLASS/*",
    ),
    Entry(
        "nmnist-lists",
        "N-MNIST samples named by lists",
        "as the lists say",
        "--data holds train*.txt and test*.txt, lines of sample and class, and SAMPLE.bin or .bs2",
    ),
)


def list_datasets() -> list[Entry]:
    """Every set a recipe can name."""
    installed = tonic_is_installed()
    return [
        *_OWN,
        *(
            Entry(f"{PREFIX}{name}", s.what, s.split, f"{s.archives}: --data holds {s.example}", installed)
            for name, s in TONIC_SETS.items()
        ),
    ]


def load_dataset(settings: DatasetSettings, data: Path | None) -> Dataset:
    """The set a recipe names.

    The files lie at `settings.path`, taken from `data` where both are given, or at `data`. Only file names are read
    here, not events; `prepare_dataset` makes the files of a set that can be made. Raises RecordingError where files are
    missing.
    """
    if settings.name == "simulated-bars":
        return simulated_bars()
    loaders: dict[str, Loader] = {
        "simulated-gestures": simulated_gestures,
        "dvs128-gesture": dvs128_gesture,
        "folder": folder,
        "nmnist-lists": nmnist_lists,
    }
    if dataset_folder(settings, data) is None:
        raise RecordingError(
            f"The dataset {settings.name!r} needs a folder",
            remedy="Name it with --data or as dataset.path; `evbench datasets list` says what belongs there",
        )
    root = (data or Path()) / (settings.path or "")
    if not root.is_dir():
        raise RecordingError("The dataset's folder does not exist", where=str(root), remedy="Correct --data")
    return loaders.get(settings.name, tonic_set)(root, settings)


def dataset_folder(settings: DatasetSettings, data: Path | None) -> Path | None:
    """The folder whose files the set is made of, None where nobody named one; other sets may lie beside it."""
    if data is None and settings.path is None:
        return None
    root = (data or Path()) / (settings.path or "")
    return root / settings.name.removeprefix(PREFIX) if settings.name.startswith(PREFIX) else root


def prepare_dataset(
    settings: DatasetSettings, data: Path | None, cache: Path, on_progress: Callable[[float, str], None] | None = None
) -> Path | None:
    """Where `load_dataset` finds the set: `data`, unless the set is simulated-gestures and nobody says where it lies.

    Then its recordings are made below `cache`, those that are not there yet. `on_progress` is told the share that is
    made, and of what. Raises RecordingError when they cannot be written.
    """
    if settings.name != "simulated-gestures" or data is not None or settings.path is not None:
        return data
    subjects, seconds = settings.subjects or gestures.SUBJECTS, settings.seconds or gestures.SECONDS
    return make_dataset(settings.name, None, cache, subjects, seconds, on_progress)[0]
