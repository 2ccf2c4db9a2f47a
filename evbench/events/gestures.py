"""The simulated-gestures set: people who do not exist perform the eleven gestures of DVS128 Gesture before a simulated
DVS128.

The classes, their order and the split by subject (29 people: 23 to train, 6 to test) are those of Amir et al., "A low
power, fully event-based gesture recognition system", CVPR 2017. The recordings are not: no figure measured on them says
anything about DVS128 Gesture itself. People differ in measures, tempo, size, place, clothes, light and background, and
each recording in how its gesture is performed.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from evbench.errors import RecordingError
from evbench.events import camera, gesture_body, gesture_motion
from evbench.events.camera import Camera, film
from evbench.events.gesture_body import GEOMETRY, Body, Look, draw_wall, pictures
from evbench.events.gesture_motion import GESTURES, OTHERS, Manner, poses
from evbench.events.stream import EventStream
from evbench.events.writers import write_recording

SUBJECTS = 29
TEST_SUBJECTS = range(23, 29)
VALIDATION_SUBJECTS = range(20, 23)
TRAIN_SUBJECTS = range(20)
SECONDS = 4.0
STEP_US = 2_000
"""Between two pictures; the fastest hand moves less than a pixel in it."""

_SEED = 20_170_721
_MANIFEST = "simulated-gestures.json"


@dataclass(frozen=True, slots=True)
class Subject:
    """A person, their manner, what they wear in which room, and the camera before them."""

    body: Body
    manner: Manner
    look: Look
    camera: Camera


def draw_subject(number: int) -> Subject:
    """The person of that number, always the same."""
    rng = np.random.default_rng([_SEED, number])
    height, girth = rng.uniform(0.90, 1.08), rng.uniform(0.85, 1.20)
    scale = rng.uniform(72.0, 92.0)
    body = Body(
        upper_arm=0.29 * height * rng.uniform(0.96, 1.04),
        forearm=0.25 * height * rng.uniform(0.96, 1.04),
        hand=0.13 * height,
        shoulder=0.19 * height * rng.uniform(0.93, 1.07),
        girth=girth,
        scale=scale,
        neck=(64.0 + rng.uniform(-9.0, 9.0), 46.0 + rng.uniform(-7.0, 9.0)),
    )
    manner = Manner(
        speed=rng.uniform(0.75, 1.30),
        size=rng.uniform(0.75, 1.15),
        rush=rng.uniform(0.05, 0.25),
        swell=rng.uniform(0.03, 0.20),
        sway=rng.uniform(0.002, 0.012),
        follow=rng.uniform(0.0, 0.03),
        left_handed=bool(rng.random() < 0.12),
        own=OTHERS[int(rng.integers(len(OTHERS)))],
    )
    skin, shirt = rng.uniform(0.20, 0.62), math.exp(rng.uniform(math.log(0.06), math.log(0.85)))
    if abs(math.log(shirt / skin)) < 0.3:
        # Nobody could see the hands of somebody whose shirt has just their colour.
        shirt *= 0.55
    look = Look(
        skin=skin,
        shirt=shirt,
        sleeve=shirt * rng.uniform(0.75, 1.3),
        hair=rng.uniform(0.04, 0.45),
        long_sleeves=bool(rng.random() < 0.55),
        stripes=int(rng.integers(3, 7)) if rng.random() < 0.25 else 0,
        light=math.exp(rng.uniform(math.log(0.35), math.log(1.8))),
        slant=(rng.uniform(-0.5, 0.5), rng.uniform(-0.3, 0.3)),
        edge=rng.uniform(1.2, 2.4),
        wall=draw_wall(rng),
    )
    sensor = Camera(
        GEOMETRY,
        threshold=rng.uniform(0.31, 0.43),
        mismatch=0.08,
        off_ratio=rng.uniform(0.95, 1.15),
        refractory_us=6_000,
        refractory_spread=0.6,
        bandwidth_hz=200.0,
        leak_hz=rng.uniform(0.02, 0.08),
        noise_hz=rng.uniform(0.08, 0.35),
        hot_pixels=int(rng.integers(0, 8)),
        hot_hz=8.0,
        jitter_us=60.0,
        echo=rng.uniform(0.05, 0.14),
        rebound=rng.uniform(0.35, 0.65),
        rebound_us=rng.uniform(700.0, 1_400.0),
        seed=_SEED + number,
    )
    return Subject(body, manner, look, sensor)


def simulate(subject: int, gesture: str, *, seconds: float = SECONDS) -> EventStream:
    """One subject's recording of one of GESTURES, always the same for the three: times from 0, in microseconds."""
    rng = np.random.default_rng([_SEED, subject, GESTURES.index(gesture)])
    person = draw_subject(subject)
    performed = poses(gesture, person.body, person.manner, seconds, STEP_US, rng)
    return film(person.camera, pictures(person.body, person.look, performed), STEP_US, rng)


