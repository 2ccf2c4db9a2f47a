"""Sweeps: one recipe run with one setting at several values, a job for each, one after the other."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.table import Table

from evbench.errors import ProfileError
from evbench.jobs import engine
from evbench.jobs.display import approach_name, percent, state
from evbench.jobs.store import Store
from evbench.profiles import load_recipe
from evbench.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Sweep:
    """A setting by its key and the values it is to have, each as `--set` takes it."""

    key: str
    values: tuple[str, ...]


def parse_sweep(text: str) -> Sweep:
    """A sweep from "quantize.averaging_constant=0.1,0.05,0.01"; lists stand in brackets, as in TOML.

    Raises ProfileError where there is no key or no value.
    """
    key, equals, listed = text.partition("=")
    try:
        values = tuple(json.dumps(value) for value in tomllib.loads(f"values = [{listed}]")["values"])
    except (tomllib.TOMLDecodeError, TypeError):
        values = tuple(value.strip() for value in listed.split(","))
    if not equals or not key.strip() or not all(values) or not values:
        raise ProfileError(
            f"{text!r} is no sweep",
            where=f"--sweep {text}",
            remedy="Write a setting and its values: --sweep quantize.averaging_constant=0.1,0.05,0.01",
        )
    return Sweep(key.strip(), tuple(dict.fromkeys(values)))


def check_sweep(recipe: str | Path, sweep: Sweep, overrides: Mapping[str, str] | None = None) -> None:
    """Raise ProfileError where the recipe, or one of the values, cannot be used."""
    for value in sweep.values:
        load_recipe(recipe, {**(overrides or {}), sweep.key: value})


def start_sweep(
    workspace: Workspace,
    recipe: str | Path,
    sweep: Sweep,
    data: Path | None = None,
    board: str | None = None,
    overrides: Mapping[str, str] | None = None,
    scheduler: str | None = None,
) -> list[int]:
    """Start a recipe once for every value of a sweep; returns the jobs' ids. Each job waits for the one before it.

    Raises ProfileError, before anything is started, where one of the values cannot be used; else as
    `engine.submit_run` and, with the address of a dask `scheduler`, as `engine.start`.
    """
    variants = [{**(overrides or {}), sweep.key: value} for value in sweep.values]
    check_sweep(recipe, sweep, overrides)
    jobs: list[int] = []
    for settings, value in zip(variants, sweep.values, strict=True):
        name = f"{sweep.key.rpartition('.')[2]} {value}"
        before = jobs[-1] if jobs else None
        jobs.append(engine.submit_run(workspace, recipe, data, board, settings, variant=name, after=before))
    for job in jobs:
        engine.start(workspace, job, "dask" if scheduler else "local", scheduler)
    return jobs


def sweep_result(store: Store, sweep: Sweep, jobs: Sequence[int]) -> dict[str, Any]:
    """The JSON of `evbench run --sweep`: of every job its value, its state and the rows of its report, where done."""
    found = []
    for value, number in zip(sweep.values, jobs, strict=True):
        job = store.job(number)
        found.append({"job": job.id, "value": value, "state": job.state, "rows": (job.result or {}).get("rows", [])})
    return {"key": sweep.key, "jobs": found}


def sweep_table(result: dict[str, Any]) -> RenderableType:
    """Accuracy per test window of every approach at each value, and the latency of the last one."""
    approaches = list(dict.fromkeys(row["approach"] for job in result["jobs"] for row in job["rows"]))
    table = Table(box=None, pad_edge=False, header_style="dim", title=f"sweep of {result['key']}", title_justify="left")
    for heading in (result["key"].rpartition(".")[2], "job", "state", *map(approach_name, approaches), "latency"):
        table.add_column(heading, justify="left" if heading == "state" else "right")
    for job in result["jobs"]:
        rows = {row["approach"]: row for row in job["rows"]}
        accuracies = [percent(rows[name]["accuracy_window"]) if name in rows else "-" for name in approaches]
        last = job["rows"][-1] if job["rows"] else None
        latency = f"{last['latency_ms']:.2f} ms" + ", modelled" * last["modelled"] if last else "-"
        table.add_row(job["value"], str(job["job"]), state(job["state"]), *accuracies, latency)
    return table
