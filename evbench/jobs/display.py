"""Tables and lines that commands print for people."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from evbench.jobs.store import JobRow, StageRow
from evbench.jobs.window_tables import voxelising_lines

if TYPE_CHECKING:
    from evbench.events.cleaning import FilterStep
    from evbench.events.datasets.catalogue import Entry
    from evbench.jobs.doctor import Check
    from evbench.profiles import BoardProfile

_STATE_STYLES = {
    "done": "green",
    "reused": "green",
    "running": "bold cyan",
    "queued": "cyan",
    "waiting": "dim",
    "failed": "bold red",
    "cancelled": "yellow",
    "interrupted": "yellow",
}
APPROACH_NAMES = {
    "fp32-frames": "fp32 frames",
    "fp32-voxel": "fp32 voxel",
    "ptq-int8": "PTQ int8",
    "qat-int8": "QAT int8",
}
_BAR_WIDTH = 24


def approach_name(approach: str) -> str:
    """What people call an approach; one that a user added by its own name."""
    return APPROACH_NAMES.get(approach, approach)


def report_table(report: dict[str, Any]) -> RenderableType:
    """The approaches of a run side by side."""
    rows = report["rows"]
    modelled = all(row.get("modelled", False) for row in rows)
    table = _table(f"{report['recipe']}, job {report['job']}" if "job" in report else report["recipe"])
    table.add_column("approach")
    table.add_column("network")
    for heading in (
        "size",
        "accuracy per window",
        "200 ms" if _is_fifty_ms(report) else "4 windows",
        "recording",
        "latency, modelled" if modelled else "latency",
        "flash",
        "RAM",
    ):
        table.add_column(heading, justify="right")
    table.add_column("fits")
    table.add_column("parity")
    for row in rows:
        table.add_row(
            approach_name(row["approach"]),
            row["network"],
            model_size(row["model_bytes"]),
            f"{percent(row['accuracy_window'])} ({interval(row['accuracy_window_ci95'])})",
            percent(row["accuracy_group"]),
            percent(row["accuracy_recording"]),
            f"{row['latency_ms']:.2f} ms",
            size(row["flash_bytes"]),
            size(row["ram_bytes"]),
            Text("yes", "green") if row["fits"] else Text(f"no: {row['board']}", "yellow"),
            Text("yes", "green") if row["parity"] else Text(f"no: {', '.join(row['differing'])}", "bold red"),
        )
    windows = rows[0]["n_windows"] if rows else 0
    recordings = f" of {rows[0]['n_recordings']} recordings" if rows and "n_recordings" in rows[0] else ""
    notes = [f"Accuracy on {windows} test windows{recordings}, with 95 % intervals."]
    if modelled:
        notes.append("Latency is modelled by the virtual board, within about 10 %.")
    if any(not row["fits"] for row in rows):
        notes.append("A model that does not fit the chip is measured on the board named, with external flash.")
    return Group(table, Text(" ".join(notes), "dim"))


def layers_table(profile: dict[str, Any], model: str = "") -> RenderableType:
    """Cycles of each layer of one profile run."""
    table = _table(f"{model} cycles per layer on {profile['board']}".strip())
    for heading in ("", "layer", "kind"):
        table.add_column(heading)
    for heading in ("MACs", "skipped", "cycles", "per MAC", "ms", "share"):
        table.add_column(heading, justify="right")
    table.add_column("")
    most = max((layer["cycles"] for layer in profile["layers"]), default=1) or 1
    total = profile["total_cycles"] or 1
    for layer in profile["layers"]:
        per_mac = layer["cycles_per_mac"]
        table.add_row(
            str(layer["index"]),
            layer["name"],
            layer["kind"],
            f"{layer['macs']:,}" if layer["macs"] else "",
            f"{100 * layer['skipped']:.0f} %" if layer.get("skipped") is not None else "",
            f"{layer['cycles']:,}",
            f"{per_mac:.2f}" if per_mac is not None else "",
            f"{layer['ms']:.3f}",
            f"{100 * layer['cycles'] / total:.1f} %",
            Text("█" * max(1, round(_BAR_WIDTH * layer["cycles"] / most)), "#FFB000"),
        )
    modelled = ", modelled" if profile["modelled"] else ""
    summary = (
        f"total {profile['total_cycles']:,} cycles = {profile['latency_ms']:.2f} ms at "
        f"{profile['core_hz'] / 1e6:.0f} MHz{modelled}; "
        f"flash {size(profile['flash_bytes'])}, RAM {size(profile['ram_bytes'])}, stack {size(profile['stack_bytes'])}"
        + (f" of {size(profile['stack_bound_bytes'])} at most" if "stack_bound_bytes" in profile else "")
    )
    lines = [summary, *voxelising_lines(profile)]
    if profile.get("inputs") == "random":
        lines.append("measured on random inputs: the model does not say how its input is made from events")
    if profile.get("left_out"):
        lines.append(f"left to the host, behind the logits: {profile['left_out']}")
    return Group(table, Text("\n".join(lines)))


def logits_line(profile: dict[str, Any], classes: Sequence[str]) -> str:
    """The predicted class of a profile run, how likely the softmax calls it, and all logits."""
    logits: list[float] = profile["logits"]
    names = classes if len(classes) == len(logits) else [str(number) for number in range(len(logits))]
    named = dict(zip(names, logits, strict=True))
    best = max(named, key=lambda name: named[name])
    likelihood = 1 / sum(math.exp(value - named[best]) for value in named.values())
    values = ", ".join(f"{name} {value:.2f}" for name, value in named.items())
    return f"predicts {best} ({100 * likelihood:.0f} %): {values}"


def parity_table(report: dict[str, Any]) -> RenderableType:
    """Every pair of executions that were compared."""
    table = _table(f"parity on {report['windows']} windows")
    table.add_column("executions")
    for heading in ("elements", "differing", "largest, LSB", "logits apart"):
        table.add_column(heading, justify="right")
    table.add_column("first differing layer")
    table.add_column("")
    for pair in report["pairs"]:
        table.add_row(
            f"{pair['a']} = {pair['b']}",
            f"{pair['elements']:,}",
            f"{pair['differing']:,}",
            str(pair["max_lsb"]),
            f"{pair['max_logit_deviation']:.6f}",
            pair["first_differing_layer"] or "none",
            _verdict(pair),
        )
    notes = [_difference(pair) for pair in report["pairs"] if pair["worst_element"] and not pair["ties"]]
    if report.get("vnni") is not None and any(pair["b"] == "ort-uint8" for pair in report["pairs"]):
        here = (
            "has VNNI: uint8 kernels do not saturate here" if report["vnni"] else "has no VNNI: uint8 kernels saturate"
        )
        notes.append(Text(f"ort-uint8 is ONNX Runtime without session.qdqisint8allowed; this CPU {here}.", "dim"))
    return Group(table, *notes)


def _verdict(pair: dict[str, Any]) -> Text:
    if not pair["judged"]:
        return Text("not judged", "dim")
    return Text("ok", "green") if pair["passed"] else Text("differs", "bold red")


def _difference(pair: dict[str, Any]) -> Text:
    """Where two executions first differ, its worst element, and the fault that explains it."""
    worst, fault = pair["worst_element"], pair["fault"]
    place = ", ".join(map(str, worst["position"]))
    values = f"{pair['a']} has {worst['a']}, {pair['b']} has {worst['b']}"
    where = f"{pair['first_differing_layer']}, window {worst['window']}, element ({place}): {values}"
    why = f"; {fault['kind']} in {fault['execution']}: {fault['text']}" if fault else ""
    return Text(f"{where}{why}", "yellow")


def jobs_table(jobs: Sequence[JobRow]) -> RenderableType:
    """The queue, newest first."""
    table = _table("jobs")
    table.add_column("job", justify="right")
    for heading in ("kind", "recipe", "state", "stage", "started", "took"):
        table.add_column(heading)
    for job in jobs:
        table.add_row(
            str(job.id),
            job.kind,
            job.recipe,
            state(job.state),
            job.stage or "",
            time.strftime("%d %b %H:%M", time.localtime(job.started or job.created)),
            duration(job.started, job.finished),
        )
    return table


def job_details(job: JobRow, stages: Sequence[StageRow]) -> RenderableType:
    """One job and its stages."""
    table = _table(f"job {job.id}: {job.kind} {job.recipe}")
    for heading in ("stage", "approach", "state", "took", ""):
        table.add_column(heading)
    for stage in stages:
        table.add_row(
            stage.name, stage.approach, state(stage.state), duration(stage.started, stage.finished), stage.message
        )
    lines: list[RenderableType] = [table, Text.assemble("state ", state(job.state))]
    if job.error:
        lines.append(Text(job.error, "red" if job.state == "failed" else "yellow"))
    return Group(*lines)


def state(name: str) -> Text:
    """A job's or stage's state in its colour."""
    return Text(name, _STATE_STYLES.get(name, ""))


def duration(started: float | None, finished: float | None) -> str:
    """How long something took or has taken so far."""
    if started is None:
        return ""
    seconds = max((finished or time.time()) - started, 0.0)
    return f"{seconds:.1f} s" if seconds < 60 else f"{seconds // 60:.0f} min {seconds % 60:02.0f} s"


def size(count: int) -> str:
    """Bytes for people."""
    if count < 10 * 1024:
        return f"{count:,} B"
    return f"{count / 1024:.0f} KiB" if count < 1024**2 else f"{count / 1024**2:.2f} MiB"


def model_size(count: int) -> str:
    """Bytes of a model's constants, in the decimal units that papers state them in; memories are counted in KiB."""
    return f"{count / 1e3:.0f} kB" if count < 1e6 else f"{count / 1e6:.2f} MB"


