"""Where activations live on the chip: an arena planned from the tensors' lifetimes, over several memory regions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from evbench.errors import ModelError
from evbench.graph.model import Add, AveragePool2d, IntegerGraph, MaxPool2d, Operator, Rescale

ALIGNMENT = 32  # bytes: one cache line of the Cortex-M7


@dataclass(frozen=True, slots=True)
class Placement:
    """A tensor's place: `offset` and `bytes` within the arena of `region`."""

    region: str
    offset: int
    bytes: int


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """Every tensor's place, the arena size each region needs, and how many bytes of tensors each layer keeps alive.

    `inputs_kept`: the input's memory is used for nothing else, so a window can be run again without being sent again.
    `scratch`: what layers use while they run, one by one; `lasting`: what outlives a run; None where there is none.
    """

    placements: Mapping[str, Placement]
    peak: Mapping[str, int]
    live: Mapping[str, int]
    inputs_kept: bool
    scratch: Placement | None = None
    lasting: Placement | None = None

    @property
    def bytes(self) -> int:
        """Size of all arenas together."""
        return sum(self.peak.values())


@dataclass(frozen=True, slots=True)
class _Buffer:
    """Memory that one tensor, or several that follow each other in place, occupies from step `first` to `last`.

    `below`: a tensor that ends where this begins and may be written over from its first byte on.
    """

    tensors: tuple[str, ...]
    bytes: int
    first: int
    last: int
    below: str = ""

    def disturbs(self, offset: int, other: _Buffer, start: int) -> bool:
        """Whether the two, at `offset` and `start`, would overwrite each other."""
        together = self.first <= other.last and other.first <= self.last
        apart = offset + self.bytes <= start or start + other.bytes <= offset
        follows = self.below in other.tensors and other.last == self.first and offset <= start
        precedes = other.below in self.tensors and self.last == other.first and start <= offset
        return together and not (apart or follows or precedes)


def lifetimes(graph: IntegerGraph, keep_inputs: bool) -> dict[str, tuple[int, int]]:
    """First and last operator index during which each tensor must hold its values.

    Inputs and states are there before operator 0; outputs, states and kept inputs stay until the end.
    """
    end = len(graph.operators) - 1
    first = dict.fromkeys((*graph.inputs, *(state.tensor for state in graph.states)), 0)
    last = dict(first)
    for step, operator in enumerate(graph.operators):
        first[operator.output] = last[operator.output] = step
        for name in operator.inputs:
            last[name] = step
    for name in [*_lasting(graph), *(graph.inputs if keep_inputs else ())]:
        last[name] = end
    return {name: (first[name], last[name]) for name in first}


def _lasting(graph: IntegerGraph) -> set[str]:
    """Tensors that are read after the last operator: outputs and states."""
    return {*graph.outputs, *(name for state in graph.states for name in (state.tensor, state.next))}


def plan_memory(
    graph: IntegerGraph, capacity: Mapping[str, int], scratch: Mapping[str, int] | None = None, lasting: int = 0
) -> MemoryPlan:
    """Place every tensor in the regions of `capacity` (name -> bytes), the fastest first, without overlap.

    Of several ways to place them the one is taken that reads and writes most in the first regions. `scratch`, bytes by
    operator name, begins the first region, where tensors may lie that are not alive while that operator runs; `lasting`
    bytes, which no run may touch, take what room is left.

    An elementwise operator whose operand is not read again writes its result in that operand's place; a pooling that
    reads ahead of what it writes may begin its output where its input begins, or before. The input keeps its memory to
    itself when there is room. Raises ModelError naming the layer with the largest need when the tensors do not fit.
    """
    used = scratch or {}
    steps = {operator.name: step for step, operator in enumerate(graph.operators)}
    work = [_Buffer((), _aligned(size), steps[name], steps[name]) for name, size in used.items() if size]
    kept = [_Buffer((_LASTING,), _aligned(lasting), 0, len(steps) - 1)] if lasting else []
    for keep_inputs in (True, False):
        buffers = _buffers(graph, lifetimes(graph, keep_inputs))
        plans = [_place(work, [*sorted(buffers, key=order), *kept], capacity) for order in _ORDERS]
        found = [plan for plan in plans if plan is not None]
        if found:
            traffic = _traffic(graph)
            placements, peak = min(found, key=lambda plan: _cost(plan, traffic))
            place = placements.pop(_LASTING, None)
            largest = max((buffer.bytes for buffer in work), default=0)
            common = Placement(next(iter(capacity)), 0, largest) if work else None
            return MemoryPlan(placements, peak, _live(graph, buffers, placements), keep_inputs, common, place)
    live = _needed(graph, [*work, *_buffers(graph, lifetimes(graph, keep_inputs=False)), *kept])
    worst = max(live, key=lambda name: live[name])
    room = ", ".join(f"{region} {size:,}" for region, size in capacity.items())
    raise ModelError(
        f"The activations of '{graph.name}' do not fit the board's memory: {live[worst]:,} bytes are needed at once",
        where=f"layer '{worst}', with {sum(capacity.values()):,} bytes there ({room})",
        remedy="Use fewer channels or a larger stride before this layer, a smaller window size, or a larger board",
    )


_LASTING = "\0"
"""Stands among the names of tensors for what outlives a run."""

_Placed = tuple[dict[str, Placement], dict[str, int]]  # every tensor's place, and the size each region needs

