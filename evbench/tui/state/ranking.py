"""What the Quantise pane shows of a model's sensitivity: layers ranked by what rounding only them costs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from evbench.errors import ModelError
from evbench.jobs.parity_layers import maker_of
from evbench.jobs.sensitivity import KIND, sensitivity_of, submit_sensitivity
from evbench.tui.state.profiles import BUNDLED
from evbench.tui.state.tensors import TRAINING, WEIGHT

if TYPE_CHECKING:
    from evbench.jobs.store import Store


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the network that is rounded: `tensor` is its name as tensors have it. Costs are those of rounding
    nothing else: how far logits are off (root mean square), and points of accuracy beside the float network."""

    tensor: str
    off: float
    points: float
    share: float


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """Parts of a model, the most costly first; None where nobody has measured them. `about` says on what.

    `progress` is that of the newest measurement where it is queued or running, `problem` says why it failed.
    """

    choice: str
    parts: tuple[Part, ...] | None
    about: str = ""
    progress: float | None = None
    problem: str = ""


def read_ranking(store: Store, choice: str, name: str) -> Ranking:
    """The newest measurement of a model, which people call `name`. Raises ModelError where it cannot be read."""
    if choice.startswith(TRAINING):
        return Ranking(choice, None)
    found = sensitivity_of(store, None if choice == BUNDLED else choice)
    if found is None:
        return _unmeasured(store, choice, name)
    exact = found["float"]["accuracy"]
    most = max((part["only"]["logit_rms"] for part in found["parts"]), default=0.0) or 1.0
    parts = tuple(
        Part(
            part["layer"] + (WEIGHT if part["what"] == "weights" else ""),
            part["only"]["logit_rms"],
            100 * (part["only"]["accuracy"] - exact),
            part["only"]["logit_rms"] / most,
        )
        for part in found["parts"]
    )
    return Ranking(choice, parts, f"{found['windows']:,} {found['split']} windows")


def _unmeasured(store: Store, choice: str, name: str) -> Ranking:
    """What has become of the newest job that was to measure a model."""
    newest = next((job for job in store.jobs() if (job.kind, job.recipe) == (KIND, name)), None)
    if newest is None:
        return Ranking(choice, None)
    if not newest.ended:
        stages = store.stages(newest.id)
        return Ranking(choice, None, progress=sum(stage.progress for stage in stages) / max(len(stages), 1))
    return Ranking(choice, None, problem=newest.error or f"The measurement was {newest.state}")


def measure(store: Store, choice: str, data: Path | None) -> int:
    """Queue the measurement of a model; `data` is used where no job of this workspace made it. Returns the job's id.

    Raises ModelError for a training under way and where the model cannot be measured, JobError as submitting does.
    """
    if choice.startswith(TRAINING):
        raise ModelError("Sensitivity is measured once a training has ended", remedy="Choose a finished model with m")
    made = None if choice == BUNDLED else maker_of(store, Path(choice))
    if made is not None:
        job, approach = made
        return submit_sensitivity(store.workspace, str(job.id), None, approach)
    return submit_sensitivity(store.workspace, None if choice == BUNDLED else choice, data)
