"""Follows the tensors of a network while it is trained with quantisation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evbench.quantize.movement import FILE, is_a_look, load_movement, no_movement, save_movement
from evbench.quantize.program import PreparedProgram
from evbench.quantize.statistics import SCALES_FILE, load_scales, no_scales, save_scales
from evbench.quantize.watch import measure_activations, scales_of
from evbench.training.loop import OnMetric
from evbench.training.torch_setup import torch

EVERY = 10
"""Steps from one record of the scales to the next."""


class Follower:
    """Called after every one of `steps`; looks at `windows`, uint8 [n, C, H, W], some fifty times in a training.

    Records the scales at every tenth step as metrics `scale/<tensor>` and in a file of `directory`, the looks in
    another. Files are written at once: a training that is stopped and resumed records what an unbroken one does.
    """

    def __init__(
        self,
        program: PreparedProgram,
        windows: NDArray[np.uint8],
        steps: range,
        directory: Path,
        on_metric: OnMetric,
    ) -> None:
        self._program, self._windows, self._on_metric = program, torch.from_numpy(windows), on_metric
        self._steps = steps
        self._scales_file, self._movement_file = directory / SCALES_FILE, directory / FILE
        names = tuple(scales_of(program))
        scales, movement = load_scales(self._scales_file), load_movement(self._movement_file)
        self._scales = scales if scales.names == names else no_scales(names)
        same = (movement.names, movement.total_steps) == (names, steps.stop)
        self._movement = movement if same else no_movement(names, steps.stop, len(windows))

    def __call__(self, step: int) -> None:
        if step % EVERY == 0:
            scales = scales_of(self._program)
            for name, scale in scales.items():
                self._on_metric(f"scale/{name}", step, scale)
            self._scales = self._scales.with_step(step, list(scales.values()))
            save_scales(self._scales, self._scales_file)
        if is_a_look(step, self._steps):
            tensors = measure_activations(self._program, [self._windows])
            self._program.train()
            self._movement = self._movement.with_look(step, tensors)
            save_movement(self._movement, self._movement_file)