_ORDERS: tuple[Callable[[_Buffer], tuple[int, ...]], ...] = (
    lambda buffer: (-buffer.bytes, buffer.first),
    lambda buffer: (-buffer.bytes * (buffer.last - buffer.first + 1), buffer.first),
    lambda buffer: (buffer.first, -buffer.bytes),
    lambda buffer: (buffer.last - buffer.first, -buffer.bytes),
)


def _traffic(graph: IntegerGraph) -> dict[str, int]:
    """Bytes written and read of each tensor in one run."""
    uses = Counter(name for operator in graph.operators for name in (*operator.inputs, operator.output))
    return {_LASTING: 0} | {name: uses[name] * tensor.bytes for name, tensor in graph.tensors.items()}


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _cost(plan: _Placed, traffic: Mapping[str, int]) -> tuple[list[int], list[int]]:
    """What makes a plan worse than another: traffic beyond the first region, beyond the second …, then their size."""
    placements, peak = plan
    regions = list(peak)
    moved = [sum(traffic[name] for name, place in placements.items() if place.region == region) for region in regions]
    return [sum(moved[number:]) for number in range(1, len(regions))], [peak[region] for region in reversed(regions)]


def _buffers(graph: IntegerGraph, lives: Mapping[str, tuple[int, int]]) -> list[_Buffer]:
    """One buffer per tensor, but for results of elementwise operators that take an operand's place."""
    members: dict[str, list[str]] = {name: [name] for name in lives}
    for step, operator in enumerate(graph.operators):
        if not isinstance(operator, Add | Rescale):
            continue
        for name in operator.inputs:
            owned = name not in {*graph.inputs, *_lasting(graph)} and lives[name][1] == step
            if owned and graph.tensors[name].bytes == graph.tensors[operator.output].bytes:
                members[name].append(operator.output)
                members[operator.output] = members[name]
                break
    chains = {id(chain): chain for chain in members.values()}
    below = {operator.output: operator.inputs[0] for operator in graph.operators if reads_ahead(graph, operator)}
    return [
        _Buffer(
            tuple(chain),
            _aligned(graph.tensors[chain[0]].bytes),
            min(lives[name][0] for name in chain),
            max(lives[name][1] for name in chain),
            below.get(chain[0], ""),
        )
        for chain in chains.values()
    ]


def reads_ahead(graph: IntegerGraph, operator: Operator) -> bool:
    """Whether an operator never reads what lies before its own output, when both begin at one address.

    So for poolings, which go through their output pixel by pixel, when no window begins before the pixel it makes.
    """
    if not isinstance(operator, MaxPool2d | AveragePool2d):
        return False
    if isinstance(operator, AveragePool2d) and graph.tensors[operator.output].dtype.is_float:
        return False  # its kernel has an order of its own
    width = graph.tensors[operator.inputs[0]].shape[2]
    _, rows, columns = graph.tensors[operator.output].shape
    top = np.maximum(0, np.arange(rows) * operator.stride[0] - operator.padding[0])
    left = np.maximum(0, np.arange(columns) * operator.stride[1] - operator.padding[1])
    begins = top[:, None] * width + left
    return bool((begins >= np.arange(rows * columns).reshape(rows, columns)).all())


def _place(work: list[_Buffer], buffers: list[_Buffer], capacity: Mapping[str, int]) -> _Placed | None:
    """Put buffers one after the other at the lowest free offset of the first region with room; None if one has none.

    `work` is used by one step each and begins the first region.
    """
    first = next(iter(capacity))
    if any(buffer.bytes > capacity[first] for buffer in work):
        return None
    placed: dict[str, list[tuple[int, _Buffer]]] = {region: [] for region in capacity}
    placed[first] = [(0, buffer) for buffer in work]
    placements: dict[str, Placement] = {}
    for buffer in buffers:
        for region, size in capacity.items():
            offset = _lowest_gap(buffer, placed[region])
            if offset + buffer.bytes <= size:
                placed[region].append((offset, buffer))
                placements |= {name: Placement(region, offset, buffer.bytes) for name in buffer.tensors}
                break
        else:
            return None
    ends = {region: [offset + buffer.bytes for offset, buffer in taken] for region, taken in placed.items()}
    return placements, {region: max(ends[region], default=0) for region in capacity}


def _lowest_gap(buffer: _Buffer, taken: list[tuple[int, _Buffer]]) -> int:
    """The lowest offset at which a buffer disturbs none that is placed: 0, or where another begins or ends."""
    offsets = {0, *(start for start, _ in taken), *(start + other.bytes for start, other in taken)}
    return next(o for o in sorted(offsets) if not any(buffer.disturbs(o, other, start) for start, other in taken))


def _needed(graph: IntegerGraph, buffers: list[_Buffer]) -> dict[str, int]:
    """Bytes that each layer needs at once, wherever they may lie."""
    return {
        operator.name: sum(buffer.bytes for buffer in buffers if buffer.first <= step <= buffer.last)
        for step, operator in enumerate(graph.operators)
    }


def _live(graph: IntegerGraph, buffers: list[_Buffer], placements: Mapping[str, Placement]) -> dict[str, int]:
    """Bytes that are held at once while each layer runs; what lies in one place counts once."""
    live = {}
    for step, operator in enumerate(graph.operators):
        places = [placements[buffer.tensors[0]] for buffer in buffers if buffer.first <= step <= buffer.last]
        end = total = 0
        region = ""
        for place in sorted(places, key=lambda place: (place.region, place.offset)):
            end = end if place.region == region else 0
            total += max(0, place.offset + place.bytes - max(end, place.offset))
            end, region = max(end, place.offset + place.bytes), place.region
        live[operator.name] = total
    return live
