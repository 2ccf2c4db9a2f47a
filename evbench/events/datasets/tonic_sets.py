"""The sets that tonic reads, through one adapter. tonic is GPL-3, optional, and imported by nothing but this module.

tonic is given the folder that holds one folder per set, as its own documentation has it, and never downloads or unpacks
anything here. It lists the files of a set when the set is loaded and reads a recording when it is asked for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.recfunctions import unstructured_to_structured
from numpy.typing import NDArray

from evbench.errors import RecordingError
from evbench.events.datasets.labelled import BOX, Dataset, LabelledRecording, Split
from evbench.events.datasets.splits import TEST_SHARE, VALIDATION_SHARE, held_out
from evbench.events.stream import EventStream, SensorGeometry
from evbench.events.windows import in_time_order
from evbench.profiles import DatasetSettings

PREFIX = "tonic:"


@dataclass(frozen=True, slots=True)
class TonicSet:
    """What tonic does not say of one of its sets.

    archives: the downloads; example: a file that is there once they are unpacked, below the folder of all sets;
    official: whether the set is published in a training and a test part; boxes: what its boxes are around, where it has
    boxes in place of classes.
    """

    what: str
    geometry: SensorGeometry
    archives: str
    example: str
    official: bool = False
    boxes: str = ""

    @property
    def split(self) -> str:
        """How test and training come about."""
        if self.official:
            return "official"
        return "by archive" if self.example.startswith("NERDD") else "by sample, seeded"


TONIC_SETS: Mapping[str, TonicSet] = {
    "ASLDVS": TonicSet(
        "24 hand signs, five people",
        SensorGeometry(240, 180),
        "ASLDVS.zip, and the .zip files in it",
        "ASLDVS/a/a_0001.mat",
    ),
    "CIFAR10DVS": TonicSet(
        "CIFAR-10 pictures moved on a screen",
        SensorGeometry(128, 128),
        "CIFAR10DVS.zip, and the .zip files in it",
        "CIFAR10DVS/cat/cat_0.aedat4",
    ),
    "DVSGesture": TonicSet(
        "DVS128 Gesture cut into gestures, times in milliseconds",
        SensorGeometry(128, 128),
        "ibmGestureTrain.tar.gz and ibmGestureTest.tar.gz",
        "DVSGesture/ibmGestureTrain/user01_fluorescent/0.npy",
        official=True,
    ),
    "DVSLip": TonicSet(
        "100 spoken words",
        SensorGeometry(128, 128),
        "DVS-Lip.zip",
        "DVSLip/DVS-Lip/train/accused/0.npy",
        official=True,
    ),
    "EBSSA": TonicSet(
        "satellites in the night sky, as boxes",
        SensorGeometry(304, 240),
        "labelled_ebssa.h5",
        "EBSSA/labelled_ebssa.h5",
        boxes="object",
    ),
    "NCALTECH101": TonicSet(
        "Caltech-101 pictures before a moving sensor",
        SensorGeometry(240, 180),
        "N-Caltech101-archive.zip, and Caltech101.zip in it",
        "NCALTECH101/Caltech101/airplanes/image_0001.bin",
    ),
    "NERDD": TonicSet(
        "drones in flight, as boxes",
        SensorGeometry(1280, 720),
        "NeRDD.zip",
        "NERDD/DATA/archive_0/0/Event/output_events.npz",
        boxes="drone",
    ),
    "NMNIST": TonicSet(
        "handwritten digits before a moving sensor",
        SensorGeometry(34, 34),
        "train.zip and test.zip",
        "NMNIST/Train/0/00002.bin",
        official=True,
    ),
    "POKERDVS": TonicSet(
        "pips of playing cards",
        SensorGeometry(35, 35),
        "pips_train.tar.gz and pips_test.tar.gz",
        "POKERDVS/pips_train/cl/0.npy",
        official=True,
    ),
}


def tonic_is_installed() -> bool:
    """Whether the extra is there; does not import it."""
    return find_spec("tonic") is not None


def tonic_set(root: Path, settings: DatasetSettings) -> Dataset:
    """The set named behind "tonic:" in the folder `root` that holds the folders of all of tonic's sets.

    Official splits are kept; other sets are cut by a seeded choice of samples, or of sessions where the set tells them,
    and so is validation out of training. Events outside the sensor are dropped. Raises RecordingError where tonic is
    not installed or files are missing.
    """
    name = settings.name.removeprefix(PREFIX)
    about = TONIC_SETS[name]
    if about.official:
        training, test = (_samples(name, root, part) for part in ("train", "test"))
    else:
        training, test = _without(_samples(name, root, ""), TEST_SHARE)
    training, validation = _without(training, VALIDATION_SHARE)
    parts: tuple[tuple[Split, list[_Sample]], ...] = (("train", training), ("validation", validation), ("test", test))
    samples = {sample.name: sample for _, part in parts for sample in part}
    recordings = tuple(
        LabelledRecording(None, sample.label, split, sample.session, sample.name)
        for split, part in parts
        for sample in part
    )
    return Dataset(
        settings.name,
        training[0].classes,
        about.geometry,
        recordings,
        reader=lambda recording: _read(samples[recording.name], about.geometry),
        boxes=(lambda recording: _boxes(samples[recording.name])) if about.boxes else None,
    )


@dataclass(frozen=True, slots=True)
class _Sample:
    """Number `number` of one of tonic's datasets; `classes` are those of the dataset."""

    opened: Any
    number: int
    name: str
    label: int
    session: str
    classes: tuple[str, ...]

    def load(self) -> tuple[Any, Any]:
        """Events and target as tonic has them."""
        try:
            events, target = self.opened[self.number]
        except ImportError as error:
            raise _not_installed(error) from None
        except Exception as error:  # tonic does not say what its readers raise on a damaged file
            raise RecordingError(
                f"tonic cannot read the recording: {error!r}", where=self.name, remedy="Download it again, or remove it"
            ) from None
        return events, target