def percent(fraction: float | None) -> str:
    return "-" if fraction is None else f"{100 * fraction:.1f} %"


def interval(bounds: Sequence[float]) -> str:
    return f"{100 * bounds[0]:.1f} to {100 * bounds[1]:.1f}"


def _is_fifty_ms(report: dict[str, Any]) -> bool:
    return bool(report.get("window_us") == 50_000)


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, header_style="dim")


def recording_table(info: dict[str, Any]) -> RenderableType:
    """What `evbench events info` says of a recording."""
    table = Table(box=None, show_header=False, pad_edge=False)
    width, height = info["sensor"]
    first, last = info["t_first_us"], info["t_last_us"]
    table.add_row("format", info["format"])
    table.add_row("sensor", f"{width} x {height}")
    table.add_row("events", f"{info['events']:,} ({info['on']:,} ON, {info['off']:,} OFF)")
    if first is not None:
        table.add_row("time", f"{first / 1e6:.6f} s to {last / 1e6:.6f} s, {(last - first) / 1e6:.3f} s")
    table.add_row("monotonic", "yes" if info["monotonic"] else Text("no: time runs backwards", "yellow"))
    for warning in info["warnings"]:
        table.add_row("warning", Text(warning, "yellow"))
    return table


def boards_table(boards: Sequence[BoardProfile]) -> RenderableType:
    """Board profiles with their memory."""
    table = _table("boards")
    for heading in ("name", "board", "clock"):
        table.add_column(heading)
    for heading in ("flash", "RAM", "flash tool"):
        table.add_column(heading, justify="right")
    for board in boards:
        memory = {name: region.size for name, region in board.memory.items()}
        external = f" + {size(memory['qspi'])} QSPI" if "qspi" in memory else ""
        ram = sum(count for name, count in memory.items() if name not in ("flash", "qspi", "itcm"))
        table.add_row(
            board.id,
            board.board.name,
            f"{board.board.core_hz / 1e6:.0f} MHz",
            size(memory.get("flash", 0)) + external,
            size(ram),
            board.flash.tool,
        )
    return table


