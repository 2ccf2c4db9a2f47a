"""Which programs have kernels: every node is checked before any training starts, and the first without one is named."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch.fx import GraphModule, Node

from evbench.errors import ModelError
from evbench.quantize.layers import LinearLayer
from evbench.quantize.nodes import (
    ADD,
    AVERAGE_POOL,
    CONCAT,
    DROPOUT,
    GLOBAL_MEAN,
    MAX_POOL,
    RELU,
    SAME_VALUES,
    aten,
    average_pool_arguments,
    layer_of,
    layer_path,
    max_pool_arguments,
    only_output,
    pair,
    refuse,
    single_user,
    value_shape,
)

_SUPPORTED = (
    "Conv2d, BatchNorm2d behind it, ReLU, MaxPool2d, AvgPool2d, AdaptiveAvgPool2d(1), addition, concatenation, "
    "Flatten, Dropout, Linear"
)
_INSTEAD = {
    "adaptive_max_pool2d": "use MaxPool2d or AdaptiveAvgPool2d(1)",
    "conv_transpose2d": "use Conv2d; there is no kernel that enlarges a map",
    "convolution": "use Conv2d",
    "conv1d": "use Conv2d with a kernel of height 1",
    "conv3d": "use Conv2d with the bins as channels",
    "mul": "use addition, or move the factor into the weights of the layer before",
    "pad": "use the padding of Conv2d, or zeros right in front of one",
    "softmax": "leave it out: training uses the cross-entropy of the logits, and the largest logit wins either way",
    "log_softmax": "leave it out: training uses the cross-entropy of the logits, and the largest logit wins either way",
}
_ACTIVATIONS = frozenset(
    [
        "sigmoid",
        "tanh",
        "silu",
        "gelu",
        "elu",
        "selu",
        "celu",
        "leaky_relu",
        "prelu",
        "hardtanh",
        "relu6",
        "hardsigmoid",
        "hardswish",
        "mish",
        "softplus",
    ]
)
_NORMS = frozenset({"group_norm", "layer_norm", "instance_norm", "local_response_norm"})


def check_node(graph_module: GraphModule, node: Node) -> None:
    if node.op == "placeholder" and len(graph_module.graph.find_nodes(op="placeholder")) != 1:
        raise refuse("The network reads more than one tensor", "", "read one tensor of counts [N, C, H, W]")
    if node.op == "output":
        last = only_output(graph_module)
        if not isinstance(layer_of(graph_module, last), LinearLayer):
            raise refuse(
                "The network does not end in a Linear layer", layer_path(last), "let a Linear layer give the logits"
            )
    if isinstance(layer_of(graph_module, node), LinearLayer) and len(value_shape(cast(Node, node.args[0]))) != 1:
        raise refuse(
            "A Linear layer reads a map instead of a vector", layer_path(node), "flatten to [N, features] first"
        )
    if node.op != "call_function" or node.target == aten.sym_size.int or not node.users:
        return
    check = _CHECKS.get(node.target)
    if check is not None:
        check(graph_module, node)
    elif node.target not in DROPOUT:
        raise _unsupported(node)


def _check_relu(graph_module: GraphModule, node: Node) -> None:
    source = cast(Node, node.args[0])
    if source.target == RELU:
        return
    if layer_of(graph_module, source) is None and source.target != ADD:
        raise refuse(
            "A ReLU does not follow a layer it can be part of", layer_path(node), "put it behind a layer or addition"
        )
    if single_user(source) is None:
        raise refuse(
            "A tensor is read both before and after its ReLU",
            layer_path(node),
            "read it only before or only after the ReLU",
        )


def _check_add(graph_module: GraphModule, node: Node) -> None:
    nodes = [arg for arg in node.args if isinstance(arg, Node)]
    if len(nodes) != 2 or value_shape(nodes[0]) != value_shape(nodes[1]) or node.kwargs.get("alpha", 1) != 1:
        raise refuse(
            "An addition of something else than two tensors of one shape has no kernel",
            node.meta["layer"],
            "add two activations of one shape, or use the bias of the layer before",
        )


def _check_max_pool(graph_module: GraphModule, node: Node) -> None:
    arguments = max_pool_arguments(node)
    if pair(arguments["dilation"]) != (1, 1) or arguments["ceil_mode"]:
        raise refuse(
            "A MaxPool2d with dilation or ceil_mode has no kernel",
            node.meta["layer"],
            "use dilation=1, ceil_mode=False",
        )


def _check_average_pool(graph_module: GraphModule, node: Node) -> None:
    arguments = average_pool_arguments(node)
    if arguments["ceil_mode"] or arguments["divisor_override"] is not None:
        raise refuse(
            "An AvgPool2d with ceil_mode or divisor_override has no kernel",
            node.meta["layer"],
            "use ceil_mode=False, divisor_override=None",
        )


def _check_concat(graph_module: GraphModule, node: Node) -> None:
    parts = cast(Sequence[Node], node.args[0])
    axis = cast(int, node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", 0))
    maps = all(len(value_shape(part)) == 3 for part in parts)
    if not maps or axis not in (1, -3) or len(parts) < 2:
        raise refuse(
            "A concatenation of something else than the channels of maps has no kernel",
            node.meta["layer"],
            "use torch.cat(maps, dim=1), and flatten behind it",
        )


def _check_mean(graph_module: GraphModule, node: Node) -> None:
    source = cast(Node, node.args[0])
    if node.target == aten.mean.dim:
        rank = source.meta["val"].dim()
        axes = {int(axis) % rank for axis in cast(Sequence[int], node.args[1])}
        whole = rank == 4 and axes == {2, 3}
    else:
        whole = pair(node.args[1]) == (1, 1)
    if not whole:
        raise refuse(
            "A mean over something else than the whole map has no kernel",
            node.meta["layer"],
            "use AdaptiveAvgPool2d(1), or mean over the last two dimensions",
        )


def _check_same_values(graph_module: GraphModule, node: Node) -> None:
    before, after = value_shape(cast(Node, node.args[0])), value_shape(node)
    if after != before and (len(after) != 1 or after[0] != torch.Size(before).numel()):
        raise refuse(
            f"A change of shape from {before} to {after} has no kernel",
            layer_path(node),
            "flatten to [N, features] or not at all",
        )


_CHECKS: dict[Any, Callable[[GraphModule, Node], None]] = {
    RELU: _check_relu,
    ADD: _check_add,
    MAX_POOL: _check_max_pool,
    AVERAGE_POOL: _check_average_pool,
    CONCAT: _check_concat,
    **dict.fromkeys(GLOBAL_MEAN, _check_mean),
    **dict.fromkeys(SAME_VALUES, _check_same_values),
}


def _unsupported(node: Node) -> ModelError:
    operator = str(node.target).removeprefix("aten.").partition(".")[0].rstrip("_")
    if operator == "batch_norm":
        return refuse(
            "A batch norm that does not directly follow a convolution cannot be folded",
            layer_path(node),
            "put BatchNorm2d right behind a Conv2d whose output nothing else reads",
        )
    if operator in _ACTIVATIONS:
        instead = "use ReLU"
    elif operator in _NORMS:
        instead = "use BatchNorm2d behind a convolution"
    else:
        instead = _INSTEAD.get(operator, f"use {_SUPPORTED}")
    return refuse(f"The operator {operator} has no kernel", layer_path(node), instead)
