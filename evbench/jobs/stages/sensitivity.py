"""Stage sensitivity: what rounding each layer's weights and activation costs; goes on after a kill where it was."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evbench.jobs.journal import Journal
from evbench.jobs.stage import Context
from evbench.jobs.stages.dataset import Split, windows_file

RESULT = "sensitivity.json"
_MEASURED = "measured.jsonl"


def run(context: Context, folder: Path, about: Mapping[str, Any], split: Split, windows: int) -> str:
    """Measure the model in `folder` on up to `windows` windows of a split; write `sensitivity.json` behind `about`."""
    from evbench.events.windowset import WindowSet
    from evbench.training.model import load_program
    from evbench.training.sensitivity import measure_sensitivity

    every = WindowSet.load(context.inputs["dataset"] / windows_file("voxel", split))
    chosen = every.spread(windows)
    journal = Journal(context.work / _MEASURED)
    known = dict(journal.known)

    def on_cost(key: str, cost: Mapping[str, Any], share: float) -> None:
        journal.add(key, cost)
        context.progress(share, f"rounded {key}: {100 * cost['accuracy']:.1f} %, logits {cost['logit_rms']:.3g} off")

    found = measure_sensitivity(load_program(folder), chosen, known, on_cost)
    context.write(RESULT, {**about, "split": split, "windows": len(chosen), **found})
    worst = found["parts"][0]
    return f"{len(found['parts'])} parts on {len(chosen)} windows; {worst['what']} of {worst['layer']} cost most"
