"""Layers that skip what saw no event: which of a network's layers do, and how they are called.

firmware/kernels/ev_sites.h describes the kernels. A layer can skip when its inputs' activity is known, which begins at
the network's input and ends at the first layer that computes everything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from evbench.compile.layers import Call, Constants, convolution_family
from evbench.graph.background import Background, backgrounds
from evbench.graph.model import Conv2d, DType, IntegerGraph, Operator

CLASSES = 16
"""Most rows of a background that differ: each is kept in flash."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Whether a layer skips inactive sites, and why."""

    layer: str
    skips: bool
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Sparsity:
    """What the generator knows about skipping: a choice per layer, and the backgrounds of the layers that skip."""

    choices: tuple[Choice, ...]
    backgrounds: Mapping[str, Background]

    @property
    def skipping(self) -> frozenset[str]:
        """Names of the layers that skip."""
        return frozenset(choice.layer for choice in self.choices if choice.skips)


def choose(graph: IntegerGraph) -> Sparsity:
    """Decides for each layer of `graph` whether it skips; the reasons are sentences for people."""
    tracked = {graph.inputs[0]}
    found = backgrounds(graph) if any(_has_kernel(graph, operator) for operator in graph.operators) else {}
    choices = []
    for operator in graph.operators:
        reason = _obstacle(graph, operator, tracked, found)
        skips = reason is None
        choices.append(Choice(operator.name, skips, reason or "skips sites that saw no event"))
        if skips:
            tracked.add(operator.output)
    return Sparsity(tuple(choices), found)


def _obstacle(
    graph: IntegerGraph, operator: Operator, tracked: set[str], found: Mapping[str, Background]
) -> str | None:
    if not _has_kernel(graph, operator):
        return f"computes everything: no skipping kernel for {operator.kind} of this type"
    if not all(name in tracked for name in operator.inputs):
        return "computes everything: the layer before it does"
    if len(set(found[operator.output].classes.tolist())) > CLASSES:
        return "computes everything: most rows have a background of their own"
    return None


def _has_kernel(graph: IntegerGraph, operator: Operator) -> bool:
    given = graph.tensors[operator.inputs[0]]
    if not isinstance(operator, Conv2d) or operator.weight.dtype.kind == "f":
        return False
    return given.dtype in (DType.U8, DType.S8) and convolution_family(operator) in ("ev_conv2d", "ev_depthwise")


def skipping_call(
    graph: IntegerGraph,
    operator: Operator,
    dense: Call,
    number: int,
    index: Mapping[str, int],
    background: Background,
    constants: Constants,
) -> Call:
    """The call of the skipping kernel in place of `dense`, whose constants it shares."""
    kernel = dense.kernel.replace("ev_", "ev_sparse_", 1)
    source, target = operator.inputs[0], index[operator.output]
    fields = {
        "layer": f"&layer_{number}",
        "background": background_fields(background, constants),
        "in": f"&sites_{index[source]}",
        "out": f"&sites_{target}",
    }
    body = "".join(f"    .{name} = {value},\n" for name, value in fields.items())
    definition = f"{dense.definition}\nstatic const ev_sparse_conv2d_s8 sparse_{number} = {{\n{body}}};"
    first = source in graph.inputs
    place = "input" if first else f"TENSOR_{index[source]}"
    statement = f"{kernel}(&sparse_{number}, {place}, TENSOR_{target});"
    return Call(kernel, definition, statement)


def background_fields(background: Background, constants: Constants) -> str:
    """An ev_background as a C initialiser; its arrays go to `constants`."""
    classes, values = constants.add(background.classes), constants.add(background.rows)
    return f"{{.channels = {background.rows.shape[2]}, .classes = {classes}, .values = {values}}}"


def site_definitions(graph: IntegerGraph, skipping: frozenset[str], index: Mapping[str, int]) -> str:
    """C definitions of the activity of every tensor that a skipping layer reads or writes."""
    operators = [operator for operator in graph.operators if operator.name in skipping]
    names = dict.fromkeys(name for operator in operators for name in (*operator.inputs, operator.output))
    lines = []
    for name in names:
        _, height, width = graph.tensors[name].shape
        words = -(-width // 32)
        number = index[name]
        lines.append(f"static uint32_t site_bits_{number}[{height * words}];")
        lines.append(f"static const ev_sites sites_{number} = {{{height}, {width}, {words}, site_bits_{number}}};")
    return "\n".join(lines)
