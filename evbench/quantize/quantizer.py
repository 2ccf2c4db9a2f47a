"""The pt2e quantizer: which tensors get a grid, and which grid.

A tensor is annotated once, at the node that produces it, and everything that reads it reads the rounded value: every
tensor has an observer of its own, none is shared between a convolution and the pooling behind it. Max pooling picks
among rounded values and needs no grid; logits keep float32. Weights have their grids inside the layers (layers.py).
Precisions other than int8 have been assigned to nodes before (precision.py).
"""

from __future__ import annotations

from typing import Any

import torch
from torch.fx import GraphModule, Node

from evbench.profiles import QuantizeSettings
from evbench.quantize.nodes import (
    ADD,
    AVERAGE_POOL,
    CONCAT,
    GLOBAL_MEAN,
    MAX_POOL,
    RELU,
    SAME_VALUES,
    layer_of,
    only_output,
    single_user,
)
from evbench.quantize.observers import S8_MAX, S16_MAX, U8_MAX, CountsObserver, observer_for
from evbench.quantize.precision import is_conversion, precision_of
from evbench.quantize.pt2e import QuantizationAnnotation, QuantizationSpec, Quantizer


class CortexM7Quantizer(Quantizer):  # type: ignore[misc]
    """Counts u8 at scale 1.0; tensors that are never negative u8, others s8 symmetric; zero point 0 everywhere.

    Of layers with another precision, 16-bit outputs are s16 and float ones have no grid.
    """

    def __init__(self, settings: QuantizeSettings) -> None:
        super().__init__()
        observer = observer_for(settings)
        self.counts = _spec(torch.uint8, 0, U8_MAX, torch.per_tensor_affine, CountsObserver)
        self.unsigned = _spec(torch.uint8, 0, U8_MAX, torch.per_tensor_affine, observer)
        self.signed = _spec(torch.int8, -S8_MAX - 1, S8_MAX, torch.per_tensor_symmetric, observer)
        self.wide = _spec(torch.int16, -S16_MAX - 1, S16_MAX, torch.per_tensor_symmetric, observer)

    def annotate(self, model: GraphModule) -> GraphModule:
        logits = only_output(model)
        never_negative: set[Node] = set()
        for node in model.graph.nodes:
            if node.op == "placeholder":
                never_negative.add(node)
                _annotate(node, self.counts)
            elif node.target == RELU:
                never_negative.add(node)
                self._annotate(node, self.unsigned)
            elif is_conversion(node):
                if node.args[0] in never_negative:
                    never_negative.add(node)
                self._annotate(node, self.unsigned if node in never_negative else self.signed)
            elif node.target in GLOBAL_MEAN or node.target in (AVERAGE_POOL, CONCAT):
                if never_negative.issuperset(node.all_input_nodes):
                    never_negative.add(node)
                self._annotate(node, self.unsigned if node in never_negative else self.signed)
            elif layer_of(model, node) is not None or node.target == ADD:
                user = single_user(node)
                if node is not logits and (user is None or user.target != RELU):
                    self._annotate(node, self.signed)
            elif keeps_values(node) and node.args[0] in never_negative:
                never_negative.add(node)
        return model

    def _annotate(self, node: Node, eight_bit: QuantizationSpec) -> None:
        precision = precision_of(node)
        if precision != "fp32":
            _annotate(node, self.wide if precision == "int16" else eight_bit)

    def validate(self, model: GraphModule) -> None:
        """Nothing left to refuse: capture() has."""


def keeps_values(node: Node) -> bool:
    """Whether a node's values are values of its first input: max pooling, dropout, changes of shape."""
    return node.target == MAX_POOL or node.target in SAME_VALUES or node.op == "call_module"


def _spec(dtype: torch.dtype, low: int, high: int, scheme: torch.qscheme, observer: Any) -> QuantizationSpec:
    return QuantizationSpec(
        dtype=dtype, quant_min=low, quant_max=high, qscheme=scheme, observer_or_fake_quant_ctr=observer
    )


def _annotate(node: Node, spec: QuantizationSpec) -> None:
    node.meta["quantization_annotation"] = QuantizationAnnotation(output_qspec=spec, _annotated=True)
