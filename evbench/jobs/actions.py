"""What commands and panes do: profile, compare and report models, look into recordings. Heavy imports stay inside."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from evbench.errors import BoardError, JobError, ProfileError
from evbench.jobs.curve import curve_of, curve_windows
from evbench.jobs.held_board import HeldBoard
from evbench.jobs.models import Model, compared_inputs, open_model
from evbench.jobs.recorded import profiled_windows, sliding_windows, stream_of
from evbench.jobs.store import JobRow, MetricWriter, Store
from evbench.jobs.streaming import STREAMED, compare_streaming
from evbench.profiles import BoardProfile, load_board
from evbench.resources import resource
from evbench.workspace import Workspace, explained

if TYPE_CHECKING:
    from evbench.boards.sensor import SensorWindow
    from evbench.boards.session import RunResult

DEFAULT_BOARD = "virtual-h743"
TFLITE_WINDOWS = 16
"""How many windows say how far the logits of a TensorFlow Lite file must reach."""

STEPS = ("build", "flash", "profile")


OnCycles = Callable[[str, int, float], None]


class OnStep(Protocol):
    """Told which step begins or ends ("running", "done"), how far it is from 0 to 1, and what to say about it."""

    def __call__(self, step: str, state: str, progress: float, message: str) -> None: ...


def choose_board(name: str | None, port: str | None = None) -> BoardProfile:
    """A board profile, the virtual board by default, on `port` where one is named.

    Raises ProfileError for an unknown board, BoardError for a port of a virtual one.
    """
    board = load_board(name or DEFAULT_BOARD)
    if port is None:
        return board
    if board.board.virtual:
        raise BoardError(
            f"{board.id} is a virtual board and has no serial port",
            where=f"--port {port}",
            remedy="Name a real board with --board, or leave the port away",
        )
    return board.model_copy(update={"link": board.link.model_copy(update={"port": port})})


def profile_model(
    store: Store,
    model: Path | None,
    board: BoardProfile,
    recording: Path | None = None,
    on_step: OnStep | None = None,
    on_cycles: OnCycles | None = None,
    job_id: int | None = None,
    *,
    wait: bool = False,
    curve: bool = False,
    hop: int | None = None,
    streamed: int = STREAMED,
) -> dict[str, Any]:
    """Build, flash and profile a model on windows of a recording; keeps and returns the JSON of `evbench profile`.

    With `curve` the windows reach from an empty to a full one, and `curve` in the JSON holds cycles against events.
    With `hop`, microseconds, the windows, at most `streamed`, follow each other through one recording, and `streaming`
    holds what they cost.
    `on_cycles` hears ("cycles/<layer>", window, cycles) for each window. With `wait` a board in use is waited for;
    without, that raises BoardError.
    """
    from evbench.jobs.stages.hardware import describe, fit, measure

    tell = on_step or (lambda step, state, progress, message: None)

    def on_window(number: int, run: RunResult) -> None:
        tell("profile", "running", (number + 1) / (len(windows) + 1), f"window {number + 1} of {len(windows)}")
        if on_cycles:
            for layer in run.layers:
                on_cycles(f"cycles/{layer.index}", number, layer.cycles)
            on_cycles("cycles/voxelising", number, run.result.voxelising.cycles)

    tell("build", "running", 0.0, "")
    opened = open_model(model)
    on_curve = curve_windows(opened, recording) if curve else []
    following = _following(opened, recording, hop, streamed) if hop is not None else []
    windows = [window.window for window in on_curve] or following or profiled_windows(opened, recording)
    fitted = fit(opened.graph, board, store.workspace)
    sizes = f"flash {fitted.build.flash_bytes / 1024:.0f} KiB, RAM {fitted.build.ram_bytes / 1024:.0f} KiB"
    tell("build", "done", 1.0, sizes)
    held = HeldBoard(store, job_id, wait=wait)
    try:
        tell("flash", "running", 0.0, "")
        session = held.flash(fitted.board, fitted.build, lambda what, share: tell("flash", "running", share, what))
        tell("flash", "done", 1.0, f"build {fitted.build.build_id[:12]} verified on {fitted.board.id}")
        tell("profile", "running", 0.0, "")
        result = measure(session, fitted.build, opened.graph, windows, on_window)
        result["inputs"] = "recordings" if opened.reads_events else "random"
        result["left_out"] = opened.graph.metadata.get("left_out", "")
        if curve:
            result["curve"] = curve_of(result, on_curve)
        if hop is not None:
            result["streaming"] = compare_streaming(session, result, following, hop)
    finally:
        held.close()
    tell("profile", "done", 1.0, describe(result))
    store.add_profile_run(job_id, fitted.board.id, opened.name, result)
    return result


def _following(model: Model, recording: Path | None, hop: int, count: int) -> list[SensorWindow]:
    """Windows of a recording, `hop` microseconds apart. Raises ProfileError for a hop that leaves events out."""
    if recording is None:
        recording = next(path for path in sorted(resource("assets", "recordings").iterdir()) if path.is_file())
    stream = stream_of(model, recording)
    if not 0 < hop <= stream.settings.window:
        raise ProfileError(
            "Windows that follow each other leave nothing out",
            where=f"a hop of {hop / 1e3:g} ms",
            remedy=f"Choose up to {stream.settings.window / 1e3:g} ms, the length of the model's windows",
        )
    return sliding_windows(stream, hop, count)


def profile_job(workspace: Workspace, store: Store, job: JobRow) -> dict[str, Any]:
    """Run a queued profile job; its steps are the job's stages."""
    store.plan_stages(job.id, [(step, "") for step in STEPS])

    def on_step(step: str, state: str, progress: float, message: str) -> None:
        times = {"running": "started", "done": "finished"}
        stamp = {times[state]: time.time()} if progress in (0.0, 1.0) else {}
        store.change_job(job.id, stage=step)
        store.change_stage(job.id, step, "", state=state, progress=progress, message=message, **stamp)

    model, recording = (Path(job.settings[key]) if job.settings[key] else None for key in ("model", "recording"))
    board = load_board(job.settings["board"])
    with MetricWriter(store, job.id) as metric:
        return profile_model(store, model, board, recording, on_step, metric, job.id, wait=True)


