"""Commands that measure what rounding each layer costs, and search the precision that each layer needs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from evbench.commands.shared import BoardOption, DetachOption, JsonOption, open_workspace

ModelOrJob = Annotated[
    str | None, typer.Argument(metavar="[MODEL|JOB]", help="A model folder or a job's number; the bundled model.")
]
DataOption = Annotated[
    Path | None, typer.Option("--data", help="The folder of the recipe's dataset; that of the job by default.")
]


def sensitivity(
    model: ModelOrJob = None,
    data: DataOption = None,
    approach: Annotated[str, typer.Option("--approach", help="Whose model of a job.")] = "qat-int8",
    split: Annotated[
        Literal["validation", "test"], typer.Option("--split", help="Which windows are measured on.")
    ] = "validation",
    windows: Annotated[int, typer.Option("--windows", min=1, help="How many of them at most.")] = 512,
    detach: DetachOption = False,
    as_json: JsonOption = False,
) -> None:
    """Rank layers by what rounding their weights and activations costs: only this one rounded, and all but this one."""
    from evbench.jobs import engine, output
    from evbench.jobs import sensitivity as measuring

    workspace = open_workspace()
    job_id = measuring.submit_sensitivity(workspace, model, data, approach, split, windows)
    engine.start(workspace, job_id)
    if detach:
        output.print_json({"job": job_id}) if as_json else print(f"Job {job_id} runs; `evbench jobs show {job_id}`")
        return
    output.follow_to_the_end(workspace, job_id, as_json)


def search(
    model: ModelOrJob = None,
    data: DataOption = None,
    accuracy_drop: Annotated[
        float, typer.Option("--accuracy-drop", min=0.0, help="Points of accuracy that may be lost beside float.")
    ] = 0.5,
    approach: Annotated[str, typer.Option("--approach", help="Whose model of a job.")] = "qat-int8",
    windows: Annotated[int, typer.Option("--windows", min=1, help="How many validation windows at most.")] = 512,
    board: BoardOption = None,
    write: Annotated[
        Path | None, typer.Option("--write", help="Write the recipe fragment of the proposed network here.")
    ] = None,
    detach: DetachOption = False,
    as_json: JsonOption = False,
) -> None:
    """Propose each layer's precision: the least latency inside an accuracy budget, built and measured; the frontier."""
    from evbench.jobs import engine, output
    from evbench.jobs import search as searching

    workspace = open_workspace()
    job_id = searching.submit_search(workspace, model, data, approach, accuracy_drop, windows, board)
    engine.start(workspace, job_id)
    if detach:
        output.print_json({"job": job_id}) if as_json else print(f"Job {job_id} runs; `evbench jobs show {job_id}`")
        return
    output.follow_to_the_end(workspace, job_id, as_json)
    if write is not None:
        searching.write_fragment(workspace, job_id, write)
