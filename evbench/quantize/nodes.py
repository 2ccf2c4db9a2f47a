"""The words of the room's form of a program: its operators, and what can be asked of a node."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Node

from evbench.errors import ModelError
from evbench.quantize.layers import WeightedLayer

aten = torch.ops.aten

RELU = aten.relu.default
ADD = aten.add.Tensor
MAX_POOL = aten.max_pool2d.default
AVERAGE_POOL = aten.avg_pool2d.default
CONCAT = aten.cat.default
GLOBAL_MEAN = frozenset({aten.adaptive_avg_pool2d.default, aten.mean.dim})
CONVOLUTION = frozenset({aten.conv2d.default, aten.conv2d.padding})
LINEAR = aten.linear.default
PAD = frozenset({aten.pad.default, aten.constant_pad_nd.default})
BATCH_NORM = aten.batch_norm.default
SAME_VALUES = frozenset(
    {
        aten.flatten.using_ints,
        aten.view.default,
        aten.reshape.default,
        aten.squeeze.dim,
        aten.squeeze.dims,
        aten.squeeze.default,
        aten.contiguous.default,
        aten.clone.default,
        aten.alias.default,
    }
)
"""Operators that only change the shape; accepted where the order of values stays."""

DROPOUT = {
    aten.dropout.default: nn.Dropout,
    aten.dropout_.default: nn.Dropout,
    aten.feature_dropout.default: nn.Dropout2d,
    aten.feature_dropout_.default: nn.Dropout2d,
}


def refuse(what: str, layer: str, remedy: str) -> ModelError:
    """The error for a network that cannot become an integer graph, naming its layer."""
    return ModelError(what, where=f"layer {layer!r}" if layer else "", remedy=remedy[0].upper() + remedy[1:])


def layer_of(graph_module: GraphModule, node: Node) -> WeightedLayer | None:
    """The layer with weights a node calls, or None."""
    if node.op != "call_module":
        return None
    module = graph_module.get_submodule(str(node.target))
    return module if isinstance(module, WeightedLayer) else None


def value_shape(node: Node) -> tuple[int, ...]:
    """Shape of a node's value without the batch."""
    return tuple(int(size) for size in node.meta["val"].shape[1:])


def single_user(node: Node) -> Node | None:
    return next(iter(node.users)) if len(node.users) == 1 else None


def only_output(graph_module: GraphModule) -> Node:
    """The node whose value the network returns."""
    output = graph_module.graph.output_node().args[0]
    nodes = list(output) if isinstance(output, list | tuple) else [output]
    if len(nodes) != 1 or not isinstance(nodes[0], Node):
        raise refuse("The network returns more than one tensor", "", "return the logits only")
    return nodes[0]


def max_pool_arguments(node: Node) -> dict[str, Any]:
    """kernel_size, stride, padding, dilation and ceil_mode of a max pooling."""
    arguments = arguments_of(node, kernel_size=None, stride=(), padding=(0, 0), dilation=(1, 1), ceil_mode=False)
    return {**arguments, "stride": arguments["stride"] or arguments["kernel_size"]}


def average_pool_arguments(node: Node) -> dict[str, Any]:
    """kernel_size, stride, padding, ceil_mode, count_include_pad and divisor_override of an average pooling."""
    arguments = arguments_of(
        node,
        kernel_size=None,
        stride=(),
        padding=(0, 0),
        ceil_mode=False,
        count_include_pad=True,
        divisor_override=None,
    )
    return {**arguments, "stride": arguments["stride"] or arguments["kernel_size"]}


def zero_padding(node: Node) -> tuple[int, int, int, int] | None:
    """Top, left, bottom, right of a node that surrounds a map by zeros and does nothing else; None for any other."""
    if node.target not in PAD:
        return None
    arguments = arguments_of(node, pad=[], mode="constant", value=None)
    sides = [int(side) for side in arguments["pad"]] + [0] * 4
    plain = len(arguments["pad"]) <= 4 and min(sides) >= 0
    if not plain or arguments["mode"] != "constant" or arguments["value"]:
        return None
    left, right, top, bottom = sides[:4]
    return top, left, bottom, right


def pair(value: Any) -> tuple[int, int]:
    """(vertical, horizontal) from what torch accepts for both."""
    sizes = [int(size) for size in (value if isinstance(value, list | tuple) else [value])]
    return (sizes[0], sizes[-1])


def arguments_of(node: Node, **defaults: Any) -> dict[str, Any]:
    schema = [argument.name for argument in cast(Any, node.target)._schema.arguments]
    given = {**dict(zip(schema, node.args, strict=False)), **node.kwargs}
    return {name: given.get(name, default) for name, default in defaults.items()}


def constant(graph_module: GraphModule, node: object) -> Tensor:
    """The tensor behind a node that reads one; ModelError when it is computed instead."""
    if not isinstance(node, Node) or node.op != "get_attr":
        layer = layer_path(node) if isinstance(node, Node) else ""
        raise refuse(
            "A layer's weights are computed while it runs", layer, "use parameters as weights, without hooks on them"
        )
    path, _, name = str(node.target).rpartition(".")
    return cast(Tensor, getattr(graph_module.get_submodule(path), name)).detach()


def module_stack(node: Node) -> tuple[str, str]:
    """Path and type of the innermost module a node was traced in."""
    stack = [
        entry for entry in node.meta.get("nn_module_stack", {}).values() if "_empty_nn_module_stack" not in entry[0]
    ]
    path, kind = stack[-1] if stack else ("", "")
    return str(path), str(kind)


def layer_path(node: Node) -> str:
    return str(node.meta.get("layer") or module_stack(node)[0] or node.name)
