"""What a study comes to: means and intervals over seeds, and whether its claim held.

Intervals are Student's t at 95 % over the seeds' figures; comparisons are made within each seed and their differences
averaged. Every seed is tested on the same windows, so an interval says how far training varies, not how far the test
set stands for others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf, sqrt
from statistics import fmean, stdev
from typing import Any, Literal, get_args

from evbench.jobs.studies.definition import Expectation, Figure, Study

Outcome = Literal["held", "did not hold", "not decided"]

_IN_MILLISECONDS = ("latency_ms",)
_T_975 = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip
_T_975_MANY = 1.960


def t_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """The 95 % interval of the mean of `values`, by Student's t; None for fewer than two."""
    if len(values) < 2:
        return None
    freedom = len(values) - 1
    quantile = _T_975[freedom - 1] if freedom <= len(_T_975) else _T_975_MANY
    half = quantile * stdev(values) / sqrt(len(values))
    return fmean(values) - half, fmean(values) + half


def summarised(values: Sequence[float | None]) -> dict[str, Any] | None:
    """Mean, interval and the values themselves, in the order of the seeds; None where a seed has none."""
    known = [value for value in values if value is not None]
    if not known or len(known) < len(values):
        return None
    interval = t_interval(known)
    return {"mean": fmean(known), "ci95": list(interval) if interval else None, "values": known}


def concluded(study: Study, measured: Mapping[str, Sequence[Mapping[str, float | None]]]) -> dict[str, Any]:
    """Rows, comparisons and verdict of a study, as its JSON has them.

    `measured` holds every variant's figures, seed by seed.
    """
    rows = [
        {
            "variant": name,
            "approach": variant.approach,
            **{figure: summarised([seed.get(figure) for seed in measured[name]]) for figure in get_args(Figure)},
        }
        for name, variant in study.variants.items()
    ]
    by_name = {row["variant"]: row for row in rows}
    comparisons = [
        _compared(name, expectation, by_name[expectation.higher], by_name[expectation.than])
        for name, expectation in study.expect.items()
    ]
    outcomes = [comparison["outcome"] for comparison in comparisons]
    outcome: Outcome = "held"
    if "did not hold" in outcomes:
        outcome = "did not hold"
    elif "not decided" in outcomes:
        outcome = "not decided"
    verdict = f"The claim {_SAID[outcome]} here: {'; '.join(_part(comparison) for comparison in comparisons)}."
    return {"rows": rows, "comparisons": comparisons, "outcome": outcome, "verdict": verdict}


_SAID: dict[Outcome, str] = {
    "held": "held",
    "did not hold": "did not hold",
    "not decided": "is not decided",
}


def _compared(
    name: str, expectation: Expectation, higher: Mapping[str, Any], than: Mapping[str, Any]
) -> dict[str, Any]:
    figure = expectation.figure
    sides = [row[figure]["values"] if row[figure] else [] for row in (higher, than)]
    factor = 1.0 if figure in _IN_MILLISECONDS else 100.0
    differences = [factor * (a - b) for a, b in zip(*sides, strict=False)]
    found = summarised(differences) or {"mean": None, "ci95": None, "values": []}
    low, high = found["ci95"] or (-inf, inf)
    outcome: Outcome = "not decided"
    if low > expectation.by:
        outcome = "held"
    elif high <= expectation.by:
        outcome = "did not hold"
    return {"name": name, **expectation.model_dump(), **found, "outcome": outcome}


def _part(comparison: Mapping[str, Any]) -> str:
    """One comparison in words, from its figures alone."""
    names = f"{comparison['higher']} exceeds {comparison['than']}"
    if comparison["mean"] is None:
        return f"whether {names} was not measured"
    unit = "ms" if comparison["figure"] in _IN_MILLISECONDS else "points"
    interval = comparison["ci95"]
    seeds = f"{interval[0]:+.1f} to {interval[1]:+.1f}" if interval else "one seed"
    return (
        f"{names} by {comparison['mean']:+.1f} {unit} {_WORDS[comparison['figure']]} ({seeds}), claimed more than "
        f"{comparison['by']:g}: {_MET[comparison['outcome']]}"
    )


_WORDS: dict[Figure, str] = {
    "window": "per window",
    "group": "per four windows",
    "recording": "per recording",
    "latency_ms": "of latency",
    "zero_share": "of zero activations",
    "useful_macs": "of useful multiply-accumulates",
    "oscillation": "of scale movement",
}
_MET: dict[Outcome, str] = {
    "held": "yes",
    "did not hold": "no",
    "not decided": "open",
}
