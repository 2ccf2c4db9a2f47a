"""One measurement of a build on a board: cycles per layer, logits, memory."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from evbench.boards.frames import Voxelising


@dataclass(frozen=True, slots=True)
class LayerCycles:
    """What one layer cost. cycles_per_mac is None for layers that do not multiply."""

    index: int
    name: str
    kind: str
    macs: int
    cycles: int
    cycles_per_mac: float | None
    ms: float


@dataclass(frozen=True, slots=True)
class WindowCycles:
    """One measured window: events on its voxel grid, cycles of all layers, logits.

    voxelising: what the grid cost before, while events arrived. sensor: the board made it of the events themselves;
    otherwise it was given counts, whose bins and whose filtering were the workstation's work.
    """

    events: int
    total_cycles: int
    logits: tuple[float, ...]
    voxelising: Voxelising
    sensor: bool


@dataclass(frozen=True, slots=True)
class ProfileRun:
    """A profile run. Layers, totals and logits are those of the window with the median total, `windows[median]`.

    modelled: the cycles come from a timing model, not from silicon. data_cache_cycles: how many of each layer's cycles
    are data-cache misses, measured on one window and charged to all; empty where the board counts for itself or the
    pass was off.
    """

    board: str
    modelled: bool
    core_hz: int
    build_id: str
    layers: tuple[LayerCycles, ...]
    total_cycles: int
    latency_ms: float
    flash_bytes: int
    ram_bytes: int
    stack_bytes: int
    logits: tuple[float, ...]
    windows: tuple[WindowCycles, ...]
    median: int
    data_cache_cycles: tuple[int, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The run as plain lists, dicts and numbers."""
        content = asdict(self)
        for window in content["windows"]:
            voxelising = window["voxelising"]
            given = voxelising["given"]
            voxelising["cycles_per_event"] = voxelising["cycles"] / given if given else None
        return content
