"""A measurement of sensitivities is a job: killed, it goes on; done, it is found again by the model's digest."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from evbench.errors import ModelError
from evbench.jobs import sensitivity as jobs
from evbench.jobs.models import open_model
from evbench.jobs.stage import Context
from evbench.jobs.stages import sensitivity
from evbench.jobs.store import Store
from evbench.resources import resource
from evbench.workspace import Workspace
from tests.training.conftest import corner_windows

BUNDLED = resource("assets", "model")


def context_of(workspace: Workspace, folder: Path, stop_after: int = 10**6) -> tuple[Context, list[float]]:
    """The context of the stage in `folder`, and the shares it reports; it is killed when it has reported so many."""
    shares: list[float] = []
    (folder / "dataset").mkdir(parents=True, exist_ok=True)
    (folder / "out").mkdir(exist_ok=True)
    corner_windows(2, seed=1, shape=(10, 128, 128)).save(folder / "dataset" / "voxel-validation.npz")

    def progress(share: float, message: str = "") -> None:
        shares.append(share)
        if len(shares) == stop_after:
            raise KeyboardInterrupt

    inputs = {"dataset": folder / "dataset"}
    made = Context(workspace, folder / "out", folder, inputs, lambda *_: None, lambda: None, progress, None)
    return made, shares


def test_a_killed_measurement_keeps_what_it_found_and_a_torn_line_is_measured_again(
    workspace: Workspace, tmp_path: Path
) -> None:
    context, _ = context_of(workspace, tmp_path, stop_after=30)
    with pytest.raises(KeyboardInterrupt):
        sensitivity.run(context, BUNDLED, {"model": "bundled", "digest": "d"}, "validation", 4)
    kept = (tmp_path / "measured.jsonl").read_text()
    assert len(kept.splitlines()) == 30
    (tmp_path / "measured.jsonl").write_text(kept[:-20])
    context, shares = context_of(workspace, tmp_path)
    message = sensitivity.run(context, BUNDLED, {"model": "bundled", "digest": "d"}, "validation", 4)
    found = json.loads((tmp_path / "out" / sensitivity.RESULT).read_text())
    assert len(shares) == 2 + 2 * len(found["parts"]) - 29
    assert (found["model"], found["split"], found["windows"]) == ("bundled", "validation", 4)
    assert found["parts"][0]["layer"] in message


def result(digest: str, rms: float) -> dict[str, Any]:
    cost = {"correct": 3, "accuracy": 0.75, "accuracy_ci95": [0.3, 0.95], "logit_rms": rms, "logit_max": 2 * rms}
    part = {"rank": 1, "layer": "stem", "what": "weights", "only": cost, "all_but": cost}
    return {
        "model": "mine",
        "digest": digest,
        "split": "validation",
        "windows": 4,
        "float": {**cost, "logit_rms": 0.0, "logit_max": 0.0},
        "quantised": cost,
        "parts": [part],
    }


def test_the_newest_finished_measurement_of_a_model_is_found_by_its_digest(store: Store) -> None:
    assert jobs.sensitivity_of(store) is None
    digest = open_model(None).graph.digest
    for found in (result(digest, 0.1), result(digest, 0.2), result("another", 0.3)):
        store.change_job(store.add_job(jobs.KIND, "mine", {}), state="done", result=found)
    store.add_job(jobs.KIND, "mine", {})
    newest = jobs.sensitivity_of(store)
    assert newest is not None
    assert newest["parts"][0]["only"]["logit_rms"] == 0.2


def test_the_table_names_each_part_with_its_cost() -> None:
    console = Console(width=160, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(jobs.sensitivity_table(result("d", 0.125)))
    shown = console.export_text()
    assert "stem   weights" in shown
    assert "0.1250" in shown


def test_a_model_without_observers_is_refused_with_the_reason(workspace: Workspace, tmp_path: Path) -> None:
    shutil.copytree(BUNDLED, tmp_path / "model")
    (tmp_path / "model" / "torch.safetensors").unlink()
    context, _ = context_of(workspace, tmp_path)
    with pytest.raises(ModelError, match="no program with observers"):
        sensitivity.run(context, tmp_path / "model", {}, "validation", 4)
    (tmp_path / "model" / "model.json").unlink()
    with pytest.raises(ModelError, match="card cannot be read"):
        jobs.submit_sensitivity(workspace, str(tmp_path / "model"))
