"""Commands that check a model without running it on a board: what other targets make of it, what its card claims."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evbench.commands.shared import JsonOption, open_workspace


def audit(
    subject: Annotated[
        str | None,
        typer.Argument(
            metavar="[MODEL|RECIPE|FILE.onnx]",
            help="A model folder or graph file, an ONNX file, or a recipe, which needs no training.",
        ),
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(
            "--target", help="evbench, st-edge-ai, tflite-micro, cmsis-nn, executorch or a .toml table; repeatable."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say layer by layer what targets support, what falls back to float, fails or is unknown, and what to use instead.

    Exit code 1 when a layer fails. Targets are all bundled ones unless named.
    """
    from evbench.jobs import auditing, output

    report = auditing.audit_targets(subject, target or [])
    output.show(report, as_json, auditing.audit_tables)
    if not report["passed"]:
        raise typer.Exit(1)


def verify(
    model: Annotated[
        Path | None, typer.Argument(metavar="[MODEL]", help="A model folder; the bundled model by default.")
    ] = None,
    data: Annotated[Path | None, typer.Option("--data", help="The folder of the recipe's dataset.")] = None,
    metrics: Annotated[
        bool, typer.Option("--metrics", help="Simulate the test split again where the dataset is simulated.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Compute the claims of a model's card again: files, sizes, logits, executions, and accuracy where the data is.

    Exit code 1 when a claim fails; what could not be checked is said with the reason.
    """
    from evbench.jobs import output, verifying

    def tell(step: str) -> None:
        if not as_json:
            output.console(stderr=True).print(step, highlight=False, markup=False, style="dim")

    report = verifying.verify_model(open_workspace(), model, data, metrics=metrics, tell=tell)
    output.show(report, as_json, verifying.claims_table)
    if not report["passed"]:
        raise typer.Exit(1)
