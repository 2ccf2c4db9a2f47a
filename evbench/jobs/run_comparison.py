"""Two runs side by side: in which settings their recipes differ, and what each came to so far."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from evbench.errors import JobError
from evbench.jobs.display import approach_name, percent
from evbench.jobs.store import JobRow, Store
from evbench.profiles import Recipe
from evbench.recipe_form import differences

_BEST = {"validation_accuracy": max, "validation_loss": min, "test_accuracy": max}
"""What of a curve is compared, in the order of the table."""


def recipe_of(job: JobRow) -> Recipe:
    """The recipe that a job runs, as it was when the job was queued.

    Raises JobError where it runs none, or one that this evbench does not know any more.
    """
    if job.kind != "run":
        raise JobError(
            f"Job {job.id} runs no recipe", where=f"Job {job.id}, {job.recipe}", remedy="Choose a job of kind run"
        )
    try:
        return Recipe.model_validate(job.settings["recipe"])
    except ValidationError as error:
        key = ".".join(map(str, error.errors(include_url=False)[0]["loc"]))
        raise JobError(
            f"Job {job.id} was queued by an evbench whose recipes were others",
            where=f"Setting {key} of {job.recipe}",
            remedy="Run the recipe again",
        ) from None


def compare_runs(store: Store, first: int, second: int) -> dict[str, Any]:
    """The JSON of `evbench jobs compare`. Raises JobError where one of the jobs is missing or runs no recipe."""
    jobs = [store.job(number) for number in (first, second)]
    recipes = [recipe_of(job) for job in jobs]
    return {
        "jobs": [{"job": job.id, "recipe": job.recipe, "state": job.state} for job in jobs],
        "differences": [
            {"key": found.key, "values": [found.before, found.after]} for found in differences(recipes[0], recipes[1])
        ],
        "best": [
            {"approach": approach, "metric": metric, "values": [found.get((approach, metric)) for found in both]}
            for both in [[_best(store, job) for job in jobs]]
            for approach, metric in _in_order({**both[0], **both[1]})
        ],
    }


def comparison_table(content: dict[str, Any]) -> RenderableType:
    """What `compare_runs` found."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("")
    for job in content["jobs"]:
        table.add_column(f"job {job['job']}, {job['recipe']}, {job['state']}", overflow="fold")
    for difference in content["differences"]:
        table.add_row(difference["key"], *(value or "-" for value in difference["values"]))
    if not content["differences"]:
        table.add_row(Text("the recipes are the same", "dim"))
    for best in content["best"]:
        name = f"{approach_name(best['approach'])}, best {best['metric'].replace('_', ' ')}"
        table.add_row(name, *(figure(best["metric"], value) for value in best["values"]))
    return Group(table)


def figure(metric: str, value: float | None) -> str:
    """A figure of a metric as people read it."""
    return "-" if value is None else percent(value) if metric.endswith("accuracy") else f"{value:.3f}"


def _best(store: Store, job: JobRow) -> dict[tuple[str, str], float]:
    """The best value of each approach and metric so far."""
    found: dict[tuple[str, str], float] = {}
    for row in store.metrics(job.id):
        approach, _, metric = row.name.partition("/")
        if metric in _BEST:
            key = (approach, metric)
            found[key] = _BEST[metric](found.get(key, row.value), row.value)
    return found


def _in_order(found: dict[tuple[str, str], float]) -> list[tuple[str, str]]:
    approaches = list(dict.fromkeys(approach for approach, _ in found))
    return [(approach, metric) for approach in approaches for metric in _BEST if (approach, metric) in found]
