"""What an 8-bit network would be made of with other precisions for some layers, without making it.

The rules are those by which `evbench.quantize.precision` assigns precisions: here they say of each layer how it would
compute, on which grid its output would be read, and where values would change grid. A search goes through thousands of
assignments with that, and adds up what the parts were measured to cost.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from evbench.graph.model import (
    AveragePool2d,
    Concat,
    Conv2d,
    GlobalAveragePool,
    IntegerGraph,
    Linear,
    MaxPool2d,
    Operator,
)
from evbench.profiles import Precision

Mode = Literal["int8", "int8 dense", "int16", "fp32"]
"""How a layer computes; "int8 dense": it could skip what saw no event, but a layer before it does not."""

Assignment = Mapping[str, Precision]
"""Layers whose precision is not int8."""


@dataclass(frozen=True, slots=True)
class Change:
    """Elements of one tensor that change precision."""

    given: Precision
    made: Precision
    elements: int


@dataclass(frozen=True, slots=True)
class Composition:
    """modes: how each layer computes; grids: on which grid its output is read, the coarsest one; changes of grid."""

    modes: Mapping[str, Mode]
    grids: Mapping[str, Precision]
    changes: tuple[Change, ...]


def choices(graph: IntegerGraph) -> dict[str, tuple[Precision, ...]]:
    """The precisions other than int8 that each layer of an 8-bit network can have; layers without any are left out."""
    readers: dict[str, list[Operator]] = {name: [] for name in graph.tensors}
    for operator in graph.operators:
        for name in operator.inputs:
            readers[name].append(operator)

    def narrow(tensor: str) -> bool:
        """Whether something that has no 16-bit kernel reads a tensor, also through max pooling."""
        return any(
            isinstance(reader, Concat | AveragePool2d) or (isinstance(reader, MaxPool2d) and narrow(reader.output))
            for reader in readers[tensor]
        )

    found: dict[str, tuple[Precision, ...]] = {}
    for operator in graph.operators:
        if isinstance(operator, MaxPool2d):
            continue
        wide = not isinstance(operator, Concat | AveragePool2d) and not narrow(operator.output)
        wide = wide and operator.output not in graph.outputs
        found[operator.name] = ("int16", "fp32") if wide else ("fp32",)
    return found


def compose(graph: IntegerGraph, assignment: Assignment, skipping: Collection[str] = ()) -> Composition:
    """What `graph`, an 8-bit network, becomes with these precisions; `skipping` names the layers that skip sites."""
    walk = _Walk(graph, assignment, frozenset(skipping))
    for operator in graph.operators:
        walk.add(operator)
    return Composition(walk.modes, walk.grids, tuple(walk.changes.values()))


class _Walk:
    def __init__(self, graph: IntegerGraph, assignment: Assignment, skipping: frozenset[str]) -> None:
        self.graph, self.assignment, self.skipping = graph, assignment, skipping
        self.kept: dict[str, Precision] = dict.fromkeys(graph.inputs, "int8")
        self.tracked = set(graph.inputs)
        self.modes: dict[str, Mode] = {}
        self.grids: dict[str, Precision] = {}
        self.changes: dict[tuple[str, Precision], Change] = {}
        self.makers: dict[str, str] = {}

    def add(self, operator: Operator) -> None:
        output = operator.output
        if isinstance(operator, MaxPool2d):
            kept = self.kept[output] = self.kept[operator.inputs[0]]
            self.modes[operator.name] = "fp32" if kept == "fp16" else kept
            self.makers[output] = self.makers.get(operator.inputs[0], "")
            return
        self.makers[output] = operator.name
        precision = self.assignment.get(operator.name, "int8")
        mode = self._float(operator) if precision in ("fp32", "fp16") else self._integer(operator, precision)
        self.modes[operator.name] = mode
        if mode == "int8" and operator.name in self.skipping:
            self.tracked.add(output)
        self.grids[operator.name] = self.kept[output]

    def _float(self, operator: Operator) -> Mode:
        weighted = isinstance(operator, Conv2d | Linear)
        for name in operator.inputs:
            if not (weighted and name in self.graph.inputs):
                self._change(name, self.kept[name], "fp32")
        self.kept[operator.output] = "fp32"
        return "fp32"

    def _integer(self, operator: Operator, precision: Precision) -> Mode:
        read = []
        for name in operator.inputs:
            kept = self.kept[name]
            if kept == "fp32":
                self._change(name, kept, precision)
                maker = self.makers.get(name)
                if maker is not None and self.grids[maker] != "int8":
                    self.grids[maker] = precision
                kept = precision
            read.append((name, kept))
        logits = operator.output in self.graph.outputs
        wide = precision == "int16" or any(kept == "int16" for _, kept in read)
        self.kept[operator.output] = "fp32" if logits else precision
        if not wide:
            known = all(name in self.tracked for name in operator.inputs)
            return "int8" if known or operator.name not in self.skipping else "int8 dense"
        mean = isinstance(operator, GlobalAveragePool) and all(kept == "int8" for _, kept in read)
        for name, kept in read:
            if not mean:
                self._change(name, kept, "int16")
        if precision == "int8" and not logits:
            self._change(operator.output, "int16", "int8")
        return "int16"

    def _change(self, name: str, given: Precision, made: Precision) -> None:
        if given != made:
            self.changes.setdefault((name, made), Change(given, made, self.graph.tensors[name].size))
