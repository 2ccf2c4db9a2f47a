"""Where commands print: tables for people on a terminal or in a log, JSON for programs on standard output."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evbench.errors import JobError
from evbench.jobs.store import JobRow, Store
from evbench.workspace import Workspace

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from evbench.jobs.sweep import Sweep

_LOG_WIDTH = 160


def console(stderr: bool = False) -> Console:
    """A console; where the output is no terminal, wide enough that tables keep their lines."""
    from rich.console import Console

    made = Console(stderr=stderr)
    if not made.is_terminal:
        made.width = max(made.width, _LOG_WIDTH)
    return made


def print_json(content: Mapping[str, Any]) -> None:
    """One JSON object on standard output."""
    print(json.dumps(content, indent=1))


def show(content: Mapping[str, Any], as_json: bool, draw: Callable[[Any], RenderableType]) -> None:
    """The content as JSON, or drawn for people."""
    if as_json:
        print_json(content)
    else:
        console().print(draw(content))


def step_line(step: str, state: str, progress: float, message: str) -> None:
    """One line on standard error for each step of a profile run that is done."""
    if state == "done":
        console(stderr=True).print(f"{step:8}{message}", highlight=False, markup=False)


@contextmanager
def progress_bar() -> Iterator[Callable[[float, str], None]]:
    """A bar on standard error, shown once it is told a share, 0 to 1, and what was done."""
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), TaskProgressColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    bar = Progress(*columns, console=console(stderr=True))

    def tell(share: float, what: str) -> None:
        if not bar.tasks:
            bar.add_task("", total=1.0)
            bar.start()
        bar.update(bar.tasks[0].id, completed=share, description=what)

    try:
        yield tell
    finally:
        if bar.tasks:
            bar.stop()


def follow_to_the_end(workspace: Workspace, job_id: int, as_json: bool) -> None:
    """Follow a job and show what it came to; with JSON, progress goes to standard error.

    Raises JobError when it does not end well; KeyboardInterrupt cancels it and goes on up.
    """
    from evbench.jobs import engine
    from evbench.jobs.follow import follow

    try:
        job = follow(workspace, job_id, console(stderr=as_json))
    except KeyboardInterrupt:
        engine.cancel(workspace, job_id)
        hint = f"`evbench jobs resume {job_id}` goes on where it stopped."
        console(stderr=True).print(f"Job {job_id} is cancelled; {hint}", highlight=False)
        raise
    if job.state != "done":
        how = "failed" if job.state == "failed" else f"was {job.state}"
        raise JobError(
            f"Job {job_id} {how}: {(job.error or '').rstrip('.')}",
            remedy=f"See `evbench jobs logs {job_id}`; `evbench jobs resume {job_id}` goes on where it stopped",
        )
    show_result(Store(workspace), job, as_json)


def follow_sweep(workspace: Workspace, sweep: Sweep, jobs: Sequence[int], as_json: bool) -> None:
    """Follow the jobs of a sweep one after the other and show what each came to.

    Raises JobError when one of them does not end well, after all have ended; KeyboardInterrupt cancels them all.
    """
    from evbench.jobs import engine
    from evbench.jobs.follow import follow
    from evbench.jobs.sweep import sweep_result, sweep_table

    ended: list[JobRow] = []
    try:
        for job in jobs:
            ended.append(follow(workspace, job, console(stderr=as_json)))
    except KeyboardInterrupt:
        for job in jobs[len(ended) :]:
            engine.cancel(workspace, job)
        console(stderr=True).print(f"The jobs from {jobs[len(ended)]} on are cancelled.", highlight=False)
        raise
    show(sweep_result(Store(workspace), sweep, jobs), as_json, sweep_table)
    bad = [job for job in ended if job.state != "done"]
    if bad:
        raise JobError(
            f"{len(bad)} of {len(jobs)} jobs did not end well, the first of them job {bad[0].id}: {bad[0].error or ''}",
            remedy=f"See `evbench jobs logs {bad[0].id}`; `evbench jobs resume {bad[0].id}` goes on where it stopped",
        )


def show_document(store: Store, job: int | None, form: str | None, out: Path | None) -> None:
    """Print a report as a document, or write it to a file, whose suffix says the format where nobody did.

    Raises JobError for another format than there is.
    """
    from evbench.jobs.reporting.content import report_content
    from evbench.jobs.reporting.export import SUFFIXES, exported, write_report

    by_suffix = {suffix: name for name, suffix in SUFFIXES.items()}
    name = form or by_suffix.get(out.suffix if out else "", "")
    chosen = next((known for known in SUFFIXES if known == name), None)
    if chosen is None:
        what = f"--format {form}" if form else f"--out {out}"
        raise JobError("The format of the report is not known", where=what, remedy=f"Choose {', '.join(SUFFIXES)}")
    content = report_content(store, job)
    if out is None:
        print(exported(content, chosen), end="")
    else:
        print(write_report(content, chosen, out))


def show_result(store: Store, job: JobRow, as_json: bool) -> None:
    """A finished job's result: the approaches of a run and the layers of its last int8 model, or what it measured."""
    from evbench.jobs import actions, display

    if job.kind == "sensitivity":
        from evbench.jobs.sensitivity import sensitivity_table

        show(job.result or {}, as_json, sensitivity_table)
        return
    if job.kind == "search":
        from evbench.jobs.search import search_view

        show(job.result or {}, as_json, search_view)
        return
    if job.kind == "study":
        from evbench.jobs.studies import job as studies
        from evbench.jobs.studies.tables import study_table

        show(studies.result_of(job), as_json, study_table)
        return
    if job.kind != "run":
        show(job.result or {}, as_json, display.layers_table)
        return
    report = actions.report_of(store, job.id)
    out = console(stderr=as_json)
    if not as_json:
        out.print()
    show(report, as_json, display.report_table)
    last = report["rows"][-1]["approach"]
    measured = next((run for run in store.profile_runs(job.id) if run.model.endswith(last)), None)
    if measured and not as_json:
        out.print()
        out.print(display.layers_table(measured.result, display.approach_name(last)))
