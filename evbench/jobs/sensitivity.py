"""What rounding each layer costs, measured by a job that survives a kill and read without torch."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from evbench.errors import JobError, ModelError
from evbench.graph.card import CARD
from evbench.jobs.models import label, model_folder, open_model
from evbench.jobs.recipe_stages import LEARNING, dataset_stage, users_module
from evbench.jobs.runner import run_stages
from evbench.jobs.stage import Stage
from evbench.jobs.stages import sensitivity
from evbench.jobs.stages.dataset import Split
from evbench.jobs.stages.hardware import read_json
from evbench.jobs.store import JobRow, Store
from evbench.profiles import Recipe
from evbench.workspace import Workspace

KIND = "sensitivity"
WINDOWS = 512
"""How many windows are measured on unless told otherwise."""


def submit_sensitivity(
    workspace: Workspace,
    model: str | None = None,
    data: Path | None = None,
    approach: str = "qat-int8",
    split: Split = "validation",
    windows: int = WINDOWS,
) -> int:
    """Queue the measurement of a model folder, of what a job by number exported, or of the bundled model.

    `data` is the folder of the recipe's dataset; that of the job by default, and none where the set is simulated.
    Returns the new job's id. Raises ModelError for a float model, JobError for a job without such a model.
    """
    store = Store(workspace)
    name, settings = measured_model(store, model, data, approach)
    workspace.require_space()
    return store.add_job(KIND, name, {**settings, "split": split, "windows": windows})


def measured_model(store: Store, model: str | None, data: Path | None, approach: str) -> tuple[str, dict[str, Any]]:
    """What people call a model, and a job's settings "model" (its folder), "data" and "board"."""
    folder = model_folder(lambda: store, model, approach)
    recipe, _ = described(folder)
    if data is None and model is not None and model.isdecimal() and not Path(model).exists():
        known = store.job(int(model)).settings.get("data")
        data = Path(known) if known else None
    settings = {"model": str(folder), "data": str(data.expanduser().absolute()) if data else None}
    return label(None if model is None else folder), {**settings, "board": recipe.board}


def sensitivity_of(store: Store, model: str | None = None, approach: str = "qat-int8") -> dict[str, Any] | None:
    """What the newest finished measurement of a model found; None where there is none. Models as `submit_sensitivity`.

    The JSON of `evbench sensitivity`: model, digest (of its graph), dataset, split, windows; "float" and "quantised",
    costs of the network without and with all rounding; "parts", ranked: rank, layer, what ("weights" or
    "activations"), and the costs "only" (nothing else is rounded) and "all_but" (everything else is). A cost has
    correct, accuracy (0 to 1), accuracy_ci95, logit_rms and logit_max (distances from the float network's logits).
    """
    digest = open_model(model_folder(lambda: store, model, approach)).graph.digest
    for job in store.jobs():
        if job.kind == KIND and job.state == "done" and job.result and job.result["digest"] == digest:
            return job.result
    return None


def run_job(workspace: Workspace, store: Store, job: JobRow) -> dict[str, Any]:
    """Run a queued measurement; returns what it found."""
    settings = job.settings
    folder, split, windows = Path(settings["model"]), settings["split"], int(settings["windows"])
    recipe, network = described(folder)
    data = Path(settings["data"]) if settings["data"] else None
    stages = [dataset_stage(recipe, data), sensitivity_stage(folder, job.recipe, network, split, windows)]
    outputs = run_stages(workspace, store, job.id, stages)
    return read_json(outputs[KIND] / sensitivity.RESULT)


def sensitivity_stage(folder: Path, name: str, network: str, split: Split, windows: int) -> Stage:
    """The stage that measures the model in `folder`, after stage dataset; `name` is what people call the model."""
    digest = open_model(folder).graph.digest
    about = {"model": name, "digest": digest}
    return Stage(
        KIND,
        "",
        partial(sensitivity.run, folder=folder, about=about, split=split, windows=windows),
        settings={"digest": digest, "split": split, "windows": windows},
        inputs={"dataset": "dataset"},
        code=(*LEARNING, "evbench.jobs.stages.sensitivity", *users_module(network)),
        libraries=("torch", "torchao", "numpy"),
    )


def described(folder: Path) -> tuple[Recipe, str]:
    """The recipe that a model's card names, and its network. Raises ModelError where there is no such card."""
    try:
        card = read_json(folder / CARD)
        return Recipe.model_validate(card["recipe"]), str(card["network"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            "The model's card cannot be read, so its recipe is not known",
            where=f"{folder / CARD}: {str(error).splitlines()[0]}",
            remedy="Name the folder of a model that `evbench run` exported",
        ) from None


def finished(job: JobRow) -> dict[str, Any]:
    """What a finished measurement found. Raises JobError for any other job."""
    if job.kind != KIND or job.result is None:
        raise JobError(f"Job {job.id} has measured no sensitivity: it is {job.kind}, {job.state}")
    return job.result


def sensitivity_table(found: Mapping[str, Any]) -> RenderableType:
    """Parts in the order of what rounding only them does to the logits."""
    exact, rounded = found["float"], found["quantised"]
    table = Table(
        title=f"{found['model']}: what rounding costs, on {found['windows']} {found['split']} windows",
        title_justify="left",
        title_style="bold",
        box=None,
        pad_edge=False,
        header_style="dim",
    )
    table.add_column("", justify="right")
    table.add_column("layer", no_wrap=True)
    table.add_column("")
    for heading in ("only this: logits off", "at most", "accuracy", "all but this: logits off", "at most", "accuracy"):
        table.add_column(heading, justify="right")
    table.add_column("")
    most = max((part["only"]["logit_rms"] for part in found["parts"]), default=0.0) or 1.0
    for part in found["parts"]:
        cells = [
            text
            for cost in (part["only"], part["all_but"])
            for text in (f"{cost['logit_rms']:.4f}", f"{cost['logit_max']:.3f}", _points(cost, exact))
        ]
        bar = Text("█" * round(16 * part["only"]["logit_rms"] / most), "#FFB000")
        table.add_row(str(part["rank"]), part["layer"], part["what"], *cells, bar)
    notes = (
        f"Float: {_share(exact)}. All rounded: {_share(rounded)}, logits {rounded['logit_rms']:.4f} off (root mean "
        f"square), {rounded['logit_max']:.3f} at most. Accuracy is in points beside float; one window is "
        f"{100 / max(found['windows'], 1):.2f}."
    )
    return Group(table, Text(notes, "dim"))


def _points(cost: Mapping[str, Any], exact: Mapping[str, Any]) -> str:
    return f"{100 * (cost['accuracy'] - exact['accuracy']):+.2f}"


def _share(cost: Mapping[str, Any]) -> str:
    low, high = cost["accuracy_ci95"]
    return f"{100 * cost['accuracy']:.1f} % ({100 * low:.1f} to {100 * high:.1f})"
