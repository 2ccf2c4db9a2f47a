"""Commands that look into recordings, draw them, convert them and make simulated ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evbench.commands.shared import JsonOption, RecordingArgument, open_workspace

events = typer.Typer(no_args_is_help=True, help="Look into recordings and convert them.")
datasets = typer.Typer(no_args_is_help=True, help="Make simulated datasets.")


@events.command("info")
def events_info(recording: RecordingArgument, as_json: JsonOption = False) -> None:
    """Format, sensor, number of events, times, and what is wrong with a recording."""
    from evbench.events.recording import open_recording
    from evbench.jobs import display, output

    output.show(open_recording(recording).info(), as_json, display.recording_table)


@events.command("convert")
def events_convert(
    source: RecordingArgument,
    target: Annotated[
        Path,
        typer.Argument(help="Its suffix names the format: aedat4, dat, raw, evt2.raw, h5, npz, csv, aedat, bin."),
    ],
) -> None:
    """Write a recording in another format, chosen by the suffix."""
    from evbench.events.recording import open_recording
    from evbench.events.writers import write_recording

    stream = open_recording(source).read()
    write_recording(stream, target)
    print(f"{len(stream):,} events written to {target}")


def voxel(
    recording: RecordingArgument,
    window: Annotated[int, typer.Option("--window", min=0, help="Which window, counted from 0.")] = 0,
    length: Annotated[str, typer.Option("--length", help="How long a window is.")] = "50 ms",
    bins: Annotated[int, typer.Option("--bins", min=1, max=64, help="Time bins.")] = 5,
    as_json: JsonOption = False,
) -> None:
    """Draw a window's voxel grid, one image per time bin: ON amber, OFF blue."""
    from evbench.jobs import output
    from evbench.jobs.voxels import window_of
    from evbench.tui.drawing import picture

    found = window_of(recording, window, length, bins)
    if as_json:
        output.print_json(found.to_json())
        return
    console = output.console()
    console.print(found.headline, highlight=False)
    console.print(picture(found.grid, console.width))


@datasets.command("make")
def datasets_make(
    name: Annotated[str, typer.Argument(help="Which set: simulated-gestures.")],
    subjects: Annotated[int, typer.Option("--subjects", help="How many simulated people, 3 to 29.")] = 29,
    seconds: Annotated[float, typer.Option("--seconds", help="How long each recording is.")] = 4.0,
    to: Annotated[Path | None, typer.Option("--to", help="A folder; the workspace's cache by default.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a simulated set's recordings; those that are there already are kept."""
    from evbench.events.datasets import make_dataset
    from evbench.jobs import output

    with output.progress_bar() as on_progress:
        folder, paths = make_dataset(name, to, open_workspace().cache, subjects, seconds, on_progress)
    found = {"name": name, "simulated": True, "folder": str(folder), "recordings": len(paths)}
    output.print_json(found) if as_json else print(f"{len(paths)} simulated recordings in {folder}")
