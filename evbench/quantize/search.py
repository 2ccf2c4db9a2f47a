"""From an 8-bit network to more exact ones, step by step: each step buys the most exactness for its cycles.

Two models guide the steps. Cycles of layers were measured, each in every precision, and are added up. The square of the
logits' error is the sum of what rounding each part alone costs (its sensitivity): errors of different parts are nearly
independent. Accuracy itself is measured afterwards, on the networks that the steps lead to.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, isfinite, sqrt
from typing import Any

from evbench.graph.hybrid import Assignment, Composition, Mode, choices, compose
from evbench.graph.model import IntegerGraph
from evbench.profiles import Precision

_FINER = 256.0
"""How many steps of a 16-bit grid one of an 8-bit grid holds."""

_WORTH = 1e-3
"""Share of the present squared error that a step must take away."""


@dataclass(slots=True)
class Costs:
    """Cycles of layers by mode, and of changing one element's precision."""

    layers: dict[tuple[str, Mode], float] = field(default_factory=dict)
    changes: dict[tuple[Precision, Precision], float] = field(default_factory=dict)

    def learn(self, composition: Composition, cycles: Mapping[str, float], changed: Mapping[Any, float]) -> None:
        """Take in a measured network: cycles by layer, and cycles per element of its changes by (given, made)."""
        for layer, mode in composition.modes.items():
            self.layers.setdefault((layer, mode), cycles[layer])
        for pair, per_element in changed.items():
            self.changes.setdefault(pair, per_element)

    def cycles(self, composition: Composition) -> float:
        """The cycles of a network, infinite where a layer was not measured so.

        Those of a kind of change that was not measured are the mean of the others'.
        """
        usual = sum(self.changes.values()) / len(self.changes) if self.changes else 0.0
        changes = sum(
            change.elements * self.changes.get((change.given, change.made), usual) for change in composition.changes
        )
        return changes + sum(self.layers.get((layer, mode), inf) for layer, mode in composition.modes.items())


class ErrorModel:
    """The logits' error, root mean square, from the "parts" that `measure_sensitivity` found."""

    def __init__(self, parts: Sequence[Mapping[str, Any]]) -> None:
        self._squares = {(part["layer"], part["what"]): float(part["only"]["logit_rms"]) ** 2 for part in parts}

    def error(self, assignment: Assignment, composition: Composition) -> float:
        """The error of a network with these precisions."""
        total = 0.0
        for (layer, what), square in self._squares.items():
            if what == "weights":
                total += square if assignment.get(layer) != "fp32" else 0.0
            else:
                grid = composition.grids.get(layer, "int8")
                total += square if grid == "int8" else square / _FINER**2 if grid == "int16" else 0.0
        return sqrt(total)


@dataclass(frozen=True, slots=True)
class Point:
    """A network by its precisions, with the cycles and the logits' error that the models expect."""

    assignment: dict[str, Precision]
    cycles: float
    error: float


@dataclass(frozen=True, slots=True, eq=False)
class Expectation:
    """What the models expect of hybrids of an 8-bit network, whose layers `skipping` skip what saw no event."""

    graph: IntegerGraph
    skipping: frozenset[str]
    costs: Costs
    errors: ErrorModel

    def point(self, assignment: dict[str, Precision]) -> Point:
        """The network with these precisions."""
        composition = compose(self.graph, assignment, self.skipping)
        return Point(assignment, self.costs.cycles(composition), self.errors.error(assignment, composition))


def simpler(expected: Expectation, point: Point, tried: Collection[str] = ()) -> list[tuple[str, Point]]:
    """The faster networks in which one layer, which is named and not among `tried`, is int8 again; fastest first."""
    found = [
        (layer, expected.point({name: wanted for name, wanted in point.assignment.items() if name != layer}))
        for layer in point.assignment
        if layer not in tried
    ]
    return sorted((each for each in found if each[1].cycles < point.cycles), key=lambda each: each[1].cycles)


def walk(expected: Expectation, without: Sequence[Precision] = ()) -> list[Point]:
    """Networks from all int8 on, each more exact than the one before; `without` leaves precisions out.

    Every step changes the precision of one layer, or of one and all that read it: the change that takes most from the
    squared error for each cycle it adds. Ends when nothing takes away a thousandth.
    """
    graph, point = expected.graph, expected.point
    readers: dict[str, list[str]] = {op.name: [] for op in graph.operators}
    makers = {op.output: op.name for op in graph.operators}
    for operator in graph.operators:
        for name in operator.inputs:
            if name in makers:
                readers[makers[name]].append(operator.name)
    possible = {
        layer: [precision for precision in precisions if precision not in without]
        for layer, precisions in choices(graph).items()
    }
    path = [point({})]
    while True:
        here = path[-1]
        steps = []
        for layer, precisions in possible.items():
            for precision in precisions:
                together = {reader: precision for reader in readers[layer] if precision in possible.get(reader, ())}
                for change in ({layer: precision}, {layer: precision, **together}):
                    if any(here.assignment.get(name) != wanted for name, wanted in change.items()):
                        steps.append(point({**here.assignment, **change}))
        better = [step for step in steps if isfinite(step.cycles) and step.error**2 < here.error**2 * (1 - _WORTH)]
        if not better:
            return path
        path.append(max(better, key=lambda step: (here.error**2 - step.error**2) / max(step.cycles - here.cycles, 1.0)))
