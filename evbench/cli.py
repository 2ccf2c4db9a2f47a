"""Every pane's action as a command, with tables for people and --json for programs."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from evbench.commands import boards, jobs, recipes, recordings
from evbench.commands.checks import audit, verify
from evbench.commands.firmware import build, export
from evbench.commands.sensitivity import search, sensitivity
from evbench.commands.shared import (
    BoardOption,
    DetachOption,
    JsonOption,
    ModelArgument,
    PortOption,
    RecipeArgument,
    SetOption,
    open_store,
    open_workspace,
    options,
    settings_of,
)
from evbench.commands.studies import study
from evbench.commands.tensors import tensors
from evbench.errors import EvbenchError

EXIT_CODES = (
    "Exit codes: 0 done; 1 parity, audit, verify or doctor found something wrong, or evbench itself failed; "
    "2 wrong usage; 3 recipe or board profile; 4 recording or dataset; 5 model; 6 firmware build; 7 board; 8 job; "
    "9 workspace; 130 interrupted."
)

app = typer.Typer(
    no_args_is_help=False,
    add_completion=False,
    pretty_exceptions_show_locals=False,
    epilog=EXIT_CODES,
    context_settings={"help_option_names": ["-h", "--help"]},
)
bench = typer.Typer(no_args_is_help=True, help="Measure evbench itself.")
app.add_typer(recordings.events, name="events")
app.add_typer(jobs.jobs, name="jobs")
app.add_typer(recipes.recipes, name="recipes")
app.add_typer(boards.boards, name="boards")
app.add_typer(recordings.datasets, name="datasets")
app.add_typer(bench, name="bench")


def _say_version(wanted: bool) -> None:
    if wanted:
        print(f"evbench {version()}")
        raise typer.Exit


def version() -> str:
    """The installed version, or that of the checkout."""
    import importlib.metadata

    try:
        return importlib.metadata.version("evbench")
    except importlib.metadata.PackageNotFoundError:
        import tomllib

        from evbench.resources import resource

        return str(tomllib.loads(resource("pyproject.toml").read_text())["project"]["version"])


@app.callback(invoke_without_command=True)
def workbench(
    context: typer.Context,
    workspace: Annotated[
        Path | None, typer.Option("--workspace", help="The folder of jobs and artifacts; .evbench here by default.")
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    data: Annotated[Path | None, typer.Option("--data", help="A recording or folder to open in the workbench.")] = None,
    _: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Takes event-camera networks from recordings to a Cortex-M7. Without a command, opens the workbench."""
    options.workspace, options.debug, options.data = workspace, debug, data
    if context.invoked_subcommand is None:
        from evbench.tui.app import run

        run(open_workspace(), data)


# --- the main job -----------------------------------------------------------------------------------------------------


@app.command()
def demo(as_json: JsonOption = False) -> None:
    """Train, quantise, flash and measure on simulated recordings and a virtual board: no data or board needed."""
    _run("bars-voxel-qat", None, "virtual-h743", {}, as_json, detach=False)


