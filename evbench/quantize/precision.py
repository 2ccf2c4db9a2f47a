"""Hybrid precision: which layers compute in 8 bits, on 16-bit activations or in float32, and where values change grid.

A layer's precision says how its output is kept, and so how it is computed:

* int8: 8-bit activations, int8 weights. What everything is unless a recipe says otherwise.
* int16: the output is kept on a 16-bit grid. Weights stay int8; the layer and all that read it compute on 16 bits. What
  they read in 8 bits is widened without loss, and what they give in 8 bits is rounded to 16 bits first.
* fp32: float weights and sums. Other float layers read the output as it is, all others on its 8-bit grid (16-bit layers
  on its 16-bit grid).
* fp16: as fp32, but weights are stored in IEEE half precision and rounded to it; sums and outputs are float32.

Changes of grid that lose something are nodes of the program (`CONVERT`), each with an observer of its own, so that
training, calibration and the converted program round as the board will. Those that lose nothing are added by lowering.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches

from torch.fx import GraphModule, Node

from evbench.errors import ModelError
from evbench.profiles import Precision
from evbench.quantize.nodes import (
    ADD,
    AVERAGE_POOL,
    CONCAT,
    GLOBAL_MEAN,
    MAX_POOL,
    RELU,
    SAME_VALUES,
    aten,
    layer_of,
    only_output,
    refuse,
    single_user,
)

CONVERT = aten.alias.default
"""The operator of a change of grid; only nodes that `is_conversion` says so of are one."""

_ROUNDS = frozenset({ADD, AVERAGE_POOL, CONCAT, *GLOBAL_MEAN})
_NARROW = frozenset({AVERAGE_POOL, CONCAT})


def is_conversion(node: Node) -> bool:
    """Whether a node changes the grid of what it reads."""
    return bool(node.meta.get("conversion", False))


def precision_of(node: Node) -> Precision:
    """The grid on which a node's value is kept."""
    precision: Precision = node.meta.get("precision", "int8")
    return precision


def without_precision(tensor: str) -> str:
    """The name of the tensor of which a conversion's is another form."""
    return tensor.rpartition(".")[0]


def assign_precisions(graph_module: GraphModule, wanted: Mapping[str, Precision]) -> None:
    """Give every layer of a captured network its precision and insert what changes grids between them.

    `wanted` names layers, or modules whose layers all get it; the longest name that fits a layer decides. Raises
    ModelError naming the layer for a name that fits none and for a precision that has no kernel there.
    """
    if not wanted:
        return
    nodes = [node for node in graph_module.graph.nodes if _computes(graph_module, node)]
    chosen = _chosen([str(node.meta["layer"]) for node in nodes], wanted)
    logits = only_output(graph_module)
    for node in nodes:
        name = str(node.meta["layer"])
        precision = chosen.get(name, "int8")
        is_logits = node is logits or _leads_only_to(node, logits)
        if is_logits and precision == "int16":
            raise refuse(
                "Logits are float32 already, so the last layer cannot keep them in 16 bits",
                name,
                'set the layer before it to "int16": the last one then reads 16 bits',
            )
        layer = layer_of(graph_module, node)
        if layer is not None:
            layer.keeps_float = precision in ("fp32", "fp16")
            layer.half_weights = node.meta["half_weights"] = precision == "fp16"
        precision = "fp32" if precision == "fp16" else precision
        _read_as(graph_module, node, precision)
        wide = precision == "int16" or any(_kept(graph_module, source) == "int16" for source in _sources(node))
        if wide and node.target in _NARROW:
            raise refuse(
                "Average pooling under a window and concatenation have no kernel on 16-bit activations",
                name,
                'set the layers before it to "int8" or "fp32"',
            )
        last = _with_relu(node)
        last.meta["precision"] = "int16" if wide and precision != "fp32" else precision
        if wide and precision == "int8" and not is_logits:
            _convert(graph_module, last, "int8", list(last.users))
    graph_module.graph.lint()
    graph_module.recompile()


def _computes(graph_module: GraphModule, node: Node) -> bool:
    """Whether a node makes new values, as layers with weights, additions and means do."""
    return layer_of(graph_module, node) is not None or node.target in _ROUNDS


def _chosen(names: list[str], wanted: Mapping[str, Precision]) -> dict[str, Precision]:
    found: dict[str, Precision] = {}
    for key in sorted(wanted, key=len):
        fitting = [name for name in names if name == key or name.startswith(f"{key}.")]
        if not fitting:
            near = get_close_matches(key, names, 1)
            raise ModelError(
                f"The network has no layer {key!r} that could have a precision of its own",
                where=f"quantize.layers.{key}",
                remedy=f"Did you mean {near[0]}?" if near else f"Choose among {', '.join(names)}",
            )
        found |= dict.fromkeys(fitting, wanted[key])
    return found


def _leads_only_to(node: Node, logits: Node) -> bool:
    """Whether a layer's value is the logits, but for changes of shape."""
    user = single_user(_with_relu(node))
    while user is not None and user.target in SAME_VALUES and user is not logits:
        user = single_user(user)
    return user is logits


def _with_relu(node: Node) -> Node:
    user = single_user(node)
    return user if user is not None and user.target == RELU else node


def _sources(node: Node) -> list[Node]:
    """The nodes whose values a layer reads."""
    return [source for source in node.all_input_nodes if source.op != "get_attr"]


def _kept(graph_module: GraphModule, node: Node) -> Precision:
    """The grid on which a value lies, seen through what only keeps values."""
    while not is_conversion(node) and (
        node.target in (MAX_POOL, *SAME_VALUES) or (node.op == "call_module" and layer_of(graph_module, node) is None)
    ):
        node = node.all_input_nodes[0]
    return precision_of(node)


def _read_as(graph_module: GraphModule, node: Node, precision: Precision) -> None:
    """Let an integer layer read float values on their grid."""
    if precision == "fp32":
        return
    for source in _sources(node):
        if _kept(graph_module, source) == "fp32":
            _convert(graph_module, source, precision, [node])


def _convert(graph_module: GraphModule, source: Node, precision: Precision, readers: list[Node]) -> None:
    """Let `readers` read `source` on another grid; one node serves all that want the same one."""
    known = [user for user in source.users if is_conversion(user) and precision_of(user) == precision]
    if known:
        conversion = known[0]
    else:
        with graph_module.graph.inserting_after(source):
            conversion = graph_module.graph.call_function(CONVERT, (source,))
        conversion.meta = {
            "val": source.meta["val"],
            "layer": f"{_name(source)}.{precision}",
            "precision": precision,
            "conversion": True,
        }
    for reader in readers:
        if reader is not conversion:
            reader.replace_input_with(source, conversion)


def _name(node: Node) -> str:
    while "layer" not in node.meta or node.target == RELU:
        node = node.all_input_nodes[0]
    return str(node.meta["layer"])
