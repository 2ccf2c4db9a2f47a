"""Looks at a prepared program's tensors: scales while it trains, and full statistics once it is finished."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.fx import Node

from evbench.quantize.layers import WEIGHT_MAX, WeightedLayer
from evbench.quantize.nodes import RELU, layer_of
from evbench.quantize.observers import ActivationObserver, RangeObserver
from evbench.quantize.program import PreparedProgram
from evbench.quantize.statistics import Collector, TensorStatistics

INPUT = "input"
WEIGHT = ".weight"
"""What a weight tensor's name has behind its layer's."""


def observers_of(prepared: PreparedProgram) -> dict[str, ActivationObserver]:
    """Observers by the name that their tensor has in the integer graph, in the order of the layers."""
    program = prepared.program
    found: dict[str, ActivationObserver] = {}
    for node in program.graph.nodes:
        if node.op == "call_module":
            module = program.get_submodule(str(node.target))
            if isinstance(module, ActivationObserver):
                found[_tensor_name(node.args[0])] = module
    return found


def scales_of(prepared: PreparedProgram) -> dict[str, float]:
    """The present scale of every activation that has a range, by name."""
    return {
        name: float(observer.scale_value())
        for name, observer in observers_of(prepared).items()
        if isinstance(observer, RangeObserver)
    }


def measure(prepared: PreparedProgram, batches: Iterable[Tensor]) -> tuple[TensorStatistics, ...]:
    """Statistics of all activations on `batches` of counts, and of all weights, in the order of the layers.

    Puts the program into evaluation mode: layers read what they will read on the board.
    """
    activations = measure_activations(prepared, batches)
    found: list[TensorStatistics] = []
    for node in prepared.program.graph.nodes:
        layer = layer_of(prepared.program, node)
        if layer is not None and layer.keeps_float:
            continue
        if layer is not None:
            found.append(_measure_weight(str(node.meta["layer"]), layer))
        elif node.op == "call_module" and isinstance(
            prepared.program.get_submodule(str(node.target)), ActivationObserver
        ):
            found.append(activations[_tensor_name(node.args[0])])
    return tuple(found)


def measure_activations(prepared: PreparedProgram, batches: Iterable[Tensor]) -> dict[str, TensorStatistics]:
    """Statistics of the input and of all activations on `batches` of counts, by name; ends in evaluation mode."""
    prepared.eval()
    observer_name = str(prepared.settings["observer"])
    observers = observers_of(prepared)
    collectors, hooks = {}, []
    for name, observer in observers.items():
        kind: Any = "activation" if isinstance(observer, RangeObserver) else "input"
        low, high = observer.quant_min, observer.quant_max
        scale = np.array([float(observer.scale_value())])
        collectors[name] = Collector(name, kind, low, high, scale, observer_name if kind == "activation" else "counts")
        hooks.append(observer.register_forward_hook(partial(_collect, collectors[name])))
    try:
        with torch.no_grad():
            for batch in batches:
                prepared(batch)
    finally:
        for hook in hooks:
            hook.remove()
    return {name: collectors[name].finish(*_seen(observer)) for name, observer in observers.items()}


def _seen(observer: ActivationObserver) -> tuple[int, int]:
    """How many batches an observer saw, and how many of them were empty."""
    if not isinstance(observer, RangeObserver):
        return 0, 0
    return int(observer.batches), int(observer.empty_batches)


def _collect(collector: Collector, _: Any, given: tuple[Tensor, ...], rounded: Tensor) -> None:
    collector.add(given[0].numpy(), rounded.numpy())


def _measure_weight(name: str, layer: WeightedLayer) -> TensorStatistics:
    weight, _ = layer.folded()
    parameters = layer.integer()
    scales = parameters.scale.numpy() if layer.per_channel else parameters.scale[:1].numpy()
    collector = Collector(f"{name}{WEIGHT}", "weight", -WEIGHT_MAX, WEIGHT_MAX, scales, "minmax")
    collector.add(weight.numpy(), parameters.real_weight().numpy())
    return collector.finish()


def _tensor_name(node: Node) -> str:
    if node.op == "placeholder":
        return INPUT
    producer = node.args[0] if node.target == RELU else node
    assert isinstance(producer, Node)
    return str(producer.meta["layer"])
