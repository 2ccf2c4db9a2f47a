"""Studies as jobs: every training of every variant and seed is a stage, made once and shared between studies."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from evbench.errors import JobError
from evbench.jobs.engine import existing, portable
from evbench.jobs.held_board import HeldBoard
from evbench.jobs.recipe_stages import (
    STAGES,
    base_of,
    build_stage,
    dataset_stage,
    export_stage,
    flash_stage,
    profile_stage,
    train_stage,
)
from evbench.jobs.runner import run_stages
from evbench.jobs.stage import Stage
from evbench.jobs.stages import study as conclusion
from evbench.jobs.stages.hardware import read_json
from evbench.jobs.store import JobRow, Store
from evbench.jobs.studies.definition import Study, load_study
from evbench.profiles import BoardProfile, Recipe, load_board, load_recipe
from evbench.workspace import Workspace

KIND = "study"
SEEDS = 3


def submit_study(
    workspace: Workspace,
    name_or_path: str | Path,
    recipe: str | Path,
    data: Path | None = None,
    board: str | None = None,
    seeds: int = SEEDS,
    overrides: Mapping[str, str] | None = None,
) -> int:
    """Queue a study on a recipe; returns the job's id. `overrides` are settings of the recipe, as for a run.

    Raises ProfileError for a study, recipe or board that cannot be used or that do not fit each other, RecordingError
    when `data` does not exist, WorkspaceError when the disk is full.
    """
    study = load_study(name_or_path)
    base = load_recipe(recipe, overrides)
    study.recipes(base, seeds)
    profile = load_board(board or base.board)
    settings = {
        "study": study.model_dump(mode="json"),
        "recipe": base.model_dump(mode="json"),
        "overrides": dict(overrides or {}),
        "data": str(existing(data)) if data else None,
        "board": portable(board or base.board, profile.id),
        "seeds": seeds,
    }
    workspace.require_space()
    return Store(workspace).add_job(KIND, f"{study.id} on {base.id}", settings)


def plan(
    study: Study, base: Recipe, overrides: Mapping[str, str], board: BoardProfile, data: Path | None, seeds: int
) -> list[Stage]:
    """The stages of a study in the order they run, seed by seed; work that two variants share is planned once."""
    planned = _Planned()
    measured: dict[str, str] = {}
    for (name, seed), recipe in study.recipes(base, seeds).items():
        approach, label = study.variants[name].approach, f"{name}, seed {seed}"
        same = (recipe.dataset, recipe.representation) == (base.dataset, base.representation)
        windows = planned.add(dataset_stage(recipe, data, "" if same else name))
        start = None
        if (needed := base_of(approach, recipe)) is not None:
            start = planned.add(train_stage(needed, recipe, f"{needed} for {label}", windows=windows))
        trained = planned.add(train_stage(approach, recipe, label, windows=windows, base=start))
        exported = planned.add(export_stage(approach, recipe, label, windows=windows, trained=trained))
        measured[conclusion.model_role(name, seed)] = exported
        if study.on_board:
            built = planned.add(build_stage(board, label, exported=exported))
            flashed = planned.add(flash_stage(board, label, exported=exported, built=built))
            reads = {"windows": windows, "exported": exported, "flashed": flashed}
            profile = profile_stage(approach, recipe, data, board, label, **reads)
            measured[conclusion.profile_role(name, seed)] = planned.add(profile)
    about = {"recipe": base.id, "dataset": base.dataset.name, "settings": dict(overrides), "board": board.id}
    planned.add(
        Stage(
            "study",
            "",
            partial(conclusion.run, study=study, seeds=seeds, about=about),
            settings={"study": study.model_dump(mode="json"), "seeds": seeds, **about},
            inputs=measured,
            code=(f"{STAGES}.study", "evbench.jobs.studies", "evbench.quantize.alarms", "evbench.quantize.statistics"),
        )
    )
    return planned.stages


def run_job(workspace: Workspace, store: Store, job: JobRow) -> dict[str, Any]:
    """Run a queued study; returns its result, as `evbench study --json` prints it."""
    settings = job.settings
    study, base = Study.model_validate(settings["study"]), Recipe.model_validate(settings["recipe"])
    data = Path(settings["data"]) if settings["data"] else None
    board = load_board(settings["board"])
    stages = plan(study, base, settings["overrides"], board, data, settings["seeds"])
    outputs = run_stages(workspace, store, job.id, stages, HeldBoard(store, job.id))
    return read_json(outputs["study"] / conclusion.RESULT)


def study_results(store: Store) -> list[dict[str, Any]]:
    """The newest finished result of every study on every recipe and settings, newest first; read without torch.

    The JSON of `evbench study`, with the number of its "job":

    * "study", "title", "claim", "shows" (the figures in its table); "recipe", "dataset", "settings" (those
      given with --set), "board", "seeds", "windows" and "recordings" (of the first variant's test split), "modelled"
      (None without a board)
    * "rows": of each variant "variant", "approach", "network", "model_bytes" and the figures, None where there are
      none: "window", "group", "recording", "zero_share", "useful_macs" (0 to 1), "latency_ms", "oscillation", each with
      "mean", "ci95" ([low, high], None for one seed) and "values" by seed
    * "comparisons": "name", "higher", "than", "by", "figure", "mean" and "ci95" of the differences, "outcome"
    * "outcome": "held", "did not hold" or "not decided"; "verdict": the sentence
    """
    newest: dict[tuple[str, str, str], dict[str, Any]] = {}
    for job in store.jobs():
        if job.kind == KIND and job.state == "done" and job.result:
            key = (job.result["study"], job.result["recipe"], repr(job.result["settings"]))
            newest.setdefault(key, {"job": job.id, **job.result})
    return list(newest.values())


def result_of(job: JobRow) -> dict[str, Any]:
    """The result of one finished study. Raises JobError for any other job."""
    if job.kind != KIND or job.result is None:
        raise JobError(f"Job {job.id} has no study's result: it is {job.kind} {job.recipe}, {job.state}")
    return {"job": job.id, **job.result}


class _Planned:
    """Stages in order, each piece of work once: a stage with the hash of an earlier one is that one."""

    def __init__(self) -> None:
        self.stages: list[Stage] = []
        self._digests: dict[str, str] = {}
        self._keys: dict[str, str] = {}

    def add(self, stage: Stage) -> str:
        """Plan a stage; returns the key under which others find its output."""
        digest = stage.digest(self._digests)
        if digest not in self._keys:
            self.stages.append(stage)
            self._keys[digest] = stage.key
            self._digests[stage.key] = digest
        return self._keys[digest]
