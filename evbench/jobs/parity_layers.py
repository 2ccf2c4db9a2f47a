"""Which job made a model, what its parity stage found, and which layer that points at."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evbench.jobs.models import MODEL
from evbench.jobs.store import JobRow, Store

RESULT = "parity.json"


def maker_of(store: Store, model: Path) -> tuple[JobRow, str] | None:
    """The newest job that exported the model in this folder, and the approach; None for a model from elsewhere."""
    for job in store.jobs():
        for stage in store.stages(job.id):
            exported = stage.name == "export" and stage.digest and stage.state in ("done", "reused")
            if exported and store.workspace.artifact_dir(str(stage.digest)) / MODEL == model:
                return job, stage.approach
    return None


def parity_of(store: Store, model: Path) -> dict[str, Any] | None:
    """The JSON of `evbench parity` that the job which exported a model has stored; None where it has come to none."""
    made = maker_of(store, model)
    if made is None:
        return None
    job, approach = made
    for stage in store.stages(job.id):
        if (stage.name, stage.approach) == ("parity", approach) and stage.digest:
            file = store.workspace.artifact_dir(stage.digest) / RESULT
            if file.is_file():
                found: dict[str, Any] = json.loads(file.read_text())
                return found
    return None


def worst_layer(report: Mapping[str, Any]) -> tuple[str | None, str]:
    """The layer at which executions part first, of the pair that may not or that is farthest apart, and a sentence.

    report: the JSON of `evbench parity`. None where no layer differs.
    """
    pairs = [pair for pair in report["pairs"] if pair["first_differing_layer"]]
    if not pairs:
        return None, f"All executions agree in every layer on {report['windows']} windows"
    pair = max(pairs, key=lambda pair: (not pair["passed"], pair["max_lsb"]))
    layer, allowed = pair["first_differing_layer"], " as rounding ties may" if pair["passed"] else ""
    return layer, f"{pair['b']} and {pair['a']} part first in {layer}, by at most {pair['max_lsb']} LSB{allowed}"
