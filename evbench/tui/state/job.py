"""What the Jobs pane shows of one job: its stages, curves and log, read from the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from evbench.jobs.store import StageRow, Store

_LOG_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """One metric of one approach. steps, values: [N]; times: [N], when they were written, seconds since the epoch."""

    approach: str
    metric: str
    steps: NDArray[np.float64]
    values: NDArray[np.float64]
    times: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class JobDetail:
    """One job in full. `last_metric` is the row id up to which metrics were read; `log` holds its last lines."""

    job_id: int
    stages: tuple[StageRow, ...] = ()
    curves: Mapping[str, Curve] = field(default_factory=dict)
    last_metric: int = 0
    log: tuple[str, ...] = ()
    log_bytes: int = 0

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of what can be drawn, the loss first; figures of single layers are not among them."""
        names = dict.fromkeys(curve.metric for curve in self.curves.values() if "/" not in curve.metric)
        return tuple(sorted(names, key=lambda name: (name != "loss", not name.endswith("loss"))))

    def drawn(self, metric: str) -> tuple[Curve, ...]:
        """The curves of one metric, one per approach."""
        return tuple(curve for curve in self.curves.values() if curve.metric == metric)

    def differs(self, other: JobDetail | None) -> bool:
        """Whether there is anything to draw anew."""
        mine = (self.job_id, self.stages, self.last_metric, self.log_bytes)
        return other is None or mine != (other.job_id, other.stages, other.last_metric, other.log_bytes)


def read_job(store: Store, job_id: int, before: JobDetail | None = None, *, log: bool = True) -> JobDetail:
    """One job in full; only what has been added since `before` is read of its metrics. Without `log` its log is not."""
    if before is None or before.job_id != job_id:
        before = JobDetail(job_id)
    rows = store.metrics(job_id, after=before.last_metric)
    new: dict[str, list[tuple[float, float, float]]] = {}
    for row in rows:
        new.setdefault(row.name, []).append((row.step, row.value, row.time))
    curves = dict(before.curves)
    for name, points in new.items():
        curves[name] = _longer(curves.get(name) or Curve(*_split(name), *np.zeros((3, 0))), np.array(points))
    lines, size = before.log, before.log_bytes
    path = store.workspace.log(job_id)
    now = path.stat().st_size if log and path.exists() else 0
    if now != size:
        lines, size = _tail(path), now
    last = rows[-1].id if rows else before.last_metric
    return JobDetail(job_id, tuple(store.stages(job_id)), curves, last, lines, size)


def _longer(curve: Curve, points: NDArray[np.float64]) -> Curve:
    """A curve with points [N, 3] of step, value and time behind it; what a resumed training writes anew replaces."""
    kept = curve.steps < points[0, 0]
    steps, values, times = (
        np.append(old[kept], new) for old, new in zip((curve.steps, curve.values, curve.times), points.T, strict=True)
    )
    return Curve(curve.approach, curve.metric, steps, values, times)


def _split(name: str) -> tuple[str, str]:
    """Approach and metric of a metric's name: "qat-int8/loss", "qat-int8/cycles/3", "cycles/3", "loss"."""
    first, slash, rest = name.partition("/")
    return (first, rest) if slash and first != "cycles" else ("", name)


def _tail(path: Path) -> tuple[str, ...]:
    with path.open("rb") as file:
        file.seek(0, 2)
        size = file.tell()
        file.seek(max(0, size - _LOG_BYTES))
        lines = file.read().decode(errors="replace").splitlines()
    return tuple(lines[1:] if size > _LOG_BYTES else lines)


def smooth(values: NDArray[np.float64], points: int = 200) -> NDArray[np.float64]:
    """Values [N] as means of at most `points` neighbouring groups."""
    if len(values) <= points:
        return values
    starts = np.arange(points) * len(values) // points
    counts = np.diff(starts, append=len(values))
    return np.asarray(np.add.reduceat(values, starts) / counts, np.float64)
