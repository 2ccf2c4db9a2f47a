"""Studies as tables for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from evbench.jobs.display import APPROACH_NAMES, model_size
from evbench.jobs.studies.definition import Study

STUDY_HEADINGS = {
    "window": "accuracy per window",
    "group": "4 windows",
    "recording": "recording",
    "latency_ms": "latency",
    "zero_share": "zero activations",
    "useful_macs": "useful MACs",
    "oscillation": "scales move",
}
_STYLES = {"held": "green", "did not hold": "bold red", "not decided": "yellow"}


def study_table(result: dict[str, Any]) -> RenderableType:
    """A finished study: the claim, a row per variant with means and intervals over the seeds, and the verdict."""
    settings = "".join(f", {key} = {value}" for key, value in result["settings"].items())
    seeds = f"{len(result['seeds'])} seed{'s' * (len(result['seeds']) != 1)}"
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("variant", "approach"):
        table.add_column(heading)
    table.add_column("size", justify="right")
    shown = [figure for figure in result["shows"] if any(row[figure] for row in result["rows"])]
    for figure in shown:
        modelled = ", modelled" if figure == "latency_ms" and result["modelled"] else ""
        table.add_column(STUDY_HEADINGS[figure] + modelled, justify="right")
    for row in result["rows"]:
        figures = (figure_text(figure, row[figure]) for figure in shown)
        approach = APPROACH_NAMES.get(row["approach"], row["approach"])
        table.add_row(row["variant"], approach, model_size(row["model_bytes"]), *figures)
    return Group(
        Text(f"{result['title']}: {result['recipe']}{settings}, {seeds}", "bold"),
        Text(f"claim: {result['claim']}"),
        table,
        Text(result["verdict"], _STYLES[result["outcome"]]),
        Text(study_notes(result), "dim"),
    )


def study_notes(result: dict[str, Any]) -> str:
    """What must be known to read a study's intervals."""
    return (
        f"Means and 95 % t-intervals over the seeds on {result['windows']} test windows of {result['recordings']} "
        "recordings. Every seed is tested on the same windows, and windows that follow each other are not independent: "
        "the intervals say how far training varies, not how far the test set stands for others."
    )


def figure_text(figure: str, summary: dict[str, Any] | None) -> str:
    """A mean with its interval, "92.1 % (91.0 to 93.2)"; "-" where there is none."""
    if summary is None:
        return "-"
    share = figure != "latency_ms"
    factor, unit, digits = (100.0, " %", 1) if share else (1.0, " ms", 2)
    text = f"{factor * summary['mean']:.{digits}f}{unit}"
    if summary["ci95"] is None:
        return text
    # Student's t knows no limits: of seeds that scatter near 100 % it reaches above it.
    low, high = (factor * min(max(bound, 0.0), 1.0 if share else bound) for bound in summary["ci95"])
    return f"{text} ({low:.{digits}f} to {high:.{digits}f})"


def studies_table(studies: Sequence[Study]) -> RenderableType:
    """The bundled studies: what each claims and how many variants it trains."""
    table = Table(
        title="studies", title_justify="left", title_style="bold", box=None, pad_edge=False, header_style="dim"
    )
    table.add_column("name", no_wrap=True)
    table.add_column("variants", justify="right")
    table.add_column("claim it tests", overflow="fold")
    for study in studies:
        table.add_row(study.id, str(len(study.variants)), study.claim)
    return table
