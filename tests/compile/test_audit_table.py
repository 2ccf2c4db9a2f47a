"""evbench's own audit table says what the generator accepts: every operator in every combination of types is tried."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from evbench.compile.constants import Constants
from evbench.compile.layers import lower_operator
from evbench.errors import EvbenchError
from evbench.graph.audit import audit, layers_of, load_target
from evbench.graph.model import (
    Add,
    AveragePool2d,
    Concat,
    Conv2d,
    DType,
    GlobalAveragePool,
    IntegerGraph,
    Linear,
    MaxPool2d,
    Operator,
    Rescale,
    Tensor,
)
from evbench.graph.validate import output_shape, validate
from evbench.resources import resource

TABLE = load_target("evbench")
TYPES = (DType.U8, DType.S8, DType.S16, DType.F32)
CHANNELS = 4
KINDS = (
    "convolution",
    "depthwise convolution",
    "several filters per channel",
    "grouped convolution",
    "linear",
    "global average",
    "max pooling",
    "average pooling",
    "concatenation",
    "addition",
    "rescale",
)


def operator_of(kind: str, floating: bool, weight: int = 1) -> Operator:
    """A small operator of one layer 'x' that reads 'a', and 'b' where it reads two."""
    filters, groups = {
        "depthwise convolution": (CHANNELS, CHANNELS),
        "several filters per channel": (2 * CHANNELS, CHANNELS),
        "grouped convolution": (CHANNELS, 2),
    }.get(kind, (3, 1))
    real = np.float32 if floating else np.int8
    scale = np.zeros(0, np.float32) if floating else np.linspace(0.01, 0.02, filters, dtype=np.float32)
    bias = np.zeros(filters, np.float32 if floating else np.int32)
    window = ((2, 2), (1, 1), (0, 0, 0, 0))
    match kind:
        case "linear":
            return Linear("x", ("a",), "y", np.full((filters, CHANNELS * 9), weight, real), scale, bias, False)
        case "global average":
            return GlobalAveragePool("x", ("a",), "y")
        case "max pooling":
            return MaxPool2d("x", ("a",), "y", *window)
        case "average pooling":
            return AveragePool2d("x", ("a",), "y", *window, True)
        case "concatenation":
            return Concat("x", ("a", "b"), "y")
        case "addition":
            return Add("x", ("a", "b"), "y", False)
        case "rescale":
            return Rescale("x", ("a",), "y")
    weights = np.full((filters, CHANNELS // groups, 3, 3), weight, real)
    return Conv2d("x", ("a",), "y", weights, scale, bias, (1, 1), (1, 1, 1, 1), groups, False)


def graph_of(operator: Operator, inputs: tuple[DType, ...], made: DType, own_grid: bool) -> IntegerGraph:
    def scale(dtype: DType, other: bool) -> float:
        return 1.0 if dtype.is_float else 0.5 if other else 0.25

    names = operator.inputs
    tensors = {
        name: Tensor(name, (CHANNELS, 3, 3), dtype, scale(dtype, False))
        for name, dtype in zip(names, inputs, strict=True)
    }
    shape = output_shape(operator, list(tensors.values()))
    tensors["y"] = Tensor("y", shape, made, scale(made, own_grid))
    return IntegerGraph("g", tensors, (operator,), names, ("y",))


def accepted(graph: IntegerGraph) -> bool:
    """Whether the graph is well formed and the generator calls a kernel that exists."""
    operator = graph.operators[0]
    try:
        validate(graph)
        call = lower_operator(
            graph, operator, 0, {name: place for place, name in enumerate(graph.tensors)}, Constants()
        )
    except EvbenchError:
        return False
    return resource("firmware", "kernels").joinpath(f"{call.kernel}.c").is_file()


@pytest.mark.parametrize("kind", KINDS)
def test_the_table_agrees_with_the_generator_in_every_combination_of_types(kind: str) -> None:
    two = kind in ("concatenation", "addition")
    weighted = "convolution" in kind or kind in ("linear", "several filters per channel")
    tried = {True: 0, False: 0}
    for given in product(TYPES, repeat=2 if two else 1):
        for made, own_grid, floating in product(TYPES, (False, True), (False, True) if weighted else (False,)):
            graph = graph_of(operator_of(kind, floating), given, made, own_grid)
            finding = audit(layers_of(graph), TABLE)[0]
            truth = accepted(graph)
            assert (finding.status == "supported") == truth, (finding, truth)
            tried[truth] += 1
    assert min(tried.values()) > 0


def test_counts_may_meet_float_weights_and_scaled_bytes_may_not() -> None:
    graph = graph_of(operator_of("convolution", True), (DType.U8,), DType.F32, False)
    counts = IntegerGraph(
        "g", {**graph.tensors, "a": Tensor("a", (CHANNELS, 3, 3), DType.U8)}, graph.operators, ("a",), ("y",)
    )
    for tried, status in ((graph, "fails"), (counts, "supported")):
        assert audit(layers_of(tried), TABLE)[0].status == status
        assert accepted(tried) == (status == "supported")


@pytest.mark.parametrize("kind", ["depthwise convolution", "convolution"])
def test_sums_of_16_bit_activations_beyond_32_bits_are_refused_where_the_generator_does(kind: str) -> None:
    operator = operator_of(kind, False)
    assert isinstance(operator, Conv2d)
    side = 45  # 45 x 45 taps of 127 reach 2**31
    weight = np.full((*operator.weight.shape[:2], side, side), 127, np.int8)
    wide = Conv2d(
        "x", ("a",), "y", weight, operator.weight_scale, operator.bias, (1, 1), (22,) * 4, operator.groups, False
    )
    graph = graph_of(wide, (DType.S16,), DType.S16, False)
    finding = audit(layers_of(graph), TABLE)[0]
    assert "wide sums" in finding.layer.traits
    assert (finding.status == "supported") == accepted(graph) == (kind == "convolution")
