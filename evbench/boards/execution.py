"""Runs a network on a board and brings every tensor back, for parity with the other executions."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evbench.boards.image import LAYER_END, Firmware
from evbench.boards.session import BoardSession, Window, network_bins
from evbench.boards.virtual.parts import Counted
from evbench.boards.virtual.probe import VirtualBoard
from evbench.graph.model import IntegerGraph, Tensor

_TENSOR_INFO = struct.Struct("<IIIHHHBBf")
"""ev_tensor_info of firmware/runtime/ev_model.h on the board: name, address, bytes, height, width, channels, dtype,
...
"""


class BoardExecution:
    """An execution of a network on a board that holds its build.

    A real board runs layer by layer and sends each output over the link. A virtual board runs in one go, with a
    breakpoint after each layer where its probe reads the output out of memory, as a debugger would; cycles are not
    counted.
    """

    name = "board"

    def __init__(self, session: BoardSession, build: Firmware, graph: IntegerGraph, *, use_probe: bool = True) -> None:
        session.require(build)
        self._session = session
        self._graph = graph
        self._bins = network_bins(graph)
        self._names = list(graph.tensors)
        self._probe = session.virtual if use_probe else None
        self._symbols = build.symbols

    def run(self, batch: NDArray[np.uint8] | Sequence[Window]) -> dict[str, NDArray[Any]]:
        """Every tensor of N windows, or of a batch uint8 [N, C, H, W], by name, channel first: [N, C, H, W] or [N, F].

        Raises BoardError when the board is lost or runs another build.
        """
        tensors = self._graph.tensors
        outputs = {name: np.empty((len(batch), *tensor.shape), tensor.dtype.numpy) for name, tensor in tensors.items()}
        windows = self._run_probed(batch, self._probe) if self._probe else map(self._run_linked, batch)
        for index, window in enumerate(windows):
            for name, data in window.items():
                outputs[name][index] = _channel_first(data, tensors[name])
        return outputs

    def _run_linked(self, window: Window) -> dict[str, bytes]:
        graph, found = self._graph, dict[str, bytes]()

        def dump(layer: int) -> None:
            name = graph.operators[layer].output if layer >= 0 else graph.inputs[0]
            found[name] = self._session.dump(self._names.index(name), graph.tensors[name].bytes)

        self._session.run_layer_by_layer(window, self._bins, len(graph.operators), dump)
        return found

    def _run_probed(self, batch: Iterable[Window], probe: VirtualBoard) -> Any:
        graph = self._graph
        places = self._places(probe)
        outputs = [places[operator.output] for operator in graph.operators]
        cuts = np.cumsum([length for _, length in outputs])
        input_name = graph.inputs[0]
        found: dict[str, bytes] = {}

        def start_capture() -> None:
            found[input_name] = probe.read(*places[input_name])
            probe.captured()

        probe.count(Counted.NOTHING)
        probe.capture_at(self._symbols[LAYER_END][0], outputs)
        try:
            for window in batch:
                self._session.run_watched(window, self._bins, start_capture)
                captured = probe.captured()
                for operator, end, (_, length) in zip(graph.operators, cuts, outputs, strict=True):
                    found[operator.output] = captured[end - length : end]
                yield found
        finally:
            probe.capture_at(0, [])
            probe.count(Counted.CYCLES)

    def _places(self, probe: VirtualBoard) -> dict[str, tuple[int, int]]:
        """Address and length of every tensor, from the table in the firmware."""
        table = probe.read(self._symbols["ev_model_tensors"][0], _TENSOR_INFO.size * len(self._names))
        return {name: info[1:3] for name, info in zip(self._names, _TENSOR_INFO.iter_unpack(table), strict=True)}


def _channel_first(data: bytes, tensor: Tensor) -> NDArray[Any]:
    stored = np.frombuffer(data, tensor.dtype.numpy)
    if len(tensor.shape) == 1:
        return stored
    channels, height, width = tensor.shape
    return stored.reshape(height, width, channels).transpose(2, 0, 1)
