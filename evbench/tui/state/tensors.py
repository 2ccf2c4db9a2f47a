"""What the Quantise pane shows: models to choose from, the tensors of one, and what is known of a single tensor."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from evbench.jobs.quantisation import detail, over_training, overview, statistics_of
from evbench.jobs.training_tensors import TrainingTensors, running_trainings, training_tensors
from evbench.tui.state.profiles import BUNDLED, model_choices

if TYPE_CHECKING:
    from evbench.jobs.store import Store
    from evbench.quantize.statistics import ModelStatistics
    from evbench.tui.dialogs import Choice

TRAINING = "training"
"""The first word of a choice that is a training under way; the job's number and the approach follow."""

WEIGHT = ".weight"
"""What a weight tensor's name has behind its layer's."""

Listing = Literal["activations", "weights"]


@dataclass(frozen=True, slots=True, eq=False)
class ModelTensors:
    """The tensors of a finished model, which has `statistics`, or of one in training. `content` is the JSON of
    `overview`; `choice` names the model among the choices."""

    choice: str
    content: dict[str, Any]
    statistics: ModelStatistics | None
    training: TrainingTensors | None

    @property
    def name(self) -> str:
        return str(self.content["model"])

    @property
    def alarms(self) -> list[dict[str, Any]]:
        return list(self.content["alarms"])

    @property
    def in_training(self) -> bool:
        return self.training is not None

    def rows(self, listing: Listing) -> list[dict[str, Any]]:
        """The tensors of one kind, in the order of the layers; the input is among the activations."""
        return [row for row in self.content["tensors"] if (row["kind"] == "weight") == (listing == "weights")]

    def tensor_at(self, layer: str) -> str | None:
        """The tensor that a layer's or a tensor's name means; None where the model has none like it."""
        names = [row["name"] for row in self.content["tensors"]]
        return next((name for name in (layer, f"{layer}{WEIGHT}") if name in names), None)

    def differs(self, other: ModelTensors | None) -> bool:
        """Whether there is anything to draw anew."""
        if other is None or other.choice != self.choice or (self.training is None) != (other.training is None):
            return True
        return self.training is not None and other.training is not None and self.training.steps != other.training.steps


@dataclass(frozen=True, slots=True, eq=False)
class TensorState:
    """One tensor: the JSON of `detail`, which only a finished model has, and that of `over_training`."""

    choice: str
    name: str
    detail: dict[str, Any] | None
    movement: dict[str, Any]


def read_model(store: Store, choice: str) -> ModelTensors:
    """The tensors of a choice. Raises ModelError where there are no statistics, JobError for a training not begun."""
    if choice.startswith(TRAINING):
        _, job, approach = choice.split()
        training = training_tensors(store, int(job), approach)
        return ModelTensors(choice, training.overview(), None, training)
    name, statistics = statistics_of(lambda: store.workspace, None if choice == BUNDLED else choice)
    return ModelTensors(choice, overview(name, statistics), statistics, None)


def read_tensor(model: ModelTensors, tensor: str) -> TensorState:
    """One tensor of a model. Takes a tenth of a second or so: every observer looks for its range."""
    if model.training is not None:
        return TensorState(model.choice, tensor, None, model.training.over_training(tensor))
    assert model.statistics is not None
    return TensorState(
        model.choice,
        tensor,
        detail(model.name, model.statistics, tensor),
        over_training(model.name, model.statistics, tensor),
    )


def tensor_choices(store: Store) -> list[Choice]:
    """Trainings under way, models with statistics that jobs have left, newest job and last approach first, and the
    bundled model."""
    from evbench.quantize.statistics import FILE
    from evbench.tui.dialogs import Choice

    live = [
        Choice(f"{TRAINING} {job} {approach}", f"{approach} in training", f"job {job}, {recipe}, as it moves")
        for job, recipe, approach in running_trainings(store)
    ]
    bundled, *others = model_choices(store)
    made = [choice for choice in others if (Path(choice.value) / FILE).is_file()]
    newest_first = [choice for _, job in groupby(made, key=lambda choice: choice.remark) for choice in [*job][::-1]]
    return [*live, *newest_first, bundled]
