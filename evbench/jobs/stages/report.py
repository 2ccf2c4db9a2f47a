"""Stage report: what all approaches came to, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evbench.jobs.models import MODEL
from evbench.jobs.stage import Context
from evbench.jobs.stages.hardware import read_json
from evbench.profiles import Recipe

REPORT = "report.json"


def run(context: Context, recipe: Recipe, approaches: Sequence[str]) -> str:
    """Write `report.json`: the classes, and of each approach a row, its run's layers, its confusion matrices."""
    rows, layers, confusion, classes = [], {}, {}, []
    for approach in approaches:
        card = read_json(context.inputs[f"export {approach}"] / MODEL / "model.json")
        build = context.read(f"build {approach}", "build.json")
        profile = context.read(f"profile {approach}", "profile.json")
        parity = context.read(f"parity {approach}", "parity.json")
        rows.append(row(approach, card, build, profile, parity))
        layers[approach] = profile["layers"]
        confusion[approach] = card["metrics"]["accuracy"]["confusion"]
        classes = card["classes"]
    window_us = recipe.representation.window
    content = {"recipe": recipe.id, "window_us": window_us, "classes": classes, "rows": rows}
    context.write(REPORT, {**content, "layers": layers, "confusion": confusion})
    return f"{len(rows)} approaches"


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
