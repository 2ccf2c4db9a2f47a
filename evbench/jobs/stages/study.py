"""Stage study: what all variants and seeds came to, and whether the study's claim held."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from evbench.graph.card import CARD
from evbench.jobs.models import MODEL
from evbench.jobs.stage import Context
from evbench.jobs.stages.hardware import load_model, read_json
from evbench.jobs.studies.definition import Study
from evbench.jobs.studies.results import concluded

RESULT = "study.json"


def model_role(variant: str, seed: int) -> str:
    """What the exported model of a variant and seed is to this stage."""
    return f"model of {variant}, seed {seed}"


def profile_role(variant: str, seed: int) -> str:
    """What the profile run of a variant and seed is to this stage."""
    return f"profile of {variant}, seed {seed}"


def run(context: Context, study: Study, seeds: int, about: Mapping[str, Any]) -> str:
    """Write `study.json`: the study, what it was made on, its rows, comparisons and verdict."""
    cards: dict[str, dict[str, Any]] = {}
    measured: dict[str, list[dict[str, float | None]]] = {name: [] for name in study.variants}
    modelled = None
    for name, figures in measured.items():
        for seed in range(seeds):
            folder = context.inputs[model_role(name, seed)] / MODEL
            cards[name] = read_json(folder / CARD)
            found = {**_accuracies(cards[name]), **_sparsity(folder)}
            if study.on_board:
                profile = context.read(profile_role(name, seed), "profile.json")
                found["latency_ms"], modelled = profile["latency_ms"], profile["modelled"]
            figures.append(found)
    result = concluded(study, measured)
    for row in result["rows"]:
        card = cards[row["variant"]]
        row.update(network=card["network"], model_bytes=card["metrics"]["model_bytes"])
    first = next(iter(cards.values()))["metrics"]["accuracy"]
    context.write(
        RESULT,
        {
            "study": study.id,
            "title": study.title,
            "claim": study.claim,
            "shows": list(study.shows),
            **about,
            "seeds": list(range(seeds)),
            "windows": first["window"]["total"],
            "recordings": first["recording"]["total"],
            "modelled": modelled,
            **result,
        },
    )
    return str(result["verdict"])


def _accuracies(card: dict[str, Any]) -> dict[str, float | None]:
    """Shares of the test split that were answered right; None where there was nothing to answer."""
    rates = card["metrics"]["accuracy"]
    return {name: rates[name]["value"] if rates[name]["total"] else None for name in ("window", "group", "recording")}


def _sparsity(folder: Path) -> dict[str, float | None]:
    """How much of an integer model is zero on its calibration windows, and how much its scales moved in training."""
    from evbench.graph.activity import recorded_activity
    from evbench.quantize.alarms import oscillation
    from evbench.quantize.statistics import FILE, load_statistics

    if not (folder / FILE).is_file():
        return {"zero_share": None, "useful_macs": None, "oscillation": None}
    graph, statistics = load_model(folder), load_statistics(folder / FILE)
    activations = [tensor for tensor in statistics.tensors if tensor.kind == "activation"]
    total = sum(tensor.histogram.total for tensor in activations)
    zeros = sum(tensor.histogram.zeros + tensor.lost for tensor in activations)
    layers = recorded_activity(graph)[1]
    macs = {op.name: graph.macs(op) for op in graph.operators if op.name in layers}
    useful = sum(count * layers[name].sites * layers[name].nonzero for name, count in macs.items())
    moved = [oscillation(statistics.scales.of(name)) for name in statistics.scales.names]
    known = [value for value in moved if value is not None]
    return {
        "zero_share": float(zeros / total) if total else None,
        "useful_macs": useful / sum(macs.values()) if macs else None,
        "oscillation": float(np.median(known)) if known else None,
    }
