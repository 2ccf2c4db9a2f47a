"""Tensors of a network that is still being trained with quantisation, as the training looks at them; without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from evbench.errors import JobError
from evbench.jobs.quantisation import moved
from evbench.jobs.store import Store
from evbench.quantize.movement import FILE, Movement, load_movement
from evbench.quantize.statistics import SCALES_FILE, ScaleRecord, load_scales

STAGE = "train"


@dataclass(frozen=True, slots=True, eq=False)
class TrainingTensors:
    """What is known of a training's tensors so far; `name` is what people call it."""

    name: str
    movement: Movement
    scales: ScaleRecord

    @property
    def steps(self) -> tuple[int, int]:
        """Looks and recorded scales, which tell a newer reading from an older one."""
        return len(self.movement.steps), len(self.scales.steps)

    def overview(self) -> dict[str, Any]:
        """As `quantisation.overview`, of the newest look; what only a finished model has is None."""
        return {
            "model": self.name,
            "observer": "in training",
            "tensors": [self._figures(name) for name in self.movement.names] if len(self.movement.steps) else [],
            "alarms": [],
        }

    def over_training(self, tensor: str) -> dict[str, Any]:
        """As `quantisation.over_training`, up to now."""
        return moved(self.name, self.movement, self.scales, tensor) | {"alarms": []}

    def _figures(self, name: str) -> dict[str, Any]:
        looks = self.movement.of(name)
        newest = {key: looks[key][-1] for key in ("zero_share", "scale", "range", "lost_share", "clip_share")}
        unknown = dict.fromkeys(("bimodality", "sqnr_db", "sqnr_active_db"))
        kind = "activation"
        return {"name": name, "kind": kind, "observer": "", "dtype": "u8", "flags": [], **newest, **unknown}


def running_trainings(store: Store) -> list[tuple[int, str, str]]:
    """Job, recipe and approach of trainings with quantisation that are under way, newest first."""
    found = []
    for job in store.jobs():
        if job.state == "running":
            for stage in store.stages(job.id):
                if stage.name == STAGE and stage.state == "running" and stage.approach.startswith("qat"):
                    found.append((job.id, job.recipe, stage.approach))
    return found


def training_tensors(store: Store, job_id: int, approach: str) -> TrainingTensors:
    """What a job's training with quantisation has recorded so far, also after it has ended.

    Raises JobError when the job has no such training or has not begun it, ModelError when a file is damaged.
    """
    job = store.job(job_id)
    stage = next((row for row in store.stages(job_id) if (row.name, row.approach) == (STAGE, approach)), None)
    if stage is None or not stage.digest:
        raise JobError(f"Job {job_id} has not begun to train {approach}", remedy=f"See `evbench jobs show {job_id}`")
    done = store.workspace.artifact_dir(stage.digest)
    folder = done if done.is_dir() else store.workspace.work_dir(stage.digest)
    name = f"{job.recipe} {approach}" + (", in training" if stage.state == "running" else "")
    return TrainingTensors(name, load_movement(folder / FILE), load_scales(folder / SCALES_FILE))
