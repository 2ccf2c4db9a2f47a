"""Stage report: what all approaches came to, side by side."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evbench.graph.card import CARD
from evbench.jobs.models import MODEL, MODELS
from evbench.jobs.stage import Context
from evbench.jobs.stages.hardware import read_json
from evbench.profiles import Recipe

REPORT = "report.json"


def run(context: Context, recipe: Recipe, approaches: Sequence[str]) -> str:
    """Write `report.json`: the classes, and of each approach a row, its run's layers, its confusion matrices.

    Every approach's model is kept beside it, its card completed by what the board measured.
    """
    rows, layers, confusion, classes = [], {}, {}, []
    for approach in approaches:
        card = read_json(context.inputs[f"export {approach}"] / MODEL / CARD)
        build = context.read(f"build {approach}", "build.json")
        profile = context.read(f"profile {approach}", "profile.json")
        parity = context.read(f"parity {approach}", "parity.json")
        measured = board_figures(build, profile, parity)
        keep_model(context.inputs[f"export {approach}"] / MODEL, context.out / MODELS / approach, card, measured)
        rows.append(row(approach, card, build, profile, parity))
        layers[approach] = profile["layers"]
        confusion[approach] = card["metrics"]["accuracy"]["confusion"]
        classes = card["classes"]
    window_us = recipe.representation.window
    content = {"recipe": recipe.id, "window_us": window_us, "classes": classes, "rows": rows}
    context.write(REPORT, {**content, "layers": layers, "confusion": confusion})
    return f"{len(rows)} approaches"


def board_figures(build: dict[str, Any], profile: dict[str, Any], parity: dict[str, Any]) -> dict[str, Any]:
    """What a card says of a model on a board: the build's bytes, the profile run's figures, whether all agreed."""
    return {
        **{key: build[key] for key in ("board", "build_id", "flash_bytes", "ram_bytes")},
        **{key: profile[key] for key in ("modelled", "latency_ms", "total_cycles", "stack_bytes")},
        "parity": {"passed": parity["passed"], "windows": parity["windows"]},
    }


def keep_model(source: Path, target: Path, card: dict[str, Any], measured: dict[str, Any]) -> None:
    """Copy a model folder and write the card anew with the section "board"."""
    shutil.copytree(source, target, dirs_exist_ok=True)
    (target / CARD).write_text(json.dumps({**card, "board": measured}, indent=1) + "\n")


def row(
    approach: str, card: dict[str, Any], build: dict[str, Any], profile: dict[str, Any], parity: dict[str, Any]
) -> dict[str, Any]:
    """One approach in figures: bytes, accuracies from 0 to 1 with their 95 % intervals, milliseconds, cycles."""
    from evbench.training.evaluate import as_row

    metrics = card["metrics"]
    return {
        "approach": approach,
        "network": card["network"],
        "parameters": metrics["parameters"],
        "macs": metrics["macs"],
        "model_bytes": metrics["model_bytes"],
        "flash_bytes": build["flash_bytes"],
        "ram_bytes": build["ram_bytes"],
        **as_row(metrics["accuracy"]),
        "latency_ms": profile["latency_ms"],
        "cycles": profile["total_cycles"],
        "modelled": profile["modelled"],
        "board": build["board"],
        "fits": build["fits"],
        "parity": parity["passed"],
        "differing": [pair["b"] for pair in parity["pairs"] if not pair["passed"]],
    }
