"""ONNX Runtime on the written file: integer kernels that agree with the reference on every byte."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import onnx
import pytest

from evbench.errors import ModelError
from evbench.graph.execute import execute
from evbench.graph.model import Conv2d, DType, IntegerGraph, Linear
from evbench.graph.onnx import IR_VERSION, OPSET, OnnxSession, to_onnx
from tests.graph.networks import (
    branched_graph,
    float_graph,
    hybrid_graph,
    odd_graph,
    random_graph,
    residual_graph,
    sparse_windows,
)

NETWORKS = {
    "separable": random_graph(0),
    "small": random_graph(5, size=(33, 47), bins=2, width=5),
    "residual": residual_graph(0),
    **{f"odd-{seed}": odd_graph(seed) for seed in range(6)},
    **{f"branched-{seed}": branched_graph(seed, zero_points=bool(seed < 4)) for seed in range(6)},
}


WIDE = {f"hybrid-{seed}": hybrid_graph(seed, zero_points=bool(seed % 2)) for seed in range(4)}


def windows(graph: IntegerGraph, count: int = 8) -> np.ndarray:
    return sparse_windows(99, count, graph.tensors["input"].shape)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [*NETWORKS, *WIDE])
def test_integer_kernels_equal_the_reference_on_every_tensor(name: str) -> None:
    graph = (NETWORKS | WIDE)[name]
    expected, got = execute(graph, windows(graph)), OnnxSession(graph, optimised=True).run(windows(graph))
    assert got.keys() == expected.keys() == graph.tensors.keys()
    for tensor in expected:
        assert got[tensor].dtype == expected[tensor].dtype, tensor
        assert np.array_equal(got[tensor], expected[tensor]), tensor


@pytest.mark.parametrize("name", NETWORKS)
def test_every_weighted_layer_runs_as_an_integer_kernel_although_tensors_are_read_out(name: str) -> None:
    graph = NETWORKS[name]
    kernels, kinds = Counter(OnnxSession(graph, optimised=True).kernels()), Counter(op.kind for op in graph.operators)
    assert kernels["QLinearConv"] == kinds["Conv2d"]
    assert kernels["QGemm"] == kinds["Linear"]
    assert kernels["QLinearGlobalAveragePool"] == kinds["GlobalAveragePool"]
    assert kernels["Conv"] == kernels["Gemm"] == kernels["QLinearAdd"] == 0
    assert kernels["Add"] == kinds["Add"]
    assert kernels["AveragePool"] == kinds["AveragePool2d"]
    assert kernels["QLinearConcat"] == kinds["Concat"]
    assert kernels["DequantizeLinear"] == 2 * kinds["Add"] + kinds["AveragePool2d"]


def test_unoptimised_sessions_run_the_float_operators_of_the_file() -> None:
    graph = NETWORKS["separable"]
    session = OnnxSession(graph, optimised=False)
    assert session.name == "ort-float"
    assert Counter(session.kernels())["Conv"] == 7
    expected, got = execute(graph, windows(graph)), session.run(windows(graph))
    differing = sum(int((expected[name] != got[name]).sum()) for name in expected if got[name].dtype != np.float32)
    assert differing <= sum(value.size for value in expected.values()) / 10_000


@pytest.mark.parametrize("name", [*NETWORKS, *WIDE])
def test_every_tensor_of_the_file_is_read_on_the_grid_it_was_written_on(name: str) -> None:
    model = to_onnx((NETWORKS | WIDE)[name])
    constants = {entry.name: onnx.numpy_helper.to_array(entry) for entry in model.graph.initializer}
    grids: dict[str, set[tuple[float, int]]] = {}
    for node in model.graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear") and node.input[0] not in constants:
            stored = node.output[0] if node.op_type == "QuantizeLinear" else node.input[0]
            grid = (float(constants[node.input[1]]), int(constants[node.input[2]]))
            grids.setdefault(stored, set()).add(grid)
    assert grids
    assert all(len(found) == 1 for found in grids.values())


@pytest.mark.parametrize("name", WIDE)
def test_the_file_of_a_network_with_16_bit_activations_quantises_them_in_opset_21(name: str) -> None:
    graph = WIDE[name]
    model = to_onnx(graph)
    assert (model.opset_import[0].version, model.ir_version) == (21, 10)
    kinds = Counter(node.op_type for node in model.graph.node)
    assert kinds["Conv"] == sum(isinstance(op, Conv2d) for op in graph.operators)
    assert not {"Floor", "Round", "Cast"} & set(kinds)
    expected, got = execute(graph, windows(graph)), OnnxSession(graph, optimised=False).run(windows(graph))
    for tensor, value in expected.items():
        assert np.abs(got[tensor].astype(np.float64) - value).max() <= 2, tensor  # float32 sums of 16-bit values


@pytest.mark.parametrize("optimised", [True, False])
@pytest.mark.parametrize(
    "make",
    [
        float_graph,
        *(lambda seed, kind=kind: kind(seed, float_weights=True) for kind in (residual_graph, branched_graph)),
    ],
)
def test_float_networks_agree_closely(make, optimised: bool) -> None:  # type: ignore[no-untyped-def]
    graph = make(2)
    expected, got = execute(graph, windows(graph)), OnnxSession(graph, optimised).run(windows(graph))
    for name in expected:
        np.testing.assert_allclose(got[name], expected[name], atol=1e-5, err_msg=name)


def test_the_file_is_valid_opset_13_with_int8_weights_per_channel() -> None:
    graph = replace(NETWORKS["residual"], metadata={"classes": '["a", "b"]'})
    model = to_onnx(graph)
    onnx.checker.check_model(model, full_check=True)
    assert (model.opset_import[0].version, model.ir_version) == (OPSET, IR_VERSION)
    assert [prop.value for prop in model.metadata_props] == ['["a", "b"]']
    assert [value.name for value in model.graph.output] == list(graph.outputs)
    kinds = Counter(node.op_type for node in model.graph.node)
    assert set(kinds) <= {
        "QuantizeLinear",
        "DequantizeLinear",
        "Conv",
        "Relu",
        "MaxPool",
        "Add",
        "GlobalAveragePool",
        "Flatten",
        "Gemm",
    }
    stored = {constant.name: constant for constant in model.graph.initializer}
    convolution = next(node for node in model.graph.node if node.op_type == "Conv")
    producers = {node.output[0]: node for node in model.graph.node}
    weight, bias = (producers[name] for name in convolution.input[1:])
    assert stored[weight.input[0]].data_type == onnx.TensorProto.INT8
    assert stored[bias.input[0]].data_type == onnx.TensorProto.INT32
    assert list(stored[weight.input[1]].dims) == [graph.operators[0].weight.shape[0]]  # type: ignore[attr-defined]


def test_unsigned_tensors_are_written_with_zero_point_minus_128() -> None:
    model = to_onnx(NETWORKS["separable"])
    stored = {constant.name: onnx.numpy_helper.to_array(constant) for constant in model.graph.initializer}
    zeros = {int(stored[node.input[2]]) for node in model.graph.node if node.op_type == "QuantizeLinear"}
    assert zeros == {-128}


def test_32_bit_activations_are_refused_with_the_tensor() -> None:
    graph = NETWORKS["separable"]
    name = graph.operators[0].output
    wide = replace(graph, tensors={**graph.tensors, name: replace(graph.tensors[name], dtype=DType.S32)})
    with pytest.raises(ModelError, match=f"tensor '{name}'"):
        to_onnx(wide)


@pytest.mark.parametrize("sign", [1, -1])
def test_products_that_saturate_16_bit_pair_sums_stay_exact(sign: int) -> None:
    """`vpmaddubsw`, which uint8 kernels use on CPUs without VNNI, loses everything beyond 32767 in a sum of two."""
    graph = random_graph(7, size=(16, 16))
    layers, tensors = list(graph.operators), dict(graph.tensors)
    for position, layer in enumerate(layers):
        source, output = tensors[layer.inputs[0]], tensors[layer.output]
        scale = source.scale
        if isinstance(layer, Conv2d | Linear):
            largest = 127 * 255 * layer.weight[0].size
            bias = np.full_like(layer.bias, 0 if sign > 0 else largest)
            layers[position] = replace(layer, weight=np.full_like(layer.weight, sign * 127), bias=bias)
            scale = float(np.float32(source.scale * float(layer.weight_scale.max()) * largest / 255))
        if not output.dtype.is_float:
            tensors[output.name] = replace(output, scale=scale)  # the largest sums fill the eight bits
    full = replace(graph, operators=tuple(layers), tensors=tensors)
    batch = np.random.default_rng(0).integers(200, 256, (4, 10, 16, 16)).astype(np.uint8)
    expected, got = execute(full, batch), OnnxSession(full, optimised=True).run(batch)
    assert expected[full.operators[1].output].max() > 100
    for tensor in expected:
        assert np.array_equal(got[tensor], expected[tensor]), tensor
