"""Gathers every way a model can be executed on this machine and on a board, and compares them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evbench.jobs.models import ONNX
from evbench.workspace import Workspace

if TYPE_CHECKING:
    from evbench.boards.session import BoardSession
    from evbench.compile.build import Build
    from evbench.compile.host import HostModel
    from evbench.graph.model import IntegerGraph
    from evbench.parity import Execution


def compare_model(
    graph: IntegerGraph,
    source: Path | None,
    batch: NDArray[np.uint8],
    workspace: Workspace,
    session: BoardSession,
    build: Build,
    peer: str | None = None,
) -> dict[str, Any]:
    """Compare all executions on a batch [N, C, H, W]; the JSON of `evbench parity`.

    `source` is the model's folder, whose PyTorch program takes part for integer models, or the ONNX file it was
    imported from, which takes part itself; `session` has `build` flashed. `peer` names another runtime, whose layers
    are reported under "peer" and not judged.
    """
    from evbench.boards.execution import BoardExecution
    from evbench.jobs.peer import open_peer, peer_report
    from evbench.parity import compare

    executions = workstation_executions(graph, source, workspace)
    executions.append(BoardExecution(session, build, graph))
    about: dict[str, Any] = {"vnni": has_vnni()}
    if peer is not None:
        opened = open_peer(peer, graph, batch)
        executions.append(opened)
        about["peer"] = peer_report(graph, opened, batch)
    return compare(graph, executions, batch).to_json() | about


def workstation_executions(graph: IntegerGraph, source: Path | None, workspace: Workspace) -> list[Execution]:
    """Every way to run a model here, the reference first; `source` as for `compare_model`."""
    from evbench.compile.host import HostModel
    from evbench.graph.onnx import OnnxSession
    from evbench.graph.onnx_file import OnnxFile
    from evbench.parity import ReferenceExecution

    executions: list[Execution] = [
        ReferenceExecution(graph),
        OnnxSession(graph, optimised=True),
        OnnxSession(graph, optimised=False),
    ]
    if not graph.is_float:
        executions.append(OnnxSession(graph, optimised=True, keep_int8=False))
    if source is not None and (source / "torch.safetensors").is_file():
        executions.append(_torch(source))
    if source is not None and source.suffix == ONNX:
        executions.append(OnnxFile(graph, source))
    executions.append(_Host(HostModel(graph, workspace.cache / "host")))
    return executions


def has_vnni() -> bool | None:
    """Whether this x86 CPU multiplies bytes without saturating (VNNI); None where that cannot be told or is no x86."""
    try:
        flags = re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        return None
    return None if flags is None else any("vnni" in flag for flag in flags[1].split())


@dataclass(frozen=True, slots=True)
class _Host:
    model: HostModel
    name: str = "host"

    def run(self, batch: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        return self.model.run(batch)


def _torch(folder: Path) -> Execution:
    from evbench.quantize.execution import TorchExecution
    from evbench.quantize.program import convert
    from evbench.training.model import load_program

    return TorchExecution(convert(load_program(folder)))
