"""Layers that skip what saw no event: which of a network's layers do, and how they are called.

firmware/kernels/ev_sites.h describes the kernels. A layer can skip when its inputs' activity is known, which begins at
the network's input and ends at the first layer that can neither skip nor pass it on. Whether convolutions do is decided
window by window: where nearly all sites are active, kernels that skip compute all of them as the others do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evbench.compile.constants import Constants
from evbench.compile.layers import SCRATCH_WORDS, Call, convolution_family
from evbench.graph.activity import LayerActivity, recorded_activity
from evbench.graph.background import Background, backgrounds
from evbench.graph.model import (
    Add,
    AveragePool2d,
    Concat,
    Conv2d,
    DType,
    IntegerGraph,
    MaxPool2d,
    Operator,
    Rescale,
)

WORTH_SITES = 0.95
"""Skipping begins where no more than this share of the sites is active at the median: finding them costs a few
hundredths of computing everything. Kernels hold to the same limit (EV_WORTH_SKIPPING in ev_sites.h) on every window."""

WORTH_TAPS = 0.3
"""A layer skips zeros when no more than this of what it reads is not zero: such a tap costs twice one of a dense layer,
as it carries its own position and serves one site instead of two."""

TILE = 8
"""Outputs that a kernel which skips zeros computes together."""

TAPS = 257
"""Most taps of one output in such a kernel: so many products fit the 24 bits they are summed in."""

WIDTH = 1024
"""The widest map whose activity kernels follow: EV_SITES_WORDS words of a bit per site."""

CLASSES = 16
"""Most rows of a background that differ: each is kept in flash."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Whether a layer skips inactive sites, and inside active ones what is zero, and why.

    tracked: which of its outputs are active is known to the layers behind it; so for all that skip, and for some that
    compute everything.
    """

    layer: str
    skips: bool
    reason: str
    nonzero: bool = False
    tracked: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Sparsity:
    """What the generator knows about skipping: a choice per layer, and the backgrounds of the layers that skip."""

    choices: tuple[Choice, ...]
    backgrounds: Mapping[str, Background]

    @property
    def skipping(self) -> frozenset[str]:
        """Names of the layers that skip."""
        return frozenset(choice.layer for choice in self.choices if choice.skips)

    @property
    def nonzero(self) -> frozenset[str]:
        """Names of the layers that skip zeros as well."""
        return frozenset(choice.layer for choice in self.choices if choice.nonzero)

    @property
    def tracked(self) -> frozenset[str]:
        """Names of the layers whose outputs' activity is known."""
        return frozenset(choice.layer for choice in self.choices if choice.tracked)


def choose(graph: IntegerGraph) -> Sparsity:
    """Decides for each layer of `graph` whether and what it skips, by the activity its metadata records.

    The reasons are sentences for people. Without a record, layers skip sites where they can, and zeros among counts.
    """
    tracked = {graph.inputs[0]}
    found = backgrounds(graph) if any(_can_track(graph, operator) for operator in graph.operators) else {}
    windows, layers = recorded_activity(graph)
    choices = []
    for operator in graph.operators:
        choice = _choose(graph, operator, tracked, found, layers.get(operator.name), windows)
        choices.append(choice)
        if choice.tracked:
            tracked.add(operator.output)
    return Sparsity(tuple(choices), found)


def _choose(
    graph: IntegerGraph,
    operator: Operator,
    tracked: set[str],
    found: Mapping[str, Background],
    measured: LayerActivity | None,
    windows: int,
) -> Choice:
    def everything(why: str) -> Choice:
        return Choice(operator.name, False, f"computes everything: {why}")

    def skip(what: str, why: str, *, nonzero: bool = False) -> Choice:
        return Choice(operator.name, True, f"skips {what}{why}", nonzero, tracked=True)

    if not _can_track(graph, operator):
        return everything(f"{operator.kind} of this type has no other kernel")
    if not all(name in tracked for name in operator.inputs):
        return everything("the layer before it does")
    if isinstance(operator, Concat | Rescale):
        why = "it copies its inputs, and passes on which of their sites saw events"
        return Choice(operator.name, False, f"computes everything: {why}", tracked=True)
    if len(found[operator.output].rows) > CLASSES:
        return everything("too many rows have a background of their own")
    if not isinstance(operator, Conv2d):
        return skip("sites without events", ", as the layer before it does")
    on_counts = operator.inputs[0] in graph.inputs
    if measured is None:
        nonzero = on_counts and nonzero_words(graph, operator) > 0
        what = "sites without events and zeros in the others" if nonzero else "sites without events"
        return skip(what, "; no activity was recorded when the model was made", nonzero=nonzero)
    seen = f"at the median of {windows} calibration windows {100 * measured.sites:.0f} % of its sites are active"
    if on_counts and measured.sites > WORTH_SITES:
        return everything(seen)
    seen += f", and {100 * measured.nonzero:.0f} % of what those read is not zero"
    if measured.nonzero <= WORTH_TAPS and nonzero_words(graph, operator) > 0:
        return skip("sites without events and zeros in the others", f": {seen}", nonzero=True)
    return skip("sites without events", f": {seen}")


