"""What the Report pane shows: which runs have a report, the content of one, and the studies of the workspace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evbench.jobs.store import Store


@dataclass(frozen=True, slots=True)
class ReportState:
    """`jobs` have reports, newest first, with the names of their recipes; `content` is that of one of them, None where
    there is none."""

    jobs: Mapping[int, str] = field(default_factory=dict)
    content: Mapping[str, Any] | None = None
    studies: tuple[Mapping[str, Any], ...] = ()


def read_report(store: Store, job_id: int | None) -> ReportState:
    """The report of a run, of the newest finished one where that has none; and what else there is."""
    from evbench.jobs.reporting.content import report_content
    from evbench.jobs.studies.job import study_results

    jobs = {job.id: job.recipe for job in store.jobs() if job.kind == "run" and job.state == "done" and job.result}
    chosen = job_id if job_id in jobs else next(iter(jobs), None)
    if chosen is None:
        return ReportState(studies=tuple(study_results(store)))
    content = report_content(store, chosen)
    return ReportState(jobs, content, tuple(content["studies"]))
