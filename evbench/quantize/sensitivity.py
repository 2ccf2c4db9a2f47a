"""Which parts of a prepared program are rounded: each layer's weights and each layer's activation, apart."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from evbench.quantize.layers import WeightedLayer
from evbench.quantize.nodes import layer_of
from evbench.quantize.observers import ActivationObserver, RangeObserver
from evbench.quantize.program import PreparedProgram
from evbench.quantize.watch import observers_of

What = Literal["weights", "activations"]


@dataclass(frozen=True, slots=True)
class Part:
    """What can be rounded by itself: the weights of a layer, its bias among them, or the activation that it writes."""

    layer: str
    what: What

    def __str__(self) -> str:
        return f"{self.what} of {self.layer}"


def parts_of(prepared: PreparedProgram) -> tuple[Part, ...]:
    """Everything of a program that rounding changes, layer by layer in the order they run.

    The input is none: counts are integers. Neither are logits, which are never rounded.
    """
    return tuple(_switches(prepared))


def round_only(prepared: PreparedProgram, parts: Collection[Part]) -> PreparedProgram:
    """Round these parts and compute everything else in float32; returns the program, put into evaluation mode."""
    for part, module in _switches(prepared).items():
        module.fake_quantize = part in parts
    return prepared.eval()


def _switches(prepared: PreparedProgram) -> dict[Part, WeightedLayer | ActivationObserver]:
    observers = observers_of(prepared)
    found: dict[Part, WeightedLayer | ActivationObserver] = {}
    for node in prepared.program.graph.nodes:
        name = node.meta.get("layer")
        if name is None:
            continue
        layer = layer_of(prepared.program, node)
        if layer is not None and not layer.keeps_float:
            found[Part(name, "weights")] = layer
        observer = observers.get(name)
        if isinstance(observer, RangeObserver):
            found[Part(name, "activations")] = observer
    return found
