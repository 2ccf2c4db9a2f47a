"""The operator audit: what other tools, and evbench itself, make of each layer of a network.

A layer is described by what decides about support and nothing else (`Layer`), so a network can be audited as an
IntegerGraph, as an ONNX file or before it is trained. What a target supports stands in profiles/targets/*.toml: rules,
each with the document it was read in. The first rule that fits a layer decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from evbench.graph.execute import accumulator_bound
from evbench.graph.model import (
    Add,
    AveragePool2d,
    Concat,
    Conv2d,
    DType,
    GlobalAveragePool,
    IntegerGraph,
    Linear,
    MaxPool2d,
    Operator,
    Rescale,
)
from evbench.profile_files import load_profile
from evbench.profiles import Model
from evbench.resources import resource

Status = Literal["supported", "float", "fails", "unknown"]
"""supported as it stands; float: it falls back to float arithmetic; fails; unknown: no document found says."""

Weights = Literal["per channel", "per tensor", "float"]
Trait = Literal["dilation", "own grid", "padding counted", "scaled input", "several filters per channel", "wide sums"]
"""What can decide beside operator and types.

own grid: a pooling's or concatenation's output has another scale or zero point than its inputs; scaled input: float
weights read integers that are no plain counts; wide sums: 16-bit activations whose sums may leave 32 bits.
"""

NAMES: dict[type[Operator], str] = {
    Linear: "linear",
    GlobalAveragePool: "global average",
    MaxPool2d: "max pooling",
    AveragePool2d: "average pooling",
    Concat: "concatenation",
    Add: "addition",
    Rescale: "rescale",
}
"""What tables call the operators of an IntegerGraph; a convolution's name depends on its groups."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer as audits see it: its name, its operator, the types of its inputs and output, its weights, its traits.

    Types are u8, s8, s16 and f32; `weights` is "" for operators without.
    """

    name: str
    operator: str
    inputs: tuple[str, ...]
    output: str
    weights: str = ""
    traits: frozenset[str] = frozenset()


class Source(Model):
    """A document that a table was read from; `read`: the day it was."""

    title: str
    version: str
    url: str = ""
    read: str = ""


class About(Model):
    """The target; `otherwise` is what becomes of a layer that no rule fits, with its reason and source."""

    name: str
    version: str
    otherwise: Status
    otherwise_note: str
    source: str


class Rule(Model):
    """What becomes of layers: all of their inputs and their output and weights are among those listed (any where none
    is), and they have all the traits. `how`: the operator and types over there; `instead`: what to use in its place."""

    operators: tuple[str, ...] = Field(min_length=1)
    inputs: tuple[DType, ...] = ()
    outputs: tuple[DType, ...] = ()
    weights: tuple[Weights, ...] = ()
    traits: tuple[Trait, ...] = ()
    status: Status
    how: str = ""
    note: str = ""
    instead: str = ""
    source: str

    def fits(self, layer: Layer) -> bool:
        return (
            layer.operator in self.operators
            and (not self.inputs or set(layer.inputs) <= set(self.inputs))
            and (not self.outputs or layer.output in self.outputs)
            and (not self.weights or layer.weights in self.weights)
            and layer.traits.issuperset(self.traits)
        )


class Target(Model):
    """A table: profiles/targets/`id`.toml."""

    id: str
    target: About
    sources: dict[str, Source]
    rules: tuple[Rule, ...]

    @model_validator(mode="after")
    def _every_source_is_listed(self) -> Self:
        for name in (self.target.source, *(rule.source for rule in self.rules)):
            if name not in self.sources:
                raise ValueError(f"the source {name!r} is not among [sources]: {', '.join(self.sources)}")
        return self


@dataclass(frozen=True, slots=True)
class Finding:
    """What becomes of one layer on a target."""

    layer: Layer
    status: Status
    how: str
    note: str
    instead: str
    source: str

    def to_json(self) -> dict[str, Any]:
        values = asdict(self)
        layer = values.pop("layer")
        return {**layer, "inputs": list(self.layer.inputs), "traits": sorted(self.layer.traits), **values}


def load_target(name_or_path: str | Path) -> Target:
    """A bundled table by name, or any by path. Raises ProfileError naming file, line and nearest valid key."""
    return load_profile(Target, "audit target", "targets", name_or_path)


def target_names() -> list[str]:
    """The bundled tables, evbench's own first."""
    names = sorted(path.stem for path in resource("profiles", "targets").glob("*.toml"))
    return sorted(names, key=lambda name: name != "evbench")


def audit(layers: Sequence[Layer], target: Target) -> list[Finding]:
    """What becomes of each layer on the target: the first rule that fits decides, else the target's `otherwise`."""
    findings = []
    for layer in layers:
        rule = next((rule for rule in target.rules if rule.fits(layer)), None)
        if rule is None:
            about = target.target
            types = f"{' and '.join(sorted(set(layer.inputs)))} to {layer.output}"
            note = f"{about.otherwise_note} ({types})"
            findings.append(Finding(layer, about.otherwise, "", note, "", about.source))
        else:
            findings.append(Finding(layer, rule.status, rule.how, rule.note, rule.instead, rule.source))
    return findings


def convolution_name(groups: int, inputs: int) -> str:
    """What tables call a convolution of `inputs` channels in `groups`."""
    if groups == 1:
        return "convolution"
    return "depthwise convolution" if groups == inputs else "grouped convolution"


def layers_of(graph: IntegerGraph) -> list[Layer]:
    """The layers of an IntegerGraph."""
    return [_layer(graph, operator) for operator in graph.operators]


def _layer(graph: IntegerGraph, operator: Operator) -> Layer:
    sources, output = [graph.tensors[name] for name in operator.inputs], graph.tensors[operator.output]
    name, weights, traits = NAMES.get(type(operator), operator.kind), "", set[str]()
    if isinstance(operator, Conv2d | Linear):
        floating = operator.weight.dtype.kind == "f"
        equal = not floating and bool(np.all(operator.weight_scale == operator.weight_scale[0]))
        weights = "float" if floating else "per tensor" if equal else "per channel"
        counts = sources[0].grid == (DType.U8, 1.0, 0)
        if floating and not sources[0].dtype.is_float and not counts:
            traits.add("scaled input")
        if sources[0].dtype is DType.S16 and not floating and accumulator_bound(graph, operator) >= 2**31:
            traits.add("wide sums")
    elif not isinstance(operator, Add | Rescale) and any(source.grid != output.grid for source in sources):
        traits.add("own grid")
    if isinstance(operator, Conv2d):
        channels = sources[0].shape[0]
        name = convolution_name(operator.groups, channels)
        if operator.groups == channels != len(operator.weight) and operator.groups > 1:
            traits.add("several filters per channel")
    if isinstance(operator, AveragePool2d) and operator.count_padding and any(operator.padding):
        traits.add("padding counted")
    types = tuple(str(source.dtype) for source in sources)
    return Layer(operator.name, name, types, str(output.dtype), weights, frozenset(traits))
