"""Commands that list, show, follow, compare, cancel and resume jobs."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from evbench.commands.shared import DetachOption, JobArgument, JsonOption, open_store, open_workspace

jobs = typer.Typer(no_args_is_help=True, help="List, show, follow, compare, cancel and resume jobs.")


@jobs.command("list")
def jobs_list(as_json: JsonOption = False) -> None:
    """All jobs of the workspace, newest first."""
    from evbench.jobs import display, engine, output

    rows = engine.recover(open_store(open_workspace()))
    output.show({"jobs": [display.job_json(row) for row in rows]}, as_json, lambda _: display.jobs_table(rows))


@jobs.command("show")
def jobs_show(job: JobArgument, as_json: JsonOption = False) -> None:
    """A job's stages and how each went."""
    from evbench.jobs import display, engine, output

    store = open_store(open_workspace())
    row, stages = engine.refresh(store, job), store.stages(job)
    content = {**display.job_json(row), "stages": [display.stage_json(stage) for stage in stages]}
    output.show(content, as_json, lambda _: display.job_details(row, stages))


@jobs.command("logs")
def jobs_logs(job: JobArgument) -> None:
    """What a job's process has written."""
    from evbench.jobs import engine

    sys.stdout.write(engine.log(open_workspace(), job))


@jobs.command("compare")
def jobs_compare(
    job: JobArgument,
    other: Annotated[int, typer.Argument(metavar="OTHER", help="The other job's number.")],
    as_json: JsonOption = False,
) -> None:
    """Two runs side by side: in which settings they differ and what each came to."""
    from evbench.jobs import output
    from evbench.jobs.run_comparison import compare_runs, comparison_table

    output.show(compare_runs(open_store(open_workspace()), job, other), as_json, comparison_table)


@jobs.command("cancel")
def jobs_cancel(job: JobArgument) -> None:
    """Stop a job; its checkpoints stay."""
    from evbench.jobs import engine

    engine.cancel(open_workspace(), job)
    print(f"Job {job} is cancelled; `evbench jobs resume {job}` goes on where it stopped.")


@jobs.command("resume")
def jobs_resume(
    job: JobArgument,
    detach: DetachOption = False,
    as_json: JsonOption = False,
) -> None:
    """Go on with a job that failed, was cancelled or whose process died, from its last checkpoint."""
    from evbench.jobs import engine, output

    workspace = open_workspace()
    engine.resume(workspace, job)
    engine.start(workspace, job)
    if detach:
        print(f"Job {job} runs; `evbench jobs show {job}`")
    else:
        output.follow_to_the_end(workspace, job, as_json)