def _can_track(graph: IntegerGraph, operator: Operator) -> bool:
    """Whether there is a way to know which outputs are active: 8-bit maps, narrow enough, and a kernel that marks."""
    tensors = [graph.tensors[name] for name in (*operator.inputs, operator.output)]
    maps = all(len(tensor.shape) == 3 and tensor.shape[2] <= WIDTH for tensor in tensors)
    if not maps or not {tensor.dtype for tensor in tensors} <= {DType.U8, DType.S8}:
        return False
    if isinstance(operator, Conv2d):
        return convolution_family(operator, tensors[0].dtype) in ("ev_conv2d", "ev_depthwise")
    return isinstance(operator, MaxPool2d | AveragePool2d | Add | Concat | Rescale)


def skipping_call(
    graph: IntegerGraph,
    operator: Operator,
    dense: Call,
    number: int,
    index: Mapping[str, int],
    background: Background,
    constants: Constants,
    *,
    nonzero: bool,
) -> Call:
    """The call of the skipping kernel in place of `dense`, whose constants it shares.

    With `nonzero` it skips zeros inside active sites as well.
    """
    kernel = dense.kernel.replace("ev_", "ev_nonzero_" if nonzero else "ev_sparse_", 1)
    sites = ("a", "b", "out") if isinstance(operator, Add) else ("in", "out")
    places = zip(sites, (*operator.inputs, operator.output), strict=True)
    fields = "".join(f", .{field} = &sites_{index[name]}" for field, name in places)
    value = f"{{.layer = &layer_{number}, .background = {background_fields(background, constants)}{fields}}}"
    kind = f"ev_sparse_{_layer_type(operator)}"
    if nonzero:
        assert isinstance(operator, Conv2d)
        kind = "ev_nonzero_conv2d_s8"
        value = f"{{.sites = {value}, .weight = {constants.add(nonzero_weights(operator), fast=True)}}}"
    definition = f"{dense.definition}\nstatic const {kind} sparse_{number} = {value};"
    statement = dense.statement.replace(f"{dense.kernel}(&layer_{number},", f"{kernel}(&sparse_{number},")
    return Call(kernel, definition, statement)


def _layer_type(operator: Operator) -> str:
    """What ev_sites.h calls the constants of a layer that skips, behind ev_sparse_."""
    match operator:
        case Conv2d():
            return "conv2d_s8"
        case MaxPool2d():
            return "maxpool"
        case AveragePool2d():
            return "avgpool2d"
        case _:
            return "add"


def tracking_call(operator: Operator, dense: Call, index: Mapping[str, int]) -> Call:
    """`dense`, which computes everything, and behind it the activity of its outputs: that of all its inputs."""
    first, *others = (f"&sites_{index[name]}" for name in operator.inputs)
    out = f"&sites_{index[operator.output]}"
    pairs = [(first, others[0] if others else first), *((out, other) for other in others[1:])]
    joins = "".join(f" ev_join_sites({a}, {b}, {out});" for a, b in pairs)
    return Call(dense.kernel, dense.definition, dense.statement + joins)


def nonzero_weights(operator: Conv2d) -> NDArray[np.uint8]:
    """Weights for kernels that skip zeros: [tile of eight outputs][tap][8 bytes]; ev_sites.h says in which order."""
    outputs = len(operator.weight)
    taps = operator.weight.transpose(0, 2, 3, 1).reshape(outputs, -1)
    tiles = -(-outputs // TILE)
    padded = np.zeros((tiles * TILE, taps.shape[1]), np.int16)
    padded[:outputs] = taps
    padded[::2] += 128
    ordered = padded.reshape(tiles, TILE, -1)[:, [0, 3, 2, 1, 4, 7, 6, 5]]
    return np.ascontiguousarray(ordered.transpose(0, 2, 1)).astype(np.uint8)


def nonzero_words(graph: IntegerGraph, operator: Operator) -> int:
    """Words of scratch that a kernel which skips zeros needs: weights, biases and multipliers, one site's taps.

    0 where there is no such kernel: for layers with more than `TAPS` taps, with signed inputs or with more weights
    than the scratch holds.
    """
    if not isinstance(operator, Conv2d) or not _can_track(graph, operator) or operator.groups != 1:
        return 0
    given, taps = graph.tensors[operator.inputs[0]], operator.weight[0].size
    tiles = -(-len(operator.weight) // TILE)
    words = int(tiles * (TILE // 2 * taps + 2 * TILE) + taps + 2)
    fits = taps <= TAPS and words <= SCRATCH_WORDS
    return words if fits and given.dtype is DType.U8 and given.zero_point == 0 else 0


def background_fields(background: Background, constants: Constants) -> str:
    """An ev_background as a C initialiser; its arrays go to `constants`."""
    classes, values = constants.add(background.classes), constants.add(background.rows)
    return f"{{.channels = {background.rows.shape[2]}, .classes = {classes}, .values = {values}}}"


def site_definitions(graph: IntegerGraph, tracked: frozenset[str], index: Mapping[str, int]) -> str:
    """C definitions of the activity of every tensor that a tracked layer reads or writes."""
    operators = [operator for operator in graph.operators if operator.name in tracked]
    names = dict.fromkeys(name for operator in operators for name in (*operator.inputs, operator.output))
    lines = []
    for name in names:
        _, height, width = graph.tensors[name].shape
        words = -(-width // 32)
        number = index[name]
        lines.append(f"static uint32_t site_bits_{number}[{height * words}];")
        lines.append(f"static const ev_sites sites_{number} = {{{height}, {width}, {words}, site_bits_{number}}};")
    return "\n".join(lines)
