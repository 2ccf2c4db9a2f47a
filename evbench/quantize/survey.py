"""The layers of a torch network for the audit, before training: traced, not lowered, so nothing is refused.

Types are those that `CortexM7Quantizer` will give: event counts and what is never negative u8, other activations s8,
logits f32; convolutions with one weight scale per channel, linear layers with one per tensor.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn
from torch.fx import GraphModule, Node

from evbench.graph.audit import Layer, convolution_name
from evbench.quantize import nodes as form
from evbench.quantize.capture import export_program, layer_name

_NAMES = {
    "max_pool2d": "max pooling",
    "avg_pool2d": "average pooling",
    "adaptive_avg_pool2d": "global average",
    "mean": "global average",
    "cat": "concatenation",
    "add": "addition",
    "mul": "multiplication",
    "softmax": "softmax",
    "log_softmax": "softmax",
    "conv_transpose2d": "transposed convolution",
    "lstm": "lstm",
    "gru": "gru",
    **dict.fromkeys(
        ("sigmoid", "tanh", "silu", "gelu", "elu", "leaky_relu", "hardtanh", "relu6", "hardsigmoid", "hardswish"),
        "activation",
    ),
}
_SILENT = frozenset({"relu", "batch_norm", "dropout", "feature_dropout", "sym_size", "to", "getitem", "unsqueeze"})
"""Operators that become part of a layer before them, move values only, or vanish."""


def survey(network: nn.Module, example_shape: Sequence[int]) -> list[Layer]:
    """The layers of a network for inputs [N, *example_shape], in order; operators evbench lacks under their own name.

    Raises ModelError when the network cannot be exported.
    """
    program = export_program(network, tuple(example_shape))
    types: dict[Node, str] = {}
    layers: list[Layer] = []
    taken: dict[str, int] = {}
    last = _last_layer(program)
    for node in program.graph.nodes:
        if node.op == "placeholder":
            types[node] = "u8"
        if node.op != "call_function":
            continue
        kind = _kind(node)
        sources = [source for source in node.all_input_nodes if source in types]
        # Zeros around a map become the padding of the convolution behind them.
        padding = form.zero_padding(node) is not None and all(user.target in form.CONVOLUTION for user in node.users)
        if kind in _SILENT or node.target in form.SAME_VALUES or padding:
            if sources:
                types[node] = "u8" if kind == "relu" else types[sources[0]]
            continue
        if not sources:
            continue
        types[node] = "f32" if node is last else _type(node, kind, [types[source] for source in sources])
        weighted = node.target in form.CONVOLUTION or node.target == form.LINEAR
        name = form.layer_path(node) if weighted else layer_name(node)
        taken[name] = taken.get(name, 0) + 1
        numbered = name if taken[name] == 1 else f"{name}_{taken[name]}"
        layers.append(_layer(node, kind, numbered, tuple(types[source] for source in sources), types[node]))
    return layers


def _layer(node: Node, kind: str, name: str, inputs: tuple[str, ...], output: str) -> Layer:
    operator, weights, traits = _NAMES.get(kind, kind), "", set[str]()
    if node.target in form.CONVOLUTION:
        weights = "per channel"
        about = form.arguments_of(node, dilation=(1, 1), groups=1)
        filters = node.args[1].meta["val"].shape  # type: ignore[union-attr]
        groups = int(about["groups"])
        operator = convolution_name(groups, groups * int(filters[1]))
        if operator == "depthwise convolution" and int(filters[0]) != groups:
            traits.add("several filters per channel")
        if form.pair(about["dilation"]) != (1, 1):
            traits.add("dilation")
    elif node.target == form.LINEAR:
        operator, weights = "linear", "per tensor"
    elif kind == "avg_pool2d":
        about = form.average_pool_arguments(node)
        if about["count_include_pad"] and form.pair(about["padding"]) != (0, 0):
            traits.add("padding counted")
    elif kind == "max_pool2d" and form.pair(form.max_pool_arguments(node)["dilation"]) != (1, 1):
        traits.add("dilation")
    if operator in ("average pooling", "global average", "concatenation"):
        traits.add("own grid")  # the quantizer observes every one of their outputs by itself
    return Layer(name, operator, inputs, output, weights, frozenset(traits))


def _type(node: Node, kind: str, inputs: list[str]) -> str:
    """The type that the quantizer will give to a node's value."""
    if kind == "max_pool2d":
        return inputs[0]
    if kind in ("avg_pool2d", "adaptive_avg_pool2d", "mean", "cat"):
        return "u8" if set(inputs) == {"u8"} else "s8"
    return "u8" if _rectified(node) else "s8"


def _rectified(node: Node) -> bool:
    """Whether nothing but a ReLU reads a node, also through batch norm and what keeps values (max pooling, shapes)."""
    user = form.single_user(node)
    while user is not None:
        kind = _kind(user)
        if kind == "relu":
            return True
        if kind not in ("batch_norm", "max_pool2d") and user.target not in (*form.SAME_VALUES, *form.DROPOUT):
            return False
        user = form.single_user(user)
    return False


def _last_layer(program: GraphModule) -> Node | None:
    """The layer that gives the logits."""
    value: Any = program.graph.output_node().args[0]
    value = value[0] if isinstance(value, list | tuple) else value
    while isinstance(value, Node) and (value.target in form.SAME_VALUES or _kind(value) in _SILENT):
        value = value.all_input_nodes[0] if value.all_input_nodes else None
    return value if isinstance(value, Node) and value.target == form.LINEAR else None


def _kind(node: Node) -> str:
    """The bare name of an operator: "conv2d" of aten.conv2d.default, "relu" of aten.relu_.default."""
    return str(node.target).removeprefix("aten.").partition(".")[0].rstrip("_")
