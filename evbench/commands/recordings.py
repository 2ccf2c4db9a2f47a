"""Commands that look into recordings, draw them, convert them and make simulated ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evbench.commands.shared import JsonOption, RecordingArgument, index_cache, open_workspace
from evbench.events.kinds import Kind

events = typer.Typer(no_args_is_help=True, help="Look into recordings and convert them.")
datasets = typer.Typer(no_args_is_help=True, help="What sets there are; make simulated ones.")

LengthOption = Annotated[str | None, typer.Option("--length", help="How long a window is; 50 ms by default.")]
BinsOption = Annotated[int | None, typer.Option("--bins", min=1, max=64, help="Time bins; 5 by default.")]
KindOption = Annotated[Kind | None, typer.Option("--as", help="The representation; voxel by default.")]
FilterOption = Annotated[
    list[str] | None,
    typer.Option(
        "--filter",
        metavar="'NAME KEY=VALUE'",
        help="A filter as recipes have it, such as 'refractory period=\"1 ms\"'; again for a second one.",
    ),
]
RecipeOption = Annotated[
    str | None, typer.Option("--recipe", help="Look as this recipe does: representation, grid and filters.")
]


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


@events.command("play")
def events_play(
    recording: RecordingArgument,
    speed: Annotated[float, typer.Option("--speed", min=0.001, max=64, help="1 is real time.")] = 1.0,
    length: Annotated[
        str | None, typer.Option("--window", "--length", help="How much time a frame shows; 50 ms by default.")
    ] = None,
    start: Annotated[str | None, typer.Option("--from", help="How far into it to begin, such as '1.5 s'.")] = None,
    kind: Annotated[Kind | None, typer.Option("--as", help="The representation; frame by default.")] = None,
    bins: BinsOption = None,
    filters: FilterOption = None,
    recipe: RecipeOption = None,
) -> None:
    """Play a recording in the terminal, in real time: ON amber, OFF blue. Frames that come too late are dropped."""
    from evbench.jobs import display, output
    from evbench.jobs.looking import duration_option, look_from, reel_from
    from evbench.tui.player import play
    from evbench.tui.terminal import Terminal

    terminal = Terminal()
    look = look_from(recipe, kind or (None if recipe else "frame"), length, bins, filters or [])
    begin = duration_option("--from", start) if start else 0
    console = output.console()
    with console.status(f"Reading {recording.name}"):
        reel, steps = reel_from(recording, look, index_cache())
    for step in steps:
        console.print(display.filter_line(step), highlight=False, soft_wrap=True)
    played = play(terminal, reel, look, recording.name, speed, reel.t_first + begin)
    per_frame = f", {1000 * played.cpu_s / played.frames:.1f} ms of processor time each" if played.frames else ""
    print(f"{played.frames:,} frames shown, {played.dropped:,} dropped{per_frame}")


def voxel(
    recording: RecordingArgument,
    window: Annotated[int, typer.Option("--window", min=0, help="Which window, counted from 0.")] = 0,
    length: LengthOption = None,
    bins: BinsOption = None,
    kind: KindOption = None,
    filters: FilterOption = None,
    recipe: RecipeOption = None,
    png: Annotated[Path | None, typer.Option("--png", help="Write the picture to this PNG file too.")] = None,
    enlarge: Annotated[
        int | None, typer.Option("--enlarge", min=1, max=64, help="Times each pixel in the PNG.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Draw a window as a network sees it, one image per time bin: ON amber, OFF blue."""
    from evbench.jobs import display, output
    from evbench.jobs.looking import look_from, window_of

    found = window_of(recording, window, look_from(recipe, kind, length, bins, filters or []))
    if png:
        from evbench.events.pictures import save_png, sheet

        save_png(sheet(found.look.kind, found.images, found.labels, found.headline, enlarge), png)
    if as_json:
        output.print_json(found.to_json())
        return
    from evbench.tui.drawing import picture

    console = output.console()
    console.print(found.headline, highlight=False)
    for step in found.steps:
        console.print(display.filter_line(step), highlight=False, soft_wrap=True)
    console.print(picture(found.look.kind, found.images, console.width))
    if png:
        console.print(f"{png} written", highlight=False)


@datasets.command("list")
def datasets_list(as_json: JsonOption = False) -> None:
    """The labelled sets that recipes can name, how each is split, and which files go where."""
    from evbench.events.datasets.catalogue import list_datasets
    from evbench.jobs import display, output

    found = list_datasets()
    content = {"datasets": [entry.to_json() for entry in found]}
    output.show(content, as_json, lambda _: display.datasets_table(found))


@datasets.command("make")
def datasets_make(
    name: Annotated[str, typer.Argument(help="Which set: simulated-gestures.")],
    subjects: Annotated[int, typer.Option("--subjects", help="How many simulated people, 3 to 29.")] = 29,
    seconds: Annotated[float, typer.Option("--seconds", help="How long each recording is.")] = 4.0,
    to: Annotated[Path | None, typer.Option("--to", help="A folder; the workspace's cache by default.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a simulated set's recordings; those that are there already are kept."""
    from evbench.events.datasets.simulated import make_dataset
    from evbench.jobs import output

    with output.progress_bar() as on_progress:
        folder, paths = make_dataset(name, to, open_workspace().cache, subjects, seconds, on_progress)
    found = {"name": name, "simulated": True, "folder": str(folder), "recordings": len(paths)}
    output.print_json(found) if as_json else print(f"{len(paths)} simulated recordings in {folder}")
