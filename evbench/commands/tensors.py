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
    over_training: Annotated[
        bool, typer.Option("--over-training", help="With --tensor: how it moved while the network was trained.")
    ] = False,
    approach: Annotated[str, typer.Option("--approach", help="Whose model of a job.")] = "qat-int8",
    as_json: JsonOption = False,
) -> None:
    """Show what quantisation does to every tensor: zero share, bimodality, SQNR, clipping, scale, alarms."""
    from evbench.jobs import movement_view, output, quantisation, tensor_views

    name, statistics = quantisation.statistics_of(open_workspace, model, approach)
    if over_training and tensor is None:
        raise typer.BadParameter("give the tensor with --tensor", param_hint="--over-training")
    if tensor is not None and over_training:
        moved = quantisation.over_training(name, statistics, tensor)
        output.show(moved, as_json, lambda content: movement_view.movement_view(content, output.console().width))
    elif tensor is None:
        output.show(quantisation.overview(name, statistics), as_json, tensor_views.tensors_table)
    else:
        found = quantisation.detail(name, statistics, tensor)
        output.show(found, as_json, lambda content: tensor_views.tensor_view(content, output.console().width))
