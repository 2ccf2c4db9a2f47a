"""A network on its way to integers: prepared for training or calibration, converted, saved, read back and executed."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.fx import GraphModule, Node

from evbench.errors import ModelError, WorkspaceError
from evbench.profiles import QuantizeSettings
from evbench.quantize.capture import capture
from evbench.quantize.layers import WEIGHT_MAX, ConvLayer, IntegerParameters, WeightedLayer
from evbench.quantize.nodes import layer_of
from evbench.quantize.observers import ActivationObserver, RangeObserver
from evbench.quantize.precision import assign_precisions
from evbench.quantize.pt2e import convert_pt2e, prepare_qat_pt2e, quiet
from evbench.quantize.quantizer import CortexM7Quantizer

_SETTINGS = {"observer", "averaging_constant", "percentile", "weights", "per_channel_head", "layers"}


class PreparedProgram(nn.Module):
    """A network with observers, trained or calibrated like any module: counts [N, C, H, W] -> logits [N, classes].

    Counts may be float32 or uint8. `train()` follows batch and activation statistics; `eval()` computes with the
    integers the converted program will hold, and converting changes none of its logits.
    """

    def __init__(self, graph_module: GraphModule, settings: dict[str, Any]) -> None:
        super().__init__()
        self.program = graph_module
        self.settings = settings
        _link_input_scales(graph_module)
        self.train()

    def forward(self, counts: Tensor) -> Tensor:
        return cast(Tensor, self.program(counts.float()))

    def train(self, mode: bool = True) -> PreparedProgram:
        """Set training or evaluation mode. (An exported program's own `train` is a refusal.)"""
        self.training = mode
        for module in [m for m in self.program.modules() if m is not self.program]:
            nn.Module.train(module, mode)
        return self

    def fake_quantize(self, enabled: bool = True) -> PreparedProgram:
        """Round weights and activations, or compute in float32 while observers go on watching."""
        for module in self.program.modules():
            if isinstance(module, WeightedLayer | ActivationObserver):
                module.fake_quantize = enabled
        return self

    def freeze(self, *, ranges: bool, norm: bool) -> PreparedProgram:
        """In training: let observers and batch norm keep what they know, or follow the data."""
        for module in self.program.modules():
            if isinstance(module, ActivationObserver):
                module.frozen = ranges
            elif isinstance(module, WeightedLayer):
                module.norm_frozen = norm
        return self

    def calibrate(self, batches: Iterable[Tensor]) -> PreparedProgram:
        """Post-training quantisation: observe the float network on `batches` of counts, then round; ends in eval()."""
        self.eval().fake_quantize(False)
        observers = [m for m in self.program.modules() if isinstance(m, ActivationObserver)]
        for observer in observers:
            observer.calibrating = True
        try:
            with torch.no_grad():
                for batch in batches:
                    self(batch)
        finally:
            for observer in observers:
                observer.calibrating = False
        return self.fake_quantize(True)


class ConvertedProgram(nn.Module):
    """Torch's own execution of the quantised network: quantize, dequantize and float32 operators, integer constants."""

    def __init__(self, graph_module: GraphModule) -> None:
        super().__init__()
        self.program = graph_module

    def forward(self, counts: Tensor) -> Tensor:
        return cast(Tensor, self.program(counts.float()))


def prepare(
    network: nn.Module,
    example_shape: Sequence[int],
    settings: QuantizeSettings | None = None,
) -> PreparedProgram:
    """Prepare a copy of `network` for quantisation-aware training from its present weights, or for `calibrate`.

    `example_shape` is (C, H, W); the batch is free. Raises ModelError, naming layer and remedy, for a network that
    no integer graph can hold.
    """
    settings = settings or QuantizeSettings()
    return prepare_captured(capture_for(network, example_shape, settings), example_shape, settings)


def capture_for(network: nn.Module, example_shape: Sequence[int], settings: QuantizeSettings) -> GraphModule:
    """`network` captured with the granularity of weights that `settings` ask for; see `capture`."""
    per_channel = settings.weights == "per-channel"
    return capture(network, example_shape, per_channel=per_channel, per_channel_head=settings.per_channel_head)


def prepare_captured(
    captured: GraphModule, example_shape: Sequence[int], settings: QuantizeSettings
) -> PreparedProgram:
    """As `prepare`, from what `capture_for` made; `captured` is used up. Raises ModelError for a wrong precision."""
    chosen = {"example_shape": list(example_shape), **settings.model_dump(include=_SETTINGS)}
    assign_precisions(captured, settings.layers)
    with quiet():
        prepared = prepare_qat_pt2e(captured, CortexM7Quantizer(settings))
    return PreparedProgram(prepared, chosen)


def convert(prepared: PreparedProgram) -> ConvertedProgram:
    """The converted program; `prepared` stays as it is. Raises ModelError when it never saw data."""
    with quiet():
        graph_module = copy.deepcopy(prepared).eval().program
    for module in graph_module.modules():
        if isinstance(module, RangeObserver) and module.batches == 0:
            raise ModelError(
                "The network was never shown data, so its activations have no range",
                remedy="Train it or calibrate it first",
            )
    constants = {
        str(node.target): layer.integer()
        for node in graph_module.graph.nodes
        if (layer := layer_of(graph_module, node)) is not None and not layer.keeps_float
    }
    with quiet():
        converted = convert_pt2e(graph_module, fold_quantize=False)
    write_out_layers(converted, constants)
    return ConvertedProgram(converted)


def save_prepared(prepared: PreparedProgram, path: Path) -> None:
    """Write parameters, statistics and ranges as safetensors, with the settings as JSON in its metadata.

    The file appears whole or not at all; WorkspaceError when it cannot be written.
    """
    state = {name: tensor.detach().contiguous() for name, tensor in prepared.state_dict().items()}
    temporary = path.with_name(path.name + ".partial")
    try:
        save_file(state, temporary, metadata={"prepared": json.dumps(prepared.settings)})
        os.replace(temporary, path)
    except (SafetensorError, OSError) as error:
        temporary.unlink(missing_ok=True)
        raise WorkspaceError(
            f"The program cannot be written: {error}", where=str(path), remedy="Check the folder and its free space"
        ) from error


def load_prepared(network: nn.Module, path: Path) -> PreparedProgram:
    """Read what `save_prepared` wrote into a program prepared from `network`, whose own weights do not matter.

    Runs no code from the file. Raises ModelError for a file that is damaged or belongs to another network.
    """
    try:
        with safe_open(path, framework="pt") as file:
            settings = json.loads((file.metadata() or {})["prepared"])
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        shape = [int(size) for size in settings["example_shape"]]
        # A setting that is younger than the file had its default then.
        chosen = QuantizeSettings(**{name: settings[name] for name in _SETTINGS & settings.keys()})
    except FileNotFoundError:
        raise ModelError("There is no trained program", where=str(path), remedy="Train the network first") from None
    except (SafetensorError, KeyError, ValueError, TypeError, OSError) as error:
        raise ModelError(
            f"The file holds no prepared program: {error}", where=str(path), remedy="Write it again with evbench run"
        ) from error
    prepared = prepare(network, shape, chosen)
    try:
        prepared.load_state_dict(state)
    except RuntimeError as error:
        raise ModelError(
            "The saved program belongs to another network",
            where=str(path),
            remedy="Name the network it was trained as; where its shape has changed since, train it again",
        ) from error
    return prepared.eval()


# --- graph surgery ----------------------------------------------------------------------------------------------------


def _link_input_scales(graph_module: GraphModule) -> None:
    """Tell every layer the scale of what it reads, for its bias's grid."""
    for node in graph_module.graph.nodes:
        layer = layer_of(graph_module, node)
        if layer is None or layer.keeps_float:
            continue
        source = node.args[0]
        while not isinstance(observer := _module(graph_module, source), ActivationObserver):
            source = source.args[0]
        layer.input_scale = observer.scale_value


def _module(graph_module: GraphModule, node: Node) -> nn.Module | None:
    return graph_module.get_submodule(str(node.target)) if node.op == "call_module" else None


def write_out_layers(graph_module: GraphModule, constants: Mapping[str, IntegerParameters]) -> None:
    """Replace calls of layers by torch's own operators over constants, and drop dropout.

    A layer named in `constants` gets int8 weights behind a dequantize node and a bias on its grid, any other its
    folded float32 weights.
    """
    for node in list(graph_module.graph.nodes):
        if layer_of(graph_module, node) is not None:
            _write_out_layer(graph_module, node, constants.get(str(node.target)))
        elif node.op == "call_module":
            node.replace_all_uses_with(node.args[0])
            graph_module.graph.erase_node(node)
    graph_module.delete_all_unused_submodules()
    graph_module.graph.lint()
    graph_module.recompile()


def _write_out_layer(graph_module: GraphModule, node: Node, constants: IntegerParameters | None) -> None:
    layer = layer_of(graph_module, node)
    assert layer is not None
    if constants is None:
        weight, bias = layer.folded()
        tensors = {"weight": weight, "bias": bias}
    else:
        zero = torch.zeros_like(constants.scale, dtype=torch.int32)
        tensors = {"weight": constants.weight, "bias": constants.real_bias(), "scale": constants.scale, "zero": zero}
    path = str(node.target)
    holder = nn.Module()
    for name, tensor in tensors.items():
        holder.register_buffer(name, tensor)
    parent, _, leaf = path.rpartition(".")
    graph_module.get_submodule(parent).add_module(leaf, holder)
    graph = graph_module.graph
    with graph.inserting_before(node):
        read = {name: graph.get_attr(f"{path}.{name}") for name in tensors}
        real = read["weight"]
        if constants is not None:
            arguments = (real, read["scale"], read["zero"], 0, -WEIGHT_MAX, WEIGHT_MAX, torch.int8)
            real = graph.call_function(torch.ops.quantized_decomposed.dequantize_per_channel.default, arguments)
        if isinstance(layer, ConvLayer):
            top, left, bottom, right = layer.padding
            source, padding = node.args[0], [top, left]
            if layer.lopsided:
                sides = [left, right, top, bottom]
                source, padding = graph.call_function(torch.ops.aten.constant_pad_nd.default, (source, sides)), [0, 0]
            geometry = (list(layer.stride), padding, [1, 1], layer.groups)
            call = graph.call_function(torch.ops.aten.conv2d.default, (source, real, read["bias"], *geometry))
        else:
            call = graph.call_function(torch.ops.aten.linear.default, (node.args[0], real, read["bias"]))
    call.meta = dict(node.meta)
    node.replace_all_uses_with(call)
    graph.erase_node(node)
