"""The command that tests a claim: variants of a recipe, several seeds each, and a verdict."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evbench.commands.shared import BoardOption, DetachOption, JsonOption, SetOption, open_workspace, settings_of

LIST = "list"


def study(
    name: Annotated[str, typer.Argument(help="A bundled study's name, a .toml file, or `list` for what there is.")],
    recipe: Annotated[
        str, typer.Option("--recipe", help="The recipe that is varied: a bundled one's name or a .toml file.")
    ] = "gesture-voxel-qat",
    data: Annotated[Path | None, typer.Option("--data", help="The folder of recordings.")] = None,
    board: BoardOption = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="How many seeds each variant is trained with.")] = 3,
    settings: SetOption = None,
    detach: DetachOption = False,
    as_json: JsonOption = False,
) -> None:
    """Test a claim: train variants of a recipe with several seeds and say whether it held.

    What is trained is kept and shared between studies; a study that was stopped goes on where it was.
    """
    from evbench.jobs import engine, output
    from evbench.jobs.studies import definition, job, tables

    if name == LIST:
        found = definition.list_studies()
        content = {"studies": [entry.model_dump(mode="json") for entry in found]}
        output.show(content, as_json, lambda _: tables.studies_table(found))
        return
    workspace = open_workspace()
    job_id = job.submit_study(workspace, name, recipe, data, board, seeds, settings_of(settings))
    engine.start(workspace, job_id)
    if detach:
        output.print_json({"job": job_id}) if as_json else print(f"Job {job_id} runs; `evbench jobs show {job_id}`")
        return
    output.follow_to_the_end(workspace, job_id, as_json)