def datasets_table(entries: Sequence[Entry]) -> RenderableType:
    """The labelled sets with what each needs."""
    table = _table("datasets")
    table.add_column("name", no_wrap=True)
    table.add_column("what it shows, how it is split, and its files", overflow="fold")
    for entry in entries:
        about = Text(f"{entry.what}; split {entry.split}")
        table.add_row(entry.name, about.append(f"\n{entry.files}", "dim") if entry.files else about)
    absent = any(not entry.ready for entry in entries)
    note = "tonic is not installed: pip install 'evbench[tonic]'" if absent else "tonic is installed"
    return Group(table, Text(f"{note}. evbench downloads nothing.", "yellow" if absent else "dim"))


def check_line(check: Check) -> Text:
    """One line of the doctor."""
    mark, style = ("ok", "green") if check.ok else ("missing", "red") if check.needed else ("absent", "yellow")
    line = Text.assemble((f"{mark:8}", style), f"{check.name:14} {check.found}")
    return line if check.ok else line.append(f"\n{'':8}{check.remedy}", "dim")


def job_json(job: JobRow) -> dict[str, Any]:
    """A job for programs; the result is left to `evbench report`."""
    content = asdict(job)
    del content["result"]
    return content


def stage_json(stage: StageRow) -> dict[str, Any]:
    """A stage for programs."""
    return asdict(stage)


def filter_line(step: FilterStep) -> Text:
    """One line on what a filter did: the events it kept, and the pixels it found hot and masked."""
    from evbench.events.filter_text import filter_text

    text = Text(f"{filter_text(step.settings):42}", "bold")
    text.append(f"  {step.after:,} of {step.before:,} events kept  {100 * step.kept:.1f} %", "not bold")
    if step.settings.name == "hot-pixels":
        pixels = " ".join(f"({x}, {y})" for x, y in step.hot)
        text.append(f"  {len(step.hot)} hot, masked{': ' if pixels else ''}{pixels}", "not bold")
    return text
