"""What the Device pane shows: models to choose from, measurements of them, and how they stand against the budget."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evbench.jobs.live import Live
    from evbench.jobs.store import ProfileRow, StageRow, Store
    from evbench.profiles import Budget
    from evbench.tui.dialogs import Choice

_LISTED = 50

BUNDLED = "bundled"
"""The value that stands for the bundled model."""


@dataclass(frozen=True, slots=True)
class LayerCost:
    """What one layer costs. `share` of all cycles; `cycles_per_mac` is None where nothing is multiplied.

    `skipped`: the share of its sites that are not computed, None where the layer computes all of them.
    """

    index: int
    name: str
    kind: str
    macs: int
    cycles: int
    cycles_per_mac: float | None
    ms: float
    share: float
    skipped: float | None = None


@dataclass(frozen=True, slots=True)
class BudgetLine:
    """One thing a model may use so much of, in the unit of `text`."""

    name: str
    used: float
    limit: float

    @property
    def fraction(self) -> float:
        return self.used / self.limit if self.limit else 0.0


@dataclass(frozen=True, slots=True)
class Measurement:
    """One profile run as the pane shows it; sizes in bytes, times in milliseconds."""

    id: int
    job_id: int | None
    board: str
    model: str
    modelled: bool
    core_hz: int
    build_id: str
    total_cycles: int
    latency_ms: float
    layers: tuple[LayerCost, ...]
    budget: tuple[BudgetLine, ...]
    logits: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class DeviceState:
    """All measurements, newest first, and the stages of the newest profile job."""

    runs: tuple[Measurement, ...] = ()
    job_id: int | None = None
    stages: tuple[StageRow, ...] = ()


def read_device(store: Store, job_id: int | None) -> DeviceState:
    """Measurements of the workspace and the stages of one profile job."""
    stages = tuple(store.stages(job_id)) if job_id is not None else ()
    recipes = {job.id: job.settings.get("recipe") for job in store.jobs()}
    runs = tuple(measurement(row, recipes.get(row.job_id or 0)) for row in store.profile_runs(limit=_LISTED))
    return DeviceState(runs, job_id, stages)


def measurement(row: ProfileRow, recipe: dict[str, Any] | None = None) -> Measurement:
    """A stored profile run, with shares and its recipe's budget (the usual one without a recipe) worked out."""
    from evbench.compile.linker import STACK_BYTES
    from evbench.profiles import Budget

    result = row.result
    limits = Budget.model_validate(recipe.get("budget", {})) if recipe else Budget()
    total = int(result["total_cycles"])
    return Measurement(
        row.id,
        row.job_id,
        row.board,
        row.model,
        bool(result["modelled"]),
        int(result["core_hz"]),
        str(result["build_id"]),
        total,
        float(result["latency_ms"]),
        tuple(_layer(layer, total) for layer in result["layers"]),
        _budget(result, limits, STACK_BYTES),
        tuple(float(value) for value in result["logits"]),
    )


def live_measurement(live: Live) -> Measurement:
    """The newest window that was played, as a measurement; the budget's latency is the worst so far."""
    from evbench.compile.linker import STACK_BYTES

    total = live.total_cycles
    layers = tuple(
        LayerCost(
            index,
            layer.name,
            layer.kind,
            layer.macs,
            layer.cycles,
            layer.cycles / layer.macs if layer.macs else None,
            1e3 * layer.cycles / live.core_hz,
            layer.cycles / total if total else 0.0,
            layer.skipped,
        )
        for index, layer in enumerate(live.layers)
    )
    used = {
        "flash_bytes": live.flash_bytes,
        "ram_bytes": live.ram_bytes,
        "stack_bytes": live.stack_bytes,
        "latency_ms": live.worst_ms,
    }
    budget = _budget(used, live.limits, STACK_BYTES)
    return Measurement(
        0, None, live.board, live.model, live.modelled, live.core_hz, live.build_id, total, live.latency_ms, layers,
        budget, live.logits,
    )  # fmt: skip


def _layer(layer: dict[str, Any], total: int) -> LayerCost:
    per_mac = layer.get("cycles_per_mac")
    return LayerCost(
        int(layer["index"]),
        str(layer["name"]),
        str(layer["kind"]),
        int(layer["macs"]),
        int(layer["cycles"]),
        float(per_mac) if per_mac and layer["macs"] else None,
        float(layer["ms"]),
        layer["cycles"] / total if total else 0.0,
        layer.get("skipped"),
    )


def _budget(result: dict[str, Any], limits: Budget, stack_room: int) -> tuple[BudgetLine, ...]:
    return (
        BudgetLine("flash", result["flash_bytes"], limits.flash),
        BudgetLine("RAM", result["ram_bytes"], limits.ram),
        BudgetLine("stack", result["stack_bytes"], stack_room),
        BudgetLine("latency", result["latency_ms"] * 1000, limits.latency),
    )


def model_choices(store: Store) -> list[Choice]:
    """The bundled model, the models that export stages of this workspace have left, and ONNX files in this folder."""
    from evbench.jobs.models import MODEL, ONNX
    from evbench.tui.dialogs import Choice

    choices = [Choice(BUNDLED, "bundled model", "comes with evbench")]
    seen: set[Path] = set()
    for job in store.jobs():
        for stage in store.stages(job.id):
            if stage.name != "export" or stage.state not in ("done", "reused") or not stage.digest:
                continue
            path = store.workspace.artifact_dir(stage.digest) / MODEL
            if path.is_dir() and path not in seen:
                seen.add(path)
                choices.append(Choice(str(path), stage.approach or path.name, f"job {job.id}, {job.recipe}"))
    files = sorted(Path.cwd().glob(f"*{ONNX}"))
    return choices + [Choice(str(path), path.name, "ONNX file in this folder") for path in files]
