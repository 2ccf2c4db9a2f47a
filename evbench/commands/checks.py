"""Commands that check a model without running it on a board: what other targets make of it, what its card claims."""

from __future__ import annotations

from typing import Annotated

import typer

from evbench.commands.shared import JsonOption


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
