"""The model that travels with evbench: taken from a finished job, its board measured anew when the firmware changes.

`evbench --workspace DIR run gesture-voxel-qat`, then `python -m evbench.jobs.bundled DIR assets/model JOB`; without a
job the board on the card of `assets/model` is measured again.
"""

from __future__ import annotations

import json
import shutil
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evbench.errors import JobError
from evbench.graph.card import CARD
from evbench.jobs.held_board import HeldBoard
from evbench.jobs.models import MODEL, model_of_job
from evbench.jobs.recipe_stages import build_stage, dataset_stage, flash_stage, parity_stage, profile_stage
from evbench.jobs.runner import run_stages
from evbench.jobs.stage import Context, Stage
from evbench.jobs.stages.hardware import read_json
from evbench.jobs.stages.report import board_figures, keep_model
from evbench.jobs.store import Store
from evbench.profiles import Recipe, load_board
from evbench.workspace import Workspace, open_workspace

if TYPE_CHECKING:
    from evbench.training.approach import Approach

APPROACH: Approach = "qat-int8"


def bundle(workspace: Workspace, job_id: int, directory: Path) -> dict[str, Any]:
    """Replace `directory` by the job's model trained with quantisation; returns its card.

    Raises JobError for a job that has exported none, or whose card has no figures of a board yet.
    """
    source = model_of_job(Store(workspace), job_id, APPROACH)
    card = read_json(source / CARD)
    if "board" not in card:
        raise JobError(f"Job {job_id} has no report yet, so no board is on the card", remedy="Let it run to its end")
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(source, directory)
    return card


def renew(workspace: Workspace, directory: Path, data: Path | None = None) -> dict[str, Any]:
    """Build, profile and compare the model of `directory` as `evbench run` does, write its card anew and return it.

    The recipe's data set is `data`, or is simulated. Raises what these stages raise.
    """
    card = read_json(directory / CARD)
    recipe, board = Recipe.model_validate(card["recipe"]), load_board(card["board"]["board"])
    windows = dataset_stage(recipe, data)
    exported = Stage("export", APPROACH, partial(_copy, directory), settings={"model": card["digest"]})
    built = build_stage(board, APPROACH, exported=exported.key)
    flashed = flash_stage(board, APPROACH, exported=exported.key, built=built.key)
    reads = {"windows": windows.key, "exported": exported.key, "flashed": flashed.key}
    profiled = profile_stage(APPROACH, recipe, data, board, APPROACH, **reads)
    compared = parity_stage(APPROACH, recipe, board, APPROACH, **reads)
    store = Store(workspace)
    job_id = store.add_job("profile", "bundled model", {"board": board.id})
    stages = [windows, exported, built, flashed, profiled, compared]
    try:
        outputs = run_stages(workspace, store, job_id, stages, HeldBoard(store, job_id))
    except BaseException:
        store.change_job(job_id, state="failed")
        raise
    store.change_job(job_id, state="done")
    found = [read_json(outputs[stage.key] / f"{stage.name}.json") for stage in (built, profiled, compared)]
    keep_model(outputs[exported.key] / MODEL, directory, card, board_figures(*found))
    return read_json(directory / CARD)


def _copy(directory: Path, context: Context) -> str:
    shutil.copytree(directory, context.out / MODEL)
    return "the model as it is"


if __name__ == "__main__":
    where, into = open_workspace(Path(sys.argv[1])), Path(sys.argv[2])
    made = bundle(where, int(sys.argv[3]), into) if len(sys.argv) > 3 else renew(where, into)
    print(json.dumps(made["board"], indent=1))
