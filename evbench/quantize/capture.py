"""From a user's torch network to the one form the rest of the room works on, and the refusal of what has no kernel.

The network is exported with a free batch size and rewritten until it holds only: layers with weights (`ConvLayer`,
`LinearLayer`, batch norm inside), `relu` right behind a layer or an addition, `add`, max and average pooling, the
global mean, `cat` of channels, dropout, and changes of shape that keep the order of values. Every node that computes
carries its layer's name, the module path in the user's network, as `node.meta["layer"]`.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Node

from evbench.errors import ModelError
from evbench.quantize.layers import ConvLayer, LinearLayer, WeightedLayer
from evbench.quantize.nodes import (
    ADD,
    AVERAGE_POOL,
    BATCH_NORM,
    CONCAT,
    CONVOLUTION,
    DROPOUT,
    GLOBAL_MEAN,
    LINEAR,
    MAX_POOL,
    RELU,
    SAME_VALUES,
    arguments_of,
    aten,
    constant,
    layer_path,
    module_stack,
    pair,
    refuse,
    single_user,
    zero_padding,
)
from evbench.quantize.pt2e import quiet
from evbench.quantize.support import check_node

_WORDS: dict[Any, str] = {
    ADD: "add",
    CONCAT: "concat",
    MAX_POOL: "max_pool",
    AVERAGE_POOL: "average_pool",
    **dict.fromkeys(GLOBAL_MEAN, "mean"),
}
"""What operations without weights are called in the names of layers."""


def capture(
    network: nn.Module,
    example_shape: Sequence[int],
    *,
    per_channel: bool = True,
    per_channel_head: bool = False,
) -> GraphModule:
    """Export a copy of `network` for inputs [N, *example_shape] and bring it into the room's form.

    `per_channel` gives the weights of convolutions, and `per_channel_head` those of linear layers, one scale per output
    instead of one for the tensor. Raises
    ModelError when the network cannot be exported, or names the first operator without a counterpart, its layer and
    what to use instead.
    """
    graph_module = export_program(network, tuple(example_shape))
    _drop_guards(graph_module)
    _make_functional(graph_module)
    _absorb_weights(graph_module, per_channel, per_channel_head)
    _move_relu_to_its_producer(graph_module)
    _name_layers(graph_module)
    for node in graph_module.graph.nodes:
        check_node(graph_module, node)
    _drop_unused(graph_module)
    _verify(graph_module, network, tuple(example_shape))
    return graph_module


# --- steps ------------------------------------------------------------------------------------------------------------


def export_program(network: nn.Module, shape: tuple[int, ...]) -> GraphModule:
    """The program that torch traces for inputs [N, *shape], as it is. Raises ModelError when there is none."""
    try:
        with quiet():
            program = torch.export.export(
                copy.deepcopy(network).eval(),
                (torch.zeros(2, *shape),),
                dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=65536)},),
                strict=False,
            )
    except Exception as error:
        reason = str(error).strip().partition("\n")[0]
        raise ModelError(
            f"The network cannot be exported: {reason}",
            where=f"{type(network).__name__} with input {shape}",
            remedy="Use operations on tensors only, without branches on their values and with a free batch size",
        ) from error
    return program.module()


def _drop_guards(graph_module: GraphModule) -> None:
    """Leave out torch.export's check of the example's shape: a program serves any batch."""
    for node in list(graph_module.graph.nodes):
        if node.op == "call_module" and node.target == "_guards_fn":
            graph_module.graph.erase_node(node)


def _make_functional(graph_module: GraphModule) -> None:
    """Replace in-place operators; whoever reads the changed tensor afterwards reads the new value."""
    functional = {aten.relu_.default: RELU, aten.add_.Tensor: ADD}
    order = {node: position for position, node in enumerate(graph_module.graph.nodes)}
    for node in graph_module.graph.nodes:
        if node.target not in functional:
            continue
        changed = node.args[0]
        if changed.op == "get_attr":
            continue
        node.target = functional[node.target]
        for user in list(changed.users):
            if order[user] > order[node]:
                user.replace_input_with(changed, node)


def _absorb_weights(graph_module: GraphModule, per_channel: bool, per_channel_head: bool) -> None:
    graph = graph_module.graph
    for node in list(graph.nodes):
        if node.op != "call_function" or (node.target not in CONVOLUTION and node.target != LINEAR):
            continue
        name = _weight_owner(node)
        last = node
        if node.target == LINEAR:
            layer: WeightedLayer = LinearLayer(
                constant(graph_module, node.args[1]),
                _optional_constant(graph_module, node, 2),
                per_channel=per_channel_head,
            )
        else:
            user = single_user(node)
            norm = None
            if user is not None and user.target == BATCH_NORM:
                last, norm = user, _batch_norm(graph_module, user)
            layer = _convolution(graph_module, node, norm, name, per_channel)
        if isinstance(dict(graph_module.named_modules()).get(name), WeightedLayer):
            raise refuse("A layer with weights is used twice", name, "give every use a layer of its own")
        _replace_submodule(graph_module, name, layer)
        source = node.args[0]
        if isinstance(layer, ConvLayer) and zero_padding(source) is not None:
            source = source.args[0]
        with graph.inserting_after(last):
            call = graph.call_module(name, (source,))
        call.meta = {**node.meta, "val": last.meta["val"], "layer": name}
        last.replace_all_uses_with(call)
        graph.erase_node(last)
        if last is not node:
            graph.erase_node(node)


def _convolution(
    graph_module: GraphModule, node: Node, norm: nn.BatchNorm2d | None, name: str, per_channel: bool
) -> ConvLayer:
    arguments = arguments_of(node, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1)
    weight = constant(graph_module, node.args[1])
    kernel = tuple(weight.shape[2:])
    if pair(arguments["dilation"]) != (1, 1):
        raise refuse("A convolution with dilation has no kernel", name, "use dilation=1")
    return ConvLayer(
        weight,
        _optional_constant(graph_module, node, 2),
        norm,
        stride=pair(arguments["stride"]),
        padding=_padding(cast(Node, node.args[0]), arguments["padding"], kernel),
        groups=int(arguments["groups"]),
        per_channel=per_channel,
    )


def _padding(source: Node, padding: Any, kernel: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Top, left, bottom, right: the convolution's own padding and that of a map of zeros around its input."""
    if padding == "valid":
        padding = (0, 0)
    if padding == "same":
        own = [(size - 1) // 2 for size in kernel] + [size // 2 for size in kernel]
    else:
        own = [*pair(padding), *pair(padding)]
    before = zero_padding(source) or (0, 0, 0, 0)
    top, left, bottom, right = (side + more for side, more in zip(own, before, strict=True))
    return top, left, bottom, right


def _batch_norm(graph_module: GraphModule, node: Node) -> nn.BatchNorm2d:
    _, weight, bias, mean, variance, _, momentum, eps = node.args[:8]
    if mean is None or variance is None:
        raise refuse(
            "A batch norm without running statistics cannot be folded", layer_path(node), "use track_running_stats=True"
        )
    running_mean = constant(graph_module, mean)
    # momentum=None, a cumulative average, is exported as 0.0
    norm = nn.BatchNorm2d(running_mean.numel(), eps=cast(float, eps), momentum=cast(float, momentum) or None)
    with torch.no_grad():
        for target, source in ((norm.weight, weight), (norm.bias, bias)):
            if source is None:
                target.requires_grad_(False)
            else:
                target.copy_(constant(graph_module, source))
        cast(Tensor, norm.running_mean).copy_(running_mean)
        cast(Tensor, norm.running_var).copy_(constant(graph_module, variance))
    return norm


def _move_relu_to_its_producer(graph_module: GraphModule) -> None:
    """Let relu meet the layer it belongs to: relu(max_pool(x)) = max_pool(relu(x)); so for changes of shape."""
    graph = graph_module.graph
    passes = {MAX_POOL, *SAME_VALUES, *DROPOUT}
    for relu in [node for node in graph.nodes if node.target == RELU]:
        source = relu.args[0]
        while source.target in passes and single_user(source) is not None:
            source = source.args[0]
        if source is relu.args[0] or single_user(source) is None:
            continue
        relu.replace_all_uses_with(relu.args[0])
        with graph.inserting_after(source):
            moved = graph.call_function(RELU, (source,))
        moved.meta = {**relu.meta, "val": source.meta["val"]}
        source.replace_all_uses_with(moved, delete_user_cb=lambda user, moved=moved: user is not moved)
        graph.erase_node(relu)


def _name_layers(graph_module: GraphModule) -> None:
    taken = {"input"}
    for node in graph_module.graph.nodes:
        wanted = node.meta.get("layer") or (layer_name(node) if node.target in _WORDS else None)
        if wanted is None:
            continue
        name, count = wanted, 1
        while name in taken:
            count += 1
            name = f"{wanted}_{count}"
        taken.add(name)
        node.meta["layer"] = name


def _drop_unused(graph_module: GraphModule) -> None:
    for node in list(graph_module.graph.nodes):
        if node.target in DROPOUT:
            name = f"dropout_{node.name}"
            graph_module.add_submodule(name, DROPOUT[node.target](float(node.args[1])))
            with graph_module.graph.inserting_after(node):
                call = graph_module.graph.call_module(name, (node.args[0],))
            call.meta = dict(node.meta)
            node.replace_all_uses_with(call)
    graph_module.graph.eliminate_dead_code(is_impure_node=lambda node: node.op in ("placeholder", "output"))
    graph_module.delete_all_unused_submodules()
    for tensors in (graph_module._parameters, graph_module._buffers):
        used = {str(node.target) for node in graph_module.graph.nodes if node.op == "get_attr"}
        for name in [name for name in tensors if name not in used]:
            delattr(graph_module, name)
    graph_module.recompile()


def _verify(graph_module: GraphModule, network: nn.Module, shape: tuple[int, ...]) -> None:
    """Both must give the same logits: what no check foresees is refused here instead of deployed wrong."""
    counts = torch.randint(0, 4, (3, *shape), generator=torch.Generator().manual_seed(0)).float()
    parts = [module for module in graph_module.modules() if module is not graph_module]
    layers = [module for module in parts if isinstance(module, WeightedLayer)]
    with torch.no_grad():
        expected = copy.deepcopy(network).eval()(counts)
        for module in parts:
            nn.Module.eval(module)
        for layer in layers:
            layer.fake_quantize = False
        actual = graph_module(counts)
        for layer in layers:
            layer.fake_quantize = True
    if not torch.allclose(actual, expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max()), equal_nan=True):
        raise ModelError(
            "The exported network computes something else than the network itself",
            where=f"{type(network).__name__} with input {shape}",
            remedy="Avoid operations that change a tensor in place through a view of it",
        )


def _weight_owner(node: Node) -> str:
    """The module path of a layer: its own, or its weight's where the layer is a function call."""
    weight = node.args[1]
    if isinstance(weight, Node) and weight.op == "get_attr":
        return str(weight.target).removesuffix(".weight")
    return layer_path(node)


def _replace_submodule(graph_module: GraphModule, name: str, layer: nn.Module) -> None:
    path, _, leaf = name.rpartition(".")
    parent = graph_module.get_submodule(path)
    if leaf in parent._parameters:
        delattr(parent, leaf)
    parent.add_module(leaf, layer)


def layer_name(node: Node) -> str:
    """The path of the torch module that a node is; for an operation in a module's code the module's and a word."""
    word = _WORDS.get(node.target, node.name)
    path, kind = module_stack(node)
    leaf = kind.startswith("torch.nn.modules.") and ".container." not in kind
    return path if leaf and path else f"{path}.{word}".lstrip(".")


def _optional_constant(graph_module: GraphModule, node: Node, position: int) -> Tensor | None:
    argument = node.args[position] if len(node.args) > position else node.kwargs.get("bias")
    return None if argument is None else constant(graph_module, argument)
