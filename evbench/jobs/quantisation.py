"""What quantisation does to a model's tensors, as the command and the workbench show it; read without torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from difflib import get_close_matches
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evbench.errors import ModelError
from evbench.jobs.models import label, model_folder
from evbench.jobs.store import Store
from evbench.quantize.alarms import alarms_of
from evbench.quantize.histogram import EDGES, STEPS
from evbench.quantize.movement import Movement
from evbench.quantize.statistics import FILE, ModelStatistics, ScaleRecord, TensorStatistics, load_statistics
from evbench.workspace import Workspace


def statistics_of(
    workspace: Callable[[], Workspace], model: str | None, approach: str = "qat-int8"
) -> tuple[str, ModelStatistics]:
    """A model's name and statistics: of a folder, of what a job by number exported, of the bundled model for None.

    Raises ModelError where there are none, JobError for a job that has exported no such model.
    """
    folder = model_folder(lambda: Store(workspace()), model, approach)
    return label(None if model is None else folder), load_statistics(folder / FILE)


def overview(name: str, statistics: ModelStatistics) -> dict[str, Any]:
    """The JSON of `evbench tensors`: one entry per tensor, and every alarm. SQNR is None where nothing is lost;
    `channel_spread` is how many times the largest magnitude of a channel exceeds that of another that is not dead."""
    alarms = alarms_of(statistics)
    return {
        "model": name,
        "observer": next((tensor.observer for tensor in statistics.tensors if tensor.kind == "activation"), "none"),
        "tensors": [
            {**_figures(tensor), "flags": [alarm.kind for alarm in alarms if alarm.tensor == tensor.name]}
            for tensor in statistics.tensors
        ],
        "alarms": [asdict(alarm) for alarm in alarms],
    }


def detail(name: str, statistics: ModelStatistics, tensor: str) -> dict[str, Any]:
    """The JSON of `evbench tensors --tensor`: histogram, observers' ranges and costs, channels, scales over training.

    `histogram` lists per bin that holds something its lower edge, upper edge, and share of the values that are not
    zero. Raises ModelError for a tensor that the model does not have.
    """
    chosen = _tensor_of(name, statistics, tensor)
    counts = chosen.histogram.magnitudes
    bins = np.flatnonzero(counts)
    share = counts[bins] / counts.sum() if bins.size else counts[bins]
    scales = statistics.scales
    return {
        "model": name,
        **_figures(chosen),
        "values": chosen.histogram.total,
        "largest": chosen.histogram.largest,
        "active_limit": chosen.active_limit,
        "channel_peaks": chosen.channel_peaks.tolist(),
        "histogram": [
            [float(EDGES[bin_]), float(EDGES[bin_ + 1]), float(part)] for bin_, part in zip(bins, share, strict=True)
        ],
        "observers": [asdict(cost) for cost in chosen.costs(statistics.settings)],
        "scales_over_training": {"steps": scales.steps.tolist(), "scales": scales.of(tensor).tolist()},
        "alarms": [asdict(alarm) for alarm in alarms_of(statistics) if alarm.tensor == tensor],
    }


def over_training(name: str, statistics: ModelStatistics, tensor: str) -> dict[str, Any]:
    """The JSON of `evbench tensors --tensor NAME --over-training`: how one tensor moved while it was trained.

    At n steps, looks at always the same `windows` windows of the training set: `edges` [b + 1] of bins of half an
    octave, `shares` [n][b] of the values that are not zero, and [n] each: zero share, scale, range, and of the values
    that are not zero those rounded to zero and those clipped. `scales_over_training` as in `detail`; alarms are those
    about the scale's movement. Lists are empty and `total_steps` is 0 where no training with quantisation was followed
    or the tensor has no range. Raises ModelError for a tensor that the model does not have.
    """
    _tensor_of(name, statistics, tensor)
    alarms = [alarm for alarm in alarms_of(statistics) if alarm.tensor == tensor and alarm.kind == "oscillation"]
    return moved(name, statistics.movement, statistics.scales, tensor) | {"alarms": [asdict(alarm) for alarm in alarms]}


def moved(name: str, movement: Movement, scales: ScaleRecord, tensor: str) -> dict[str, Any]:
    """The JSON of `over_training` without alarms, of looks that were taken wherever."""
    looks = movement.of(tensor)
    return {
        "model": name,
        "name": tensor,
        "total_steps": movement.total_steps if looks["steps"] else 0,
        "windows": movement.windows,
        **looks,
        "scales_over_training": {"steps": scales.steps.tolist(), "scales": scales.of(tensor).tolist()},
    }


def _tensor_of(name: str, statistics: ModelStatistics, tensor: str) -> TensorStatistics:
    names = [known.name for known in statistics.tensors]
    if tensor in names:
        return statistics.tensors[names.index(tensor)]
    near = get_close_matches(tensor, names, 1)
    raise ModelError(
        f"The model has no tensor {tensor!r}",
        where=name,
        remedy=f"Did you mean {near[0]}?" if near else "Choose one that `evbench tensors` lists",
    )


def _figures(tensor: TensorStatistics) -> dict[str, Any]:
    alive = tensor.channel_peaks[tensor.channel_peaks > 0]
    return {
        "name": tensor.name,
        "kind": tensor.kind,
        "observer": tensor.observer,
        "dtype": "u8" if tensor.low == 0 else "s16" if tensor.high > 255 else "s8",
        "zero_share": tensor.zero_share,
        "bimodality": tensor.bimodality,
        "sqnr_db": tensor.sqnr,
        "sqnr_active_db": tensor.sqnr_active,
        "clip_share": tensor.clip_share,
        "lost_share": tensor.lost_share,
        "scale": tensor.scale,
        "scales": tensor.scales.tolist(),
        "channels": len(tensor.channel_peaks),
        "channel_spread": float(alive.max() / alive.min()) if alive.size else 1.0,
        "range": tensor.range,
    }


def log_columns(histogram: list[list[float]], width: int, lowest: float, highest: float) -> NDArray[np.float64]:
    """Shares [width] of a `detail`'s histogram in columns of equal width on a log scale from `lowest` to `highest`."""
    if not histogram:
        return np.zeros(width)
    lower, upper, share = np.array(histogram).T
    reached = np.cumsum(share)
    edges = np.log(np.stack([lower, upper], axis=1).reshape(-1))
    known = np.stack([reached - share, reached], axis=1).reshape(-1)
    return np.asarray(np.diff(np.interp(np.linspace(np.log(lowest), np.log(highest), width + 1), edges, known)))


