"""Follows the scales of a network while it is trained with quantisation."""

from __future__ import annotations

from pathlib import Path

from evbench.quantize.program import PreparedProgram
from evbench.quantize.statistics import load_scales, no_scales, save_scales
from evbench.quantize.watch import scales_of
from evbench.training.loop import OnMetric

EVERY = 10
"""Steps from one record of the scales to the next."""


class ScaleWatch:
    """Called after every step; records the scales at every tenth as metrics `scale/<tensor>` and in a file.

    The file is written at once, so that a training that is stopped and resumed records what an unbroken one does.
    """

    def __init__(self, program: PreparedProgram, path: Path, on_metric: OnMetric) -> None:
        self._program, self._path, self._on_metric = program, path, on_metric
        names = tuple(scales_of(program))
        before = load_scales(path)
        self._record = before if before.names == names else no_scales(names)

    def __call__(self, step: int) -> None:
        if step % EVERY:
            return
        scales = scales_of(self._program)
        for name, scale in scales.items():
            self._on_metric(f"scale/{name}", step, scale)
        self._record = self._record.with_step(step, list(scales.values()))
        save_scales(self._record, self._path)
