"""Commands that turn a model into firmware: an image and its memory, or sources for another project."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from evbench.commands.shared import BoardOption, JsonOption, ModelArgument, open_store, open_workspace


def build(model: ModelArgument = None, board: BoardOption = None, as_json: JsonOption = False) -> None:
    """Compile a model for a board and show what it takes of each memory, per layer, and of the stack."""
    from evbench.jobs import actions, output
    from evbench.jobs.memory_table import memory_table

    result = actions.build_model(open_store(open_workspace()), model, actions.choose_board(board))
    output.show(result, as_json, memory_table)


def export(
    folder: Annotated[
        Path | None, typer.Option("--c", metavar="DIR", help="The folder for the C sources; new or empty.")
    ] = None,
    tflite: Annotated[Path | None, typer.Option("--tflite", metavar="FILE", help="A TensorFlow Lite file.")] = None,
    model: ModelArgument = None,
    board: BoardOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a model as a folder of C that builds alone with CMake, for a Cortex-M7 or a workstation, or as .tflite."""
    from evbench.jobs import actions, output

    if folder is None and tflite is None:
        raise typer.BadParameter("say what to write: --c DIR, --tflite FILE, or both")
    written: dict[str, Any] = {}
    lines: list[str] = []
    if folder is not None:
        files = actions.export_model(model, actions.choose_board(board), folder)
        written |= {"folder": str(folder), "files": [file.relative_to(folder).as_posix() for file in files]}
        lines.append(
            f"{len(files)} files in {folder}: read README.md, or cmake -S {folder} -B build && cmake --build build"
        )
    if tflite is not None:
        written["tflite"] = actions.export_tflite(model, tflite)
        lines.append(f"{tflite}: {written['tflite']['bytes']:,} bytes")
    output.print_json(written) if as_json else print("\n".join(lines))
