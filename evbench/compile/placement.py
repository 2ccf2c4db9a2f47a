"""Where a network goes on a board: the plan of its activations, and what is refused before anything is compiled."""

from __future__ import annotations

from evbench.compile.constants import FAST_BYTES
from evbench.compile.generate import Generated, layer_scratch_bytes
from evbench.compile.linker import ARENAS, STACK_BYTES
from evbench.compile.representation import filter_bytes
from evbench.errors import DoesNotFitError
from evbench.graph.memory import MemoryPlan, plan_memory
from evbench.graph.model import IntegerGraph
from evbench.profiles import BoardProfile

RUNTIME_BYTES = 8 * 1024
"""Bytes of DTCM for the runtime's own variables: the link's buffers, counters, a layer's measurements."""


def plan_for(graph: IntegerGraph, board: BoardProfile) -> MemoryPlan:
    """The plan of `graph` in the memory that `board` has for activations; ModelError names the layer that does not fit.

    Stack, constants copied to fast memory, activity of sites and the runtime's variables have their place in DTCM
    already; the scratch of the kernels shares the rest of it with the activations.
    """
    scratch = {operator.name: layer_scratch_bytes(graph, operator) for operator in graph.operators}
    return plan_memory(graph, arena_capacity(graph, board), scratch, filter_bytes(graph))


def arena_capacity(graph: IntegerGraph, board: BoardProfile) -> dict[str, int]:
    """Bytes that activations, scratch and the noise filter may use per region, the fastest first."""
    room = {region: board.memory[region].size for region in ARENAS if region in board.memory}
    if "dtcm" in room:
        taken = STACK_BYTES + RUNTIME_BYTES + FAST_BYTES + activity_bytes(graph)
        room["dtcm"] = max(0, room["dtcm"] - taken)
    return room


def activity_bytes(graph: IntegerGraph) -> int:
    """Most bytes that the activity of all sites takes: a bit per pixel, in words per row."""
    images = (tensor.shape for tensor in graph.tensors.values() if len(tensor.shape) == 3)
    return sum(height * -(-width // 32) * 4 for _, height, width in images)


def refuse_large_constants(graph: IntegerGraph, generated: Generated, board: BoardProfile) -> None:
    """Raise DoesNotFitError when the constants alone are larger than the memory they lie in, naming the layer.

    Code comes on top; an image that only its code makes too large is refused by the linker.
    """
    region = "qspi" if "qspi" in board.memory else "flash"
    size, total = board.memory[region].size, 0
    for layer, count in generated.constant_bytes.items():
        total += count
        if total > size:
            everything = sum(generated.constant_bytes.values())
            largest = max(generated.constant_bytes, key=lambda name: generated.constant_bytes[name])
            raise DoesNotFitError(
                f"'{graph.name}' does not fit {board.board.name}: {region} is {everything - size:,} bytes too small "
                "for its constants alone",
                where=f"region {region} of {size:,} bytes is full at layer '{layer}'; largest layer '{largest}' with "
                f"{generated.constant_bytes[largest]:,} bytes of constants",
                remedy="Quantise the network to int8, use fewer channels, or choose a board with more memory",
            )