def parity_model(
    store: Store,
    model: Path | None,
    board: BoardProfile,
    windows: int = 16,
    data: Path | None = None,
    peer: str | None = None,
) -> dict[str, Any]:
    """Compare every execution of a model on `windows` windows; returns the JSON of `evbench parity`.

    `peer` names another runtime that takes part without being judged. Raises ModelError where there is none.
    """
    from evbench.jobs.comparison import compare_model
    from evbench.jobs.peer import check_peer
    from evbench.jobs.stages.hardware import fit

    if peer is not None:
        check_peer(peer)
    opened = open_model(model)
    batch = compared_inputs(opened, data, windows)
    fitted = fit(opened.graph, board, store.workspace)
    held = HeldBoard(store, wait=False)
    try:
        session = held.flash(fitted.board, fitted.build)
        return compare_model(opened.graph, opened.source, batch, store.workspace, session, fitted.build, peer)
    finally:
        held.close()


def build_model(store: Store, model: Path | None, board: BoardProfile) -> dict[str, Any]:
    """Compile a model for a board, without flashing; returns the JSON of `evbench build`: its memory."""
    from evbench.compile.build import build_firmware
    from evbench.compile.footprint import footprint

    graph = open_model(model).graph
    build = build_firmware(graph, board, store.workspace.cache / "builds")
    return {"build_id": build.build_id, "elf": str(build.elf), **footprint(graph, board, build).to_json()}


def export_model(model: Path | None, board: BoardProfile, folder: Path) -> list[Path]:
    """Write a model as C sources that build alone, planned for the memory of `board`; returns the files' paths."""
    from evbench.compile.export import export_c

    return export_c(open_model(model).graph, board, folder.expanduser())


def export_tflite(model: Path | None, path: Path) -> dict[str, Any]:
    """Write a model as a TensorFlow Lite file; returns its path, its bytes and the step of its 8-bit logits.

    The logits reach half as far again as on windows at hand. Raises ModelError for a model that has no such file.
    """
    from evbench.graph.execute import execute
    from evbench.graph.tflite import to_tflite

    opened = open_model(model)
    logits = execute(opened.graph, compared_inputs(opened, None, TFLITE_WINDOWS))[opened.graph.outputs[0]]
    made = to_tflite(opened.graph, 1.5 * float(abs(logits).max()))
    target = path.expanduser().absolute()
    with explained(target.parent):
        part = target.with_name(f"{target.name}.tmp")
        part.write_bytes(made.content)
        part.replace(target)
    return {"path": str(target), "bytes": len(made.content), "logit_step": made.logit_scale}


def report_of(store: Store, job_id: int | None = None) -> dict[str, Any]:
    """The report of a finished run, of the newest one when none is named. Raises JobError when there is none."""
    jobs = [store.job(job_id)] if job_id is not None else store.jobs()
    for job in jobs:
        if job.kind == "run" and job.state == "done" and job.result:
            return {"job": job.id, **job.result}
    if job_id is not None:
        raise JobError(
            f"Job {job_id} has no report: it is {jobs[0].state}",
            where=f"Job {job_id}, {jobs[0].recipe}",
            remedy=f"See `evbench jobs show {job_id}`",
        )
    raise JobError(
        "There is no finished run",
        where=f"Workspace {store.workspace.root}",
        remedy="Start one with `evbench run RECIPE`",
    )
