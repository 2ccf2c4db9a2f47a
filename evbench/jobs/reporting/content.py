"""What a report says: a run's approaches, the data they were measured on, the published claims, and studies."""

from __future__ import annotations

from typing import Any

from evbench.events.datasets.catalogue import list_datasets
from evbench.jobs.actions import report_of
from evbench.jobs.reporting.claims import CLAIMED_DATASETS, CLAIMED_ON, CLAIMS
from evbench.jobs.run_comparison import recipe_of
from evbench.jobs.store import Store
from evbench.jobs.studies.job import study_results
from evbench.jobs.trainings import history_by_approach
from evbench.profiles import Recipe


def report_content(store: Store, job_id: int | None = None) -> dict[str, Any]:
    """The JSON of `evbench report --format json`: the report of a finished run, of the newest one for None, and

    * "name": what the run is called: its recipe, and in a sweep the value it has
    * "data": "name", "what" it shows, "path" (None for simulated sets), "simulated", "claimed" (whether the claims were
      made on this data), "windows" and "recordings" of the test split
    * "claimed_on" and "claims": "approach", "model_bytes", "accuracy" (0 to 1), "latency_ms"
    * "history": of every trained approach its epochs' figures
    * "studies": as `studies.job.study_results`

    Raises JobError when there is no such report.
    """
    report = report_of(store, job_id)
    job = store.job(report["job"])
    recipe = recipe_of(job)
    return {
        **report,
        "name": job.recipe,
        "board": job.settings["board"],
        "data": _data(recipe, job.settings["data"], report["rows"]),
        "claimed_on": CLAIMED_ON,
        "claims": [claim.to_json() for claim in CLAIMS],
        "history": history_by_approach(store.workspace, job, store.stages(job.id)),
        "studies": study_results(store),
    }


def data_sentence(content: dict[str, Any]) -> str:
    """One sentence that names the data behind the measured figures, and what the claims were made on."""
    data = content["data"]
    where = f" ({data['path']})" if data["path"] else ""
    measured = (
        f"Measured on {data['name']}{where}: {data['windows']:,} test windows of {data['recordings']:,} recordings."
    )
    if data["claimed"]:
        return f"{measured} The claims were made on the same set, {content['claimed_on']}."
    kind = "simulated recordings" if data["simulated"] else "other recordings"
    return f"{measured} These are {kind}: the claims were made on {content['claimed_on']} and cannot be tested on them."


def modelled(content: dict[str, Any]) -> bool:
    """Whether a latency of the report comes from the virtual board's timing model."""
    return any(row["modelled"] for row in content["rows"])


def claim_of(content: dict[str, Any], approach: str) -> dict[str, Any] | None:
    """The claim about an approach; None for one nothing was published of."""
    return next((claim for claim in content["claims"] if claim["approach"] == approach), None)


def reports_there_are(store: Store) -> list[int]:
    """The jobs that have a report, newest first."""
    return [job.id for job in store.jobs() if job.kind == "run" and job.state == "done" and job.result]


def _data(recipe: Recipe, path: str | None, rows: list[dict[str, Any]]) -> dict[str, Any]:
    name = recipe.dataset.name
    entry = next((entry for entry in list_datasets() if entry.name == name), None)
    first: dict[str, Any] = rows[0] if rows else {}
    return {
        "name": name,
        "what": entry.what if entry else "",
        "path": path or recipe.dataset.path,
        "simulated": name.startswith("simulated"),
        "claimed": name in CLAIMED_DATASETS,
        "windows": first.get("n_windows", 0),
        "recordings": first.get("n_recordings", 0),
    }
