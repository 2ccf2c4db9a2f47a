"""The command that shows what quantisation does to a model's tensors."""

from __future__ import annotations

from typing import Annotated

import typer

from evbench.commands.shared import JsonOption, open_workspace


def tensors(
    model: Annotated[
        str | None, typer.Argument(metavar="[MODEL|JOB]", help="A model folder or a job's number; the bundled model.")
    ] = None,
    tensor: Annotated[
        str | None, typer.Option("--tensor", metavar="NAME", help="One tensor: histogram, ranges, what they cost.")
    ] = None,
    approach: Annotated[str, typer.Option("--approach", help="Whose model of a job.")] = "qat-int8",
    as_json: JsonOption = False,
) -> None:
    """Show what quantisation does to every tensor: zero share, bimodality, SQNR, clipping, scale, alarms."""
    from evbench.jobs import output, quantisation, tensor_views

    name, statistics = quantisation.statistics_of(open_workspace, model, approach)
    if tensor is None:
        output.show(quantisation.overview(name, statistics), as_json, tensor_views.tensors_table)
    else:
        found = quantisation.detail(name, statistics, tensor)
        output.show(found, as_json, lambda content: tensor_views.tensor_view(content, output.console().width))