@app.command()
def run(
    recipe: RecipeArgument,
    data: Annotated[Path | None, typer.Option("--data", help="The folder of recordings.")] = None,
    board: BoardOption = None,
    settings: SetOption = None,
    sweep: Annotated[
        str | None, typer.Option("--sweep", metavar="KEY=V1,V2,…", help="A job for each of a setting's values.")
    ] = None,
    detach: DetachOption = False,
    scheduler: Annotated[str | None, typer.Option("--dask", help="Run on a dask scheduler, tcp://host:port.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Run a recipe: dataset, train, quantise, export, build, flash, profile, parity, report."""
    if sweep is None:
        _run(recipe, data, board, settings_of(settings), as_json, detach, scheduler)
        return
    from evbench.jobs import output
    from evbench.jobs.sweep import parse_sweep, start_sweep

    workspace, wanted = open_workspace(), parse_sweep(sweep)
    started = start_sweep(workspace, recipe, wanted, data, board, settings_of(settings), scheduler)
    if detach:
        output.print_json({"jobs": started}) if as_json else print(f"Jobs {started} run one after the other")
        return
    output.follow_sweep(workspace, wanted, started, as_json)


def _run(
    recipe: str,
    data: Path | None,
    board: str | None,
    overrides: Mapping[str, str],
    as_json: bool,
    detach: bool,
    scheduler: str | None = None,
) -> None:
    from evbench.jobs import engine, output

    workspace = open_workspace()
    job_id = engine.submit_run(workspace, recipe, data, board, overrides)
    engine.start(workspace, job_id, "dask" if scheduler else "local", scheduler)
    if detach:
        output.print_json({"job": job_id}) if as_json else print(f"Job {job_id} runs; `evbench jobs show {job_id}`")
        return
    output.follow_to_the_end(workspace, job_id, as_json)


@app.command()
def report(
    job: Annotated[int | None, typer.Argument(metavar="[JOB]", help="The newest finished run by default.")] = None,
    confusion: Annotated[bool, typer.Option("--confusion", help="Which classes are taken for which instead.")] = False,
    approach: Annotated[str | None, typer.Option("--approach", help="Whose confusion; the last by default.")] = None,
    form: Annotated[
        str | None, typer.Option("--format", metavar="markdown|html|json", help="All of the report, as a document.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="The file of --format; printed by default.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the approaches of a finished run side by side, or the confusion matrices of one; write it as a document."""
    from evbench.jobs import actions, display, output
    from evbench.jobs.confusion import confusion_of, confusion_tables

    store = open_store(open_workspace())
    if form is not None or out is not None:
        output.show_document(store, job, form, out)
        return
    found = actions.report_of(store, job)
    if confusion or approach:
        output.show(confusion_of(found, approach), as_json, confusion_tables)
    else:
        output.show(found, as_json, display.report_table)


@app.command()
def profile(
    model: ModelArgument = None,
    board: BoardOption = None,
    port: PortOption = None,
    recording: Annotated[Path | None, typer.Option("--recording", help="A recording or a folder of them.")] = None,
    curve: Annotated[bool, typer.Option("--curve", help="Cycles against events per window.")] = False,
    hop: Annotated[
        str | None,
        typer.Option("--hop", help="Play windows so far apart, '10 ms', and see what overlapping ones share."),
    ] = None,
    windows: Annotated[int, typer.Option("--windows", min=2, help="How many windows --hop plays at most.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """Build, flash and measure a model: cycles per layer, or per window against its events."""
    from evbench.jobs import actions, display, output, window_tables
    from evbench.jobs.looking import duration_option

    loaded = actions.choose_board(board, port)
    on_step = None if as_json else output.step_line
    step = duration_option("--hop", hop) if hop else None
    result = actions.profile_model(
        open_store(open_workspace()), model, loaded, recording, on_step, curve=curve, hop=step, streamed=windows
    )
    if result["board"] != loaded.id and not as_json:
        print(f"The model does not fit {loaded.id}; it is measured on {result['board']}.")
    table = window_tables.curve_table if curve else window_tables.streaming_table if hop else display.layers_table
    output.show(result, as_json, table)
    if not as_json and not curve and not hop:
        from evbench.jobs.models import open_model

        print(display.logits_line(result, open_model(model).classes))


@app.command()
def parity(
    model: ModelArgument = None,
    windows: Annotated[int, typer.Option("--windows", min=1, help="How many windows to compare on.")] = 16,
    data: Annotated[Path | None, typer.Option("--data", help="A recording or a folder of them.")] = None,
    board: BoardOption = None,
    port: PortOption = None,
    peer: Annotated[
        str | None, typer.Option("--with", help="Another runtime beside them, not judged: tflite-micro.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare every execution of a model, layer by layer; exit code 1 when they differ more than they may."""
    from evbench.jobs import actions, display, output
    from evbench.jobs.peer import parity_with_peer

    chosen = actions.choose_board(board, port)
    result = actions.parity_model(open_store(open_workspace()), model, chosen, windows, data, peer)
    output.show(result, as_json, parity_with_peer if peer else display.parity_table)
    if not result["passed"]:
        raise typer.Exit(1)


app.command()(audit)
app.command()(verify)
app.command()(build)
app.command()(export)
app.command()(recordings.voxel)
app.command()(tensors)
app.command()(sensitivity)
app.command()(search)
app.command()(study)


# --- around it --------------------------------------------------------------------------------------------------------


@bench.command("kernels")
def bench_kernels(board: BoardOption = None, as_json: JsonOption = False) -> None:
    """Cycles per multiply-accumulate of the kernels, beside targets and CMSIS-NN's; exit code 1 for wrong bytes."""
    from evbench.jobs import actions, benchmarks, output

    figures = benchmarks.measure_kernels(actions.choose_board(board, None), open_workspace().cache / "builds")
    content = {"kernels": [figure.to_json() for figure in figures]}
    output.show(content, as_json, lambda _: benchmarks.kernels_table(figures))
    if not all(figure.equal for figure in figures):
        raise typer.Exit(1)


@bench.command("network")
def bench_network(
    benchmark: Annotated[str, typer.Argument(help="A bundled benchmark's name, bench-resnet8, or a .toml file.")],
    board: BoardOption = None,
    as_json: JsonOption = False,
) -> None:
    """Cycles per multiply-accumulate of a whole network with random weights, beside what others publish.

    Exit code 1 when bytes are wrong.
    """
    from evbench.jobs import actions, network_benchmark, output

    chosen = network_benchmark.load_benchmark(benchmark)
    cache = open_workspace().cache / "builds"
    figures = network_benchmark.measure_network(chosen, actions.choose_board(board, None), cache)
    content = {"networks": [figure.to_json() for figure in figures]}
    output.show(content, as_json, lambda _: network_benchmark.network_table(figures))
    if not all(figure.equal for figure in figures):
        raise typer.Exit(1)


@bench.command("timing")
def bench_timing(as_json: JsonOption = False) -> None:
    """The virtual board's timing model beside what was measured on silicon, pattern by pattern."""
    from evbench.jobs import output, timing_bench

    found = timing_bench.measure_timing()
    output.show(timing_bench.timing_json(found), as_json, lambda _: timing_bench.timing_table(found))


@app.command()
def doctor(as_json: JsonOption = False) -> None:
    """Look whether everything is here; exit code 1 when something needed is missing."""
    from evbench.jobs import display, output
    from evbench.jobs.doctor import examine

    checks = []
    for check in examine(options.workspace):
        checks.append(check)
        if not as_json:
            output.console().print(display.check_line(check), highlight=False)
    passed = all(check.ok or not check.needed for check in checks)
    if as_json:
        output.print_json({"checks": [check.to_json() for check in checks], "passed": passed})
    if not passed:
        raise typer.Exit(1)


@app.command("serve")
def serve_workbench(
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="The port on this machine.")] = 8000,
) -> None:
    """Show the workbench in a browser on this machine; the extra `serve` installs what it needs."""
    from evbench.tui.serving import serve

    serve(open_workspace(), port, options.data)


def main() -> None:
    """The console script: errors a user can mend become one message and an exit code."""
    if sys.argv[1:] == ["--version"]:
        print(f"evbench {version()}")
        return
    try:
        app()
    except EvbenchError as error:
        if options.debug:
            raise
        print(f"evbench: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except Exception as error:
        if options.debug:
            raise
        from evbench.workspace import explain

        known = explain(error, "the workspace")
        print(f"evbench: {known or f'failed unexpectedly: {error!r}. --debug shows where.'}", file=sys.stderr)
        sys.exit(known.exit_code if known else 1)


if __name__ == "__main__":
    main()