def recording_name(subject: int, gesture: str) -> str:
    """Where a recording lies below the set's folder."""
    return f"subject-{subject + 1:02d}/{gesture}.dat"


def chosen_subjects(subjects: int) -> tuple[int, ...]:
    """Which people a set of so many has: of each split its share, at least one. Raises ValueError outside 3 to 29."""
    if not 3 <= subjects <= SUBJECTS:
        raise ValueError(f"A simulated set has 3 to {SUBJECTS} subjects, not {subjects}")
    test = max(round(subjects * len(TEST_SUBJECTS) / SUBJECTS), 1)
    validation = max(round(subjects * len(VALIDATION_SUBJECTS) / SUBJECTS), 1)
    train = subjects - test - validation
    return (*TRAIN_SUBJECTS[:train], *VALIDATION_SUBJECTS[:validation], *TEST_SUBJECTS[:test])


def make_simulated_gestures(
    folder: Path,
    subjects: int = SUBJECTS,
    seconds: float = SECONDS,
    on_progress: Callable[[float, str], None] | None = None,
    *,
    processes: int | None = None,
) -> list[Path]:
    """Writes a set's recordings below `folder` as Prophesee DAT, one per subject and gesture, and returns their paths.

    Recordings that this very simulator has already written there with the same length are kept; those of another
    length or version are made anew. `on_progress` is told the share that is done, and of what. As many processes
    work as there are processors, unless `processes` says otherwise.
    Raises RecordingError when the folder holds other things or cannot be written, or the set's measures make no sense.
    """
    try:
        people = chosen_subjects(subjects)
    except ValueError as error:
        raise RecordingError(str(error), remedy="Choose another --subjects") from None
    if not 0.1 <= seconds <= 600.0:
        raise RecordingError(f"A recording of {seconds:g} s cannot be made", remedy="Choose 0.1 to 600 --seconds")
    try:
        _prepare(folder, seconds)
        wanted = [(subject, gesture) for subject in people for gesture in GESTURES]
        missing = [one for one in wanted if not (folder / recording_name(*one)).is_file()]
        for subject in people:
            (folder / f"subject-{subject + 1:02d}").mkdir(exist_ok=True)
    except OSError as error:
        raise RecordingError(
            f"The simulated recordings cannot be written: {error.strerror or error}", where=str(folder)
        ) from None
    done = len(wanted) - len(missing)
    workers = min(processes or len(os.sched_getaffinity(0)), max(len(missing), 1))
    jobs = [(subject, gesture, seconds, folder / recording_name(subject, gesture)) for subject, gesture in missing]

    def tell(name: str) -> None:
        if on_progress is not None:
            on_progress(done / len(wanted), name)

    if workers == 1:
        for job in jobs:
            name = _make(job)
            done += 1
            tell(name)
    else:
        # Processes begun anew: a fork of one that has threads, as the workbench has, may hang.
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            try:
                for name in pool.map(_make, jobs):
                    done += 1
                    tell(name)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
    return [folder / recording_name(*one) for one in wanted]


def made_subjects(folder: Path) -> tuple[int, ...]:
    """The people whose recordings are all in `folder`. Raises RecordingError when it is no simulated set."""
    manifest = folder / _MANIFEST
    if not manifest.is_file():
        raise RecordingError(
            "The folder holds no simulated gestures",
            where=str(manifest),
            remedy="Make them with `evbench datasets make simulated-gestures`",
        )
    return tuple(
        subject
        for subject in range(SUBJECTS)
        if all((folder / recording_name(subject, gesture)).is_file() for gesture in GESTURES)
    )


def version() -> str:
    """Names what the simulator's recordings depend on: a hash of its source."""
    sha = hashlib.sha256()
    for module in (camera.__file__, gesture_body.__file__, gesture_motion.__file__, __file__):
        sha.update(Path(module).read_bytes())
    return sha.hexdigest()[:16]


def _make(job: tuple[int, str, float, Path]) -> str:
    subject, gesture, seconds, path = job
    write_recording(simulate(subject, gesture, seconds=seconds), path)
    return recording_name(subject, gesture)


def _prepare(folder: Path, seconds: float) -> None:
    """Makes the folder, or clears it of recordings that would be made otherwise today."""
    manifest = folder / _MANIFEST
    content = {"simulated": True, "seconds": seconds, "version": version(), "classes": list(GESTURES)}
    folder.mkdir(parents=True, exist_ok=True)
    if manifest.is_file():
        try:
            same = json.loads(manifest.read_text()) == content
        except ValueError:
            same = False
        if same:
            return
        for subject in range(SUBJECTS):
            for gesture in GESTURES:
                (folder / recording_name(subject, gesture)).unlink(missing_ok=True)
    elif any(folder.iterdir()):
        raise RecordingError(
            "The folder holds something else than simulated gestures",
            where=str(folder),
            remedy="Name an empty folder, or one that does not exist yet",
        )
    temporary = manifest.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text(json.dumps(content, indent=1) + "\n")
    temporary.replace(manifest)
