"""What the Train pane shows of one run: curves over epochs, how far each training is, scales, confusion matrices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from evbench.tui.state.job import Curve, JobDetail, read_job
from evbench.tui.state.queue import FINISHED

if TYPE_CHECKING:
    from evbench.jobs.store import JobRow, StageRow, StageState, Store
    from evbench.jobs.trainings import EpochFigures, FoundConfusion

Quantity = Literal["loss", "accuracy"]

_RECENT = 200
"""So many of the latest steps say how fast a training goes."""

_SCALE = "scale/"


@dataclass(frozen=True, slots=True, eq=False)
class TrainingCurve:
    """A figure of one approach over epochs; `split` it was taken on. epochs, values: [N].

    A `level` was reached without epochs, by calibration.
    """

    approach: str
    quantity: Quantity
    split: Literal["train", "validation"]
    epochs: NDArray[np.float64]
    values: NDArray[np.float64]
    level: bool = False


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """How far the training of one approach is; `epoch` are finished ones, `epochs` is 0 where none are trained.

    Figures are the newest there are, None before the first; accuracies from 0 to 1.
    """

    approach: str
    state: StageState
    share: float
    epoch: int
    epochs: int
    seconds_left: float | None
    loss: float | None
    validation_loss: float | None
    accuracy: float | None
    validation_accuracy: float | None
    test_accuracy: float | None
    learning_rate: float | None


@dataclass(frozen=True, slots=True, eq=False)
class ScaleRow:
    """The scale of a tensor while it was trained with quantisation. values: [N]."""

    approach: str
    tensor: str
    values: NDArray[np.float64]

    @property
    def drift(self) -> float:
        """How far it moved over the last tenth of what was recorded: 0.02 is 2 % up."""
        before = self.values[-1 - max(1, len(self.values) // 10)] if len(self.values) > 1 else self.values[-1]
        return float(self.values[-1] / before - 1) if before else 0.0


@dataclass(frozen=True, slots=True, eq=False)
class TrainState:
    """One run as the Train pane shows it; `in_epochs` says whether curves go over epochs, or steps yet."""

    detail: JobDetail
    rows: tuple[TrainingRow, ...] = ()
    curves: tuple[TrainingCurve, ...] = ()
    scales: tuple[ScaleRow, ...] = ()
    confusion: Mapping[str, FoundConfusion] = field(default_factory=dict)
    in_epochs: bool = True

    @property
    def job_id(self) -> int:
        return self.detail.job_id

    def differs(self, other: TrainState | None) -> bool:
        """Whether there is anything to draw anew."""
        if other is None or self.detail.differs(other.detail):
            return True
        return (self.rows, self.confusion) != (other.rows, other.confusion)

    def of(self, quantity: Quantity) -> tuple[TrainingCurve, ...]:
        """The curves of a quantity that have points."""
        return tuple(curve for curve in self.curves if curve.quantity == quantity and len(curve.values))


def read_training(store: Store, job_id: int, now: float, before: TrainState | None = None) -> TrainState:
    """One run as it is at `now`; of its metrics only what has been added since `before` is read.

    Raises JobError where the job is missing or runs no recipe.
    """
    from evbench.jobs import trainings

    job = store.job(job_id)
    detail = read_job(store, job_id, before.detail if before else None, log=False)
    length = trainings.steps_per_epoch(store.workspace, job, detail.stages)
    epochs = trainings.epochs_by_approach(job, detail.stages)
    learning = trainings.learning_stages(detail.stages)
    curves = tuple(
        curve
        for stage in learning
        for planned in [epochs.get(stage.approach, 0)]
        for curve in _curves(detail, stage, length, planned, trainings.history_of(store.workspace, stage, planned))
    )
    rows = tuple(_row(job, detail, stage, length, epochs.get(stage.approach, 0), curves, now) for stage in learning)
    scales = tuple(
        ScaleRow(curve.approach, curve.metric.removeprefix(_SCALE), curve.values)
        for curve in detail.curves.values()
        if curve.metric.startswith(_SCALE)
    )
    confusion = trainings.confusion_by_approach(store.workspace, detail.stages)
    return TrainState(detail, rows, curves, scales, confusion, length is not None)


def _curves(
    detail: JobDetail, stage: StageRow, length: int | None, epochs: int, history: tuple[EpochFigures, ...]
) -> list[TrainingCurve]:
    """The four curves of an approach. A training that another job has run left no metrics here but its history."""
    found: list[TrainingCurve] = []
    splits: tuple[Literal["train", "validation"], ...] = ("train", "validation")
    quantities: tuple[Quantity, ...] = ("loss", "accuracy")
    for quantity in quantities:
        for split in splits:
            metric = quantity if split == "train" else f"validation_{quantity}"
            curve = detail.curves.get(f"{stage.approach}/{metric}")
            if curve is None:
                kept = [(entry.epoch, entry.figures[metric]) for entry in history if metric in entry.figures]
                x, y = np.array(kept, np.float64).reshape(-1, 2).T
            elif epochs == 0:
                # What calibration came to is held against the others, all along.
                most = max((c.steps[-1] for c in detail.curves.values() if c.metric == "loss"), default=1.0)
                x, y = np.array([0.0, (most + 1) / (length or 1)]), np.repeat(curve.values[-1:], 2)
            else:
                x, y = curve.steps / (length or 1), curve.values
            found.append(TrainingCurve(stage.approach, quantity, split, x, y, level=curve is not None and epochs == 0))
    return found


def _row(
    job: JobRow,
    detail: JobDetail,
    stage: StageRow,
    length: int | None,
    epochs: int,
    curves: tuple[TrainingCurve, ...],
    now: float,
) -> TrainingRow:
    newest = {
        ("validation_" if curve.split == "validation" else "") + curve.quantity: float(curve.values[-1])
        for curve in curves
        if curve.approach == stage.approach and len(curve.values)
    }
    for metric in ("learning_rate", "test_accuracy"):
        if (curve := detail.curves.get(f"{stage.approach}/{metric}")) is not None:
            newest[metric] = float(curve.values[-1])
    finished = stage.state in FINISHED
    loss = detail.curves.get(f"{stage.approach}/loss")
    steps = epochs * length if length else 0
    done = 0 if loss is None else int(loss.steps[-1]) + 1
    share = 1.0 if finished else min(done / steps, 1.0) if steps else stage.progress
    goes_on = stage.state == "running" and job.state == "running"
    return TrainingRow(
        stage.approach,
        "failed" if stage.state == "running" and not goes_on and job.state != "queued" else stage.state,
        share,
        epochs if finished else done // length if length else 0,
        epochs,
        _seconds_left(loss, steps, now) if goes_on and loss is not None and steps else None,
        loss=newest.get("loss"),
        validation_loss=newest.get("validation_loss"),
        accuracy=newest.get("accuracy"),
        validation_accuracy=newest.get("validation_accuracy"),
        test_accuracy=newest.get("test_accuracy"),
        learning_rate=newest.get("learning_rate") if goes_on else None,
    )


def _seconds_left(loss: Curve, steps: int, now: float) -> float | None:
    """How long the rest of `steps` takes if they go as the latest ones went; None where too few say how fast."""
    times, done = loss.times[-_RECENT:], loss.steps[-_RECENT:]
    if len(times) < 3 or times[-1] <= times[0]:
        return None
    pace = (times[-1] - times[0]) / (done[-1] - done[0])
    since = max(0.0, now - times[-1])
    return float(max(0.0, pace * (steps - done[-1] - 1) - since))
