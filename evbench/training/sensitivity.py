"""How much each layer's rounding costs: the network with only that rounded, and with everything else rounded."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evbench.quantize.program import PreparedProgram
from evbench.quantize.sensitivity import Part, parts_of, round_only
from evbench.training.augment import SparseWindows
from evbench.training.evaluate import wilson
from evbench.training.loop import compute_logits


@dataclass(frozen=True, slots=True)
class Cost:
    """What a way of rounding does: windows that are right, and how far logits are from those of the float network.

    accuracy: from 0 to 1, of all windows, with its 95 % interval; logit_rms, logit_max: root mean square and largest
    distance over all windows and classes, in units of the logits.
    """

    correct: int
    accuracy: float
    accuracy_ci95: tuple[float, float]
    logit_rms: float
    logit_max: float


FLOAT, ALL = "nothing", "everything"
"""The keys of the two ways of rounding that every layer's is compared with."""


def ways_of_rounding(parts: Collection[Part]) -> Iterator[tuple[str, frozenset[Part]]]:
    """Every way that is measured, by a key of its own: nothing, everything, only each part, all but each part."""
    everything = frozenset(parts)
    yield FLOAT, frozenset()
    yield ALL, everything
    for part in parts:
        yield f"only {part}", frozenset({part})
        yield f"all but {part}", everything - {part}


def measure_sensitivity(
    prepared: PreparedProgram,
    windows: SparseWindows,
    known: Mapping[str, Mapping[str, Any]],
    on_cost: Callable[[str, Mapping[str, Any], float], None],
) -> dict[str, Any]:
    """The costs of all ways of rounding on `windows`, and the parts ranked by what rounding only them does to logits.

    `known` holds costs that an interrupted measurement found already, by key; `on_cost` is told (key, cost, share done
    from 0 to 1) after each new one. Returns {"float": …, "quantised": …, "parts": [{"rank", "layer", "what", "only",
    "all_but"}, …]}, every cost as the fields of `Cost`.
    """
    parts = parts_of(prepared)
    ways = dict(ways_of_rounding(parts))
    reference = compute_logits(round_only(prepared, ways[FLOAT]), windows)
    costs: dict[str, Mapping[str, Any]] = {}
    for number, (key, rounded) in enumerate(ways.items(), 1):
        if key in known:
            costs[key] = known[key]
            continue
        logits = reference if key == FLOAT else compute_logits(round_only(prepared, rounded), windows)
        costs[key] = asdict(cost_of(logits, reference, windows.labels))
        on_cost(key, costs[key], number / len(ways))
    round_only(prepared, ways[ALL])
    found: list[dict[str, Any]] = [
        {"layer": part.layer, "what": part.what, "only": costs[f"only {part}"], "all_but": costs[f"all but {part}"]}
        for part in parts
    ]
    ranked = sorted(found, key=lambda entry: -float(entry["only"]["logit_rms"]))
    return {
        "float": costs[FLOAT],
        "quantised": costs[ALL],
        "parts": [{"rank": rank, **entry} for rank, entry in enumerate(ranked, 1)],
    }


def cost_of(logits: NDArray[np.floating], reference: NDArray[np.floating], labels: NDArray[np.integer]) -> Cost:
    """The cost of `logits` [N, classes] beside the float network's `reference`, for `labels` [N]."""
    distance = np.abs(np.asarray(logits, np.float64) - reference)
    rate = wilson(int((logits.argmax(axis=1) == labels).sum()), len(labels))
    rms = float(np.sqrt(np.mean(distance**2)))
    return Cost(rate.correct, rate.value, (rate.low, rate.high), rms, float(distance.max()))
