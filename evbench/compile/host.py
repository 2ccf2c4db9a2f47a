"""The network's C sources as a shared library on this workstation: the `host` execution of parity checks."""

from __future__ import annotations

import ctypes
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evbench.compile.generate import generate, layer_scratch_bytes
from evbench.compile.native import build_shared
from evbench.compile.representation import filter_bytes
from evbench.errors import WorkspaceError
from evbench.graph.execute import input_tensor
from evbench.graph.memory import ALIGNMENT, MemoryPlan, Placement
from evbench.graph.model import IntegerGraph
from evbench.resources import resource

EVENT = np.dtype([("x", "<u2"), ("y", "<u2"), ("on", "u1"), ("bin", "u1")])
"""`ev_event` of firmware/runtime/ev_model.h."""

RUNTIME = ("ev_voxel", "ev_stream", "ev_background_activity", "ev_link", "ev_counters", "ev_server", "ev_memory")


def separate_memory(graph: IntegerGraph) -> MemoryPlan:
    """A plan in which no two tensors share memory, so that all can be read after a run."""
    placements = {}
    offset = 0
    for name, tensor in graph.tensors.items():
        placements[name] = Placement("host", offset, tensor.bytes)
        offset += -(-tensor.bytes // ALIGNMENT) * ALIGNMENT
    work = Placement("host", offset, max((layer_scratch_bytes(graph, op) for op in graph.operators), default=0))
    end = offset + -(-work.bytes // ALIGNMENT) * ALIGNMENT
    lasting = Placement("host", end, filter_bytes(graph)) if filter_bytes(graph) else None
    peak = {"host": end + filter_bytes(graph)}
    return MemoryPlan(placements, peak, {op.name: offset for op in graph.operators}, True, work, lasting)


class HostModel:
    """A compiled network in this process. The library is built once per graph and kept in `cache_dir`."""

    def __init__(self, graph: IntegerGraph, cache_dir: Path) -> None:
        """Generate, compile and load. Raises BuildError or ModelError as `generate` and the compiler do."""
        self.graph = graph
        self.library = ctypes.CDLL(str(_build(graph, cache_dir)))
        self._record = sum(tensor.bytes for tensor in graph.tensors.values())

    def run(self, batch: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        """Run windows uint8 [N, C, H, W]; return every tensor [N, ...] by name, channel-first, in its stored dtype."""
        input_tensor(self.graph, batch)
        windows = np.ascontiguousarray(np.moveaxis(batch, 1, -1) if batch.ndim == 4 else batch)
        count = len(batch)
        records = np.empty((count, self._record), np.uint8)
        self.library.ev_host_run(_pointer(windows), ctypes.c_uint32(count), _pointer(records))
        return self._tensors(records)

    def run_events(self, events: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Run one window from its events, [N] of EVENT in any order; returns every tensor [1, ...] as `run` does."""
        given = np.ascontiguousarray(events, EVENT)
        record = np.empty((1, self._record), np.uint8)
        self.library.ev_host_run_events(_pointer(given), ctypes.c_uint32(len(given)), _pointer(record))
        return self._tensors(record)

    def _tensors(self, records: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        values: dict[str, NDArray[Any]] = {}
        position = 0
        for name, tensor in self.graph.tensors.items():
            stored = np.ascontiguousarray(records[:, position : position + tensor.bytes]).view(tensor.dtype.numpy)
            position += tensor.bytes
            values[name] = channels_first(stored, tensor.shape)
        return values


def channels_first(stored: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Rows of elements in the board's order [N, H * W * C] to [N, *shape] with shape (C, H, W) or (F,)."""
    if len(shape) != 3:
        return stored.reshape(len(stored), *shape)
    channels, height, width = shape
    return np.ascontiguousarray(stored.reshape(len(stored), height, width, channels).transpose(0, 3, 1, 2))


def _pointer(array: NDArray[Any]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def _build(graph: IntegerGraph, cache_dir: Path) -> Path:
    firmware = resource("firmware")
    generated = generate(graph, separate_memory(graph))
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=cache_dir, prefix=".host-"))
    except OSError as error:
        raise WorkspaceError(
            f"The compiled network could not be stored: {error.strerror}",
            where=str(cache_dir),
            remedy="Free some space or choose another workspace",
        ) from error
    try:
        generated.write(folder)
        (folder / "build.c").write_text(_BUILD)
        sources = [folder / "model.c", folder / "weights.S", folder / "build.c", firmware / "ports/host/ev_host.c"]
        sources += [firmware / "kernels" / f"{kernel}.c" for kernel in generated.kernels]
        sources += [firmware / "runtime" / f"{name}.c" for name in RUNTIME]
        includes = [folder, firmware / "kernels", firmware / "runtime"]
        return build_shared(sources, "model", cache_dir, includes=includes, data=[folder / "weights.bin"])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


_BUILD = """#include "ev_port.h"
const char ev_board_name[] = "host";
const uint32_t ev_core_hz = 0;
const uint32_t ev_baud = 0;
const uint8_t ev_build_id[16] = {0};
"""
