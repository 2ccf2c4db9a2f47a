"""Commands on boards: which there are, and firmware of any kind on a virtual one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from evbench.commands.shared import BoardOption, JsonOption, open_store, open_workspace

boards = typer.Typer(no_args_is_help=True, help="Boards that evbench knows, and what runs on virtual ones.")


@boards.command("list")
def boards_list(as_json: JsonOption = False) -> None:
    """The bundled board profiles."""
    from evbench.jobs import display, output
    from evbench.profiles import list_boards

    found = list_boards()
    output.show({"boards": [b.model_dump(mode="json") for b in found]}, as_json, lambda _: display.boards_table(found))


@boards.command("run-image")
def boards_run_image(
    image: Annotated[Path, typer.Argument(help="Firmware: ELF, Intel HEX, or a binary for the start of flash.")],
    board: BoardOption = None,
    uart: Annotated[
        Literal["pty", "stdio"], typer.Option("--uart", help="What the board's serial port is joined to.")
    ] = "pty",
    seconds: Annotated[
        float | None, typer.Option("--seconds", min=0.0, help="Stop after so long; until Ctrl-C by default.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Run any STM32H7 firmware on a virtual board; exit code 1 when it faulted, 7 when it locked up.

    Faults and registers that are not modelled are reported on standard error.
    """
    from evbench.boards.run_image import run_image
    from evbench.errors import BoardError
    from evbench.jobs import output
    from evbench.profiles import load_board

    profile = load_board(board or "virtual-h743")
    streams = (sys.stdin.buffer, sys.stdout.buffer) if uart == "stdio" else None

    def on_port(port: str) -> None:
        if streams is None:
            print(f"{profile.link.uart} is {port}", file=sys.stderr if as_json else sys.stdout, flush=True)

    run = run_image(image, profile, seconds, streams, on_port)
    if as_json:
        output.print_json(run.to_json())
    else:
        print(
            f"{profile.board.name}: {run.instructions:,} instructions, {run.cycles:,} modelled cycles, "
            f"{run.seconds:.3f} s at {profile.board.core_hz / 1e6:g} MHz, {run.faults} fault{'s' * (run.faults != 1)}",
            file=sys.stderr if streams else sys.stdout,
        )
    if run.locked_up:
        raise BoardError("The firmware has locked up", where=str(image), remedy="See the fault above")
    if run.faults:
        raise typer.Exit(1)


@boards.command("explain")
def boards_explain(
    build: Annotated[
        Path | None,
        typer.Argument(metavar="[BUILD]", help="A model folder or graph file; the bundled model by default."),
    ] = None,
    layer: Annotated[str, typer.Option("--layer", help="The layer's index or name.")] = "0",
    kernel: Annotated[
        str | None, typer.Option("--kernel", help="A layer of `bench kernels` instead, by how its name begins.")
    ] = None,
    board: BoardOption = None,
    recording: Annotated[Path | None, typer.Option("--recording", help="A recording or a folder of them.")] = None,
    blocks: Annotated[int, typer.Option("--blocks", min=1, help="How many of the hottest blocks to show.")] = 4,
    as_json: JsonOption = False,
) -> None:
    """Where a layer's modelled cycles go: its hottest blocks, slot by slot, and the rules that leave slots empty."""
    from evbench.jobs import actions, output
    from evbench.jobs import explain as explaining

    store, profile = open_store(open_workspace()), actions.choose_board(board, None)
    if kernel is not None:
        found = explaining.explain_kernel(store, kernel, profile, blocks)
    else:
        found = explaining.explain_model(store, build, layer, profile, recording, blocks)
    output.show(found.to_json(), as_json, lambda _: explaining.explanation_view(found))
