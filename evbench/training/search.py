"""The networks that a search proposes: made from a trained model, measured, and ready for the board."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evbench.graph.activity import KEY as ACTIVITY
from evbench.graph.activity import with_activity
from evbench.graph.model import IntegerGraph
from evbench.profiles import Precision
from evbench.quantize.execution import TorchExecution
from evbench.quantize.hybrid import settings_of, with_precisions
from evbench.quantize.lower import lower
from evbench.quantize.program import PreparedProgram, capture_for, convert
from evbench.quantize.sensitivity import round_only
from evbench.training.augment import SparseWindows
from evbench.training.loop import compute_logits
from evbench.training.model import load_program, network_of


class Hybrids:
    """A trained int8 model with other precisions for some of its layers.

    `calibration`, uint8 [N, C, H, W], are windows on which the activity of their layers is recorded.
    """

    def __init__(self, folder: Path, graph: IntegerGraph, calibration: NDArray[np.uint8]) -> None:
        self._base, self._graph = load_program(folder), graph
        shape = self._base.settings["example_shape"]
        self._captured = capture_for(network_of(folder), shape, settings_of(self._base))
        self._calibration = calibration

    def graph(self, layers: Mapping[str, Precision]) -> IntegerGraph:
        """The integer network. Raises ModelError for precisions that have no kernel."""
        metadata = {name: value for name, value in self._graph.metadata.items() if name != ACTIVITY}
        lowered = lower(convert(self._program(layers)), f"{self._graph.name}-hybrid", metadata)
        return with_activity(lowered, self._calibration)

    def execution(self, layers: Mapping[str, Precision]) -> TorchExecution:
        """Torch's execution of the integer network."""
        return TorchExecution(convert(self._program(layers)))

    def float_logits(self, windows: SparseWindows) -> NDArray[np.float32]:
        """Logits [N, classes] of the float network."""
        return compute_logits(round_only(self._base, ()), windows)

    def logits(self, layers: Mapping[str, Precision], windows: SparseWindows) -> NDArray[np.float32]:
        """Logits [N, classes] of the hybrid network, rounded as the integer network rounds."""
        return compute_logits(self._program(layers), windows)

    def _program(self, layers: Mapping[str, Precision]) -> PreparedProgram:
        return with_precisions(self._base, self._captured, layers)