def _samples(name: str, root: Path, part: str) -> list[_Sample]:
    """All samples of a set, or of its part "train" or "test", by name: tonic's own order is that of the disk."""
    about = TONIC_SETS[name]
    opened = _open(name, root, part)
    targets = [0] * len(opened) if about.boxes else list(opened.targets)
    classes = (about.boxes,) if about.boxes else tuple(getattr(opened, "classes", sorted(set(targets))))
    samples: list[_Sample] = []
    seen: Counter[int] = Counter()
    for number, (entry, target) in enumerate(zip(getattr(opened, "keys", opened.data), targets, strict=True)):
        label = classes.index(target) if isinstance(target, str) else int(target)
        seen[label] += 1
        path = entry[0] if isinstance(entry, tuple) else entry
        called = (
            path.removeprefix(f"{root}/") if isinstance(path, str) else f"{part} {classes[label]} {seen[label]:03d}"
        )
        session = called
        if isinstance(entry, tuple):
            session = f"archive {entry[2]}"
        elif hasattr(opened, "users"):
            session = f"user{opened.users[number]:02d}"
        samples.append(_Sample(opened, number, called, label, session, classes))
    return sorted(samples, key=lambda sample: sample.name)


def _open(name: str, root: Path, part: str) -> Any:
    """tonic's dataset, made to believe that its files are there and whole: otherwise it would download them."""
    try:
        import tonic.datasets
    except ImportError as error:
        raise _not_installed(error) from None
    known = getattr(tonic.datasets, name)
    offline = type(name, (known,), dict.fromkeys(("_check_exists", "_check_extracted"), lambda _: True))
    arguments = {"train": part == "train"} if part else {}
    about, folder = TONIC_SETS[name], root / name
    try:
        opened = offline(str(folder if name == "NERDD" else root), **arguments)
        if len(opened):
            return opened
    except FileNotFoundError:
        pass
    except Exception as error:  # each set has its own way to fail on a file that does not belong to it
        raise RecordingError(
            f"tonic cannot make sense of the files of {name}: {error!r}",
            where=str(folder),
            remedy=f"Keep there only what {about.archives} holds",
        ) from None
    source = next(
        (f" from {getattr(known, key)}" for key in ("base_url", f"{part}_url", "url") if hasattr(known, key)), ""
    )
    raise RecordingError(
        f"The {part} recordings of {PREFIX}{name} are not there".replace("  ", " "),
        where=str(folder),
        remedy=f"Download {about.archives} by hand{source} and unpack so that {about.example} lies in {root}",
    )


def _without(samples: list[_Sample], share: float) -> tuple[list[_Sample], list[_Sample]]:
    """The samples that stay and those that are held out."""
    out = held_out([sample.session for sample in samples], [sample.label for sample in samples], share)
    numbered = list(enumerate(samples))
    return [s for number, s in numbered if number not in out], [s for number, s in numbered if number in out]


def _read(sample: _Sample, geometry: SensorGeometry) -> EventStream:
    events, _ = sample.load()
    # Coordinates may be signed and polarity bool: both are looked at before they are cast.
    t, x, y, polarity = (np.asarray(events[field]).ravel() for field in ("t", "x", "y", "p"))
    inside = (x >= 0) & (x < geometry.width) & (y >= 0) & (y < geometry.height)
    if not inside.any():
        raise RecordingError("The recording holds no event", where=sample.name, remedy="Remove it")
    return in_time_order(EventStream.from_arrays(t[inside], x[inside], y[inside], polarity[inside], geometry))


def _boxes(sample: _Sample) -> NDArray[Any]:
    """[N] BOX: EBSSA counts microseconds from the first event, NeRDD writes times as its text files have them."""
    _, target = sample.load()
    found = target["bbox"] if "bbox" in target else target["bboxes"]
    if found is None:
        return np.zeros(0, BOX)
    if found.dtype.names is None:
        return unstructured_to_structured(found.reshape(-1, 5), BOX)
    boxes = np.zeros(len(found), BOX)
    for field in BOX.names or ():
        boxes[field] = found[field]
    return boxes


def _not_installed(error: ImportError) -> RecordingError:
    return RecordingError(
        f"Sets that tonic reads need the Python package {error.name}, which is not installed",
        remedy="pip install 'evbench[tonic]'; tonic is under the GPL-3",
    )