def position(values: Any, width: int, lowest: float, highest: float) -> NDArray[np.int64]:
    """The column in which each value lies; outside 0 … width - 1 for values outside the axis."""
    part = np.log(np.asarray(values, np.float64) / lowest) / np.log(highest / lowest)
    return np.asarray(np.floor(part * width), np.int64)


def axis_limits(histogram: list[list[float]], ranges: list[float], octaves: float = 16.0) -> tuple[float, float]:
    """Lower and upper end of a log axis that shows all ranges and values, at most `octaves` downwards from the top."""
    tops = [*ranges, *(upper for _, upper, _ in histogram)]
    if not tops:
        return 0.5, 1.0
    highest = max(tops) * 2 ** (2 / STEPS)
    lows = [lower for lower, _, share in histogram if share > 1e-5] or [highest / 2]
    return max(min(lows), highest * 2.0**-octaves), highest


def place_labels(labels: dict[str, int], cells: int) -> list[list[tuple[int, str, str]]]:
    """Labels below the columns they belong to, in as many lines as it takes for none to cover another.

    A line lists (where it begins, what is written, whose it is); a corner stands in the label's own column.
    """
    lines: list[list[tuple[int, str, str]]] = []
    for written, mark in sorted(labels.items(), key=lambda item: item[1]):
        fits = mark + len(written) + 2 <= cells
        text, start = (f"╰ {written}", mark) if fits else (f"{written} ╯", max(mark - len(written) - 1, 0))
        free = (
            line for line in lines if all(start > at + len(other) or at > start + len(text) for at, other, _ in line)
        )
        line = next(free, None)
        if line is None:
            line = []
            lines.append(line)
        line.append((start, text, written))
    return [sorted(line) for line in lines]
