"""What is known of the trainings of a run while they go on and afterwards, read from its stages and what they wrote."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evbench.graph.card import CARD
from evbench.jobs.models import MODEL
from evbench.jobs.run_comparison import recipe_of
from evbench.jobs.stages.train import batches_per_epoch, epochs_of
from evbench.jobs.store import JobRow, StageRow
from evbench.workspace import Workspace

LEARNING = ("train", "quantise")
"""The stages that make weights."""


@dataclass(frozen=True, slots=True)
class EpochFigures:
    """Figures of one finished epoch, the first is number 1; missing ones are not kept for it."""

    epoch: int
    figures: dict[str, float]


@dataclass(frozen=True, slots=True)
class FoundConfusion:
    """Confusion matrices of one approach, [classes][classes] counts, and on which split: in training, validation."""

    approach: str
    classes: tuple[str, ...]
    window: tuple[tuple[int, ...], ...]
    recording: tuple[tuple[int, ...], ...]
    split: str
    epoch: int | None = None


def learning_stages(stages: Iterable[StageRow]) -> list[StageRow]:
    """The stages that make weights, one per approach."""
    return [stage for stage in stages if stage.name in LEARNING]


def epochs_by_approach(job: JobRow, stages: Iterable[StageRow]) -> dict[str, int]:
    """How many epochs each approach of a run trains; calibration has none."""
    recipe = recipe_of(job)
    names: Any = [stage.approach for stage in stages if stage.name == "train"]
    return {name: epochs_of(name, recipe) for name in names}


def steps_per_epoch(workspace: Workspace, job: JobRow, stages: Iterable[StageRow]) -> int | None:
    """How many batches an epoch of a run has; None until its windows have been made."""
    made = next((stage for stage in stages if stage.name == "dataset"), None)
    content = _read(_artifact(workspace, made) / "dataset.json") if made and made.digest else None
    return batches_per_epoch(content["splits"]["train"]["windows"], recipe_of(job)) if content else None


def history_of(workspace: Workspace, stage: StageRow, epochs: int) -> tuple[EpochFigures, ...]:
    """The epochs of a finished training, also of one that another job has run; none before it is finished.

    A training that goes on from another one's weights has only the last of its `epochs`.
    """
    content = _read(_artifact(workspace, stage) / "training.json") if stage.digest and stage.name == "train" else None
    entries = content["history"] if content else []
    first = epochs - len(entries) + 1
    return tuple(EpochFigures(number, dict(figures)) for number, figures in enumerate(entries, first))


def history_by_approach(
    workspace: Workspace, job: JobRow, stages: Iterable[StageRow]
) -> dict[str, list[dict[str, Any]]]:
    """The epochs of every finished training of a run, each with its number and its figures."""
    listed = list(stages)
    epochs = epochs_by_approach(job, listed)
    found = {
        name: history_of(workspace, stage, epochs[name])
        for stage in listed
        if (name := stage.approach) in epochs and stage.name == "train"
    }
    return {
        name: [{"epoch": each.epoch, **each.figures} for each in entries] for name, entries in found.items() if entries
    }


def confusion_by_approach(workspace: Workspace, stages: Iterable[StageRow]) -> dict[str, FoundConfusion]:
    """The newest confusion matrices of every approach: on test once it is exported, before that on validation."""
    listed = list(stages)
    classes: tuple[str, ...] = ()
    for stage in listed:
        if stage.name == "dataset" and stage.digest:
            classes = tuple((_read(_artifact(workspace, stage) / "dataset.json") or {}).get("classes", ()))
    found: dict[str, FoundConfusion] = {}
    for stage in listed:
        content = _figures(workspace, stage) if stage.digest else None
        if content is not None and "confusion" in content:
            both = {name: tuple(map(tuple, content["confusion"][name])) for name in ("window", "recording")}
            split = "test" if stage.name == "export" else "validation"
            found[stage.approach] = FoundConfusion(stage.approach, classes, **both, split=split, epoch=content["epoch"])
    return found


def _figures(workspace: Workspace, stage: StageRow) -> dict[str, Any] | None:
    """`Accuracy.to_json()` of a stage that measures, with the epoch in training; None for others and before that."""
    if stage.name == "export":
        card = _read(_artifact(workspace, stage) / MODEL / CARD)
        return {**card["metrics"]["accuracy"], "epoch": None} if card else None
    if stage.name not in LEARNING:
        return None
    record = _read(_artifact(workspace, stage) / "training.json")
    if record:
        return {**record["validation"], "epoch": record["epoch"] if stage.name == "train" else None}
    return _read(workspace.work_dir(stage.digest or "") / "checkpoints" / "validation.json")


def _artifact(workspace: Workspace, stage: StageRow) -> Path:
    return workspace.artifact_dir(stage.digest or "")


def _read(path: Path) -> dict[str, Any] | None:
    """A JSON file that may not be there, or no longer, because its stage goes on meanwhile."""
    with suppress(FileNotFoundError, NotADirectoryError):
        content: dict[str, Any] = json.loads(path.read_text())
        return content
    return None
