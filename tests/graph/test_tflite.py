"""TensorFlow Lite files, read back by the schema's own code and run by tflite-micro's own kernels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from evbench.errors import ModelError
from evbench.graph import tflite
from evbench.graph.execute import execute, run_operator
from evbench.graph.fixed_point import fixed_point_output
from evbench.graph.model import Conv2d, DType, IntegerGraph, MaxPool2d
from evbench.graph.tflite import to_tflite
from evbench.graph.tflite_micro import TfliteMicro, installed
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
    **{f"odd-{seed}": odd_graph(seed) for seed in range(3)},
}

needs_tflite_micro = pytest.mark.skipif(not installed(), reason="tflite-micro is not installed (extra 'peer')")


def windows(graph: IntegerGraph, count: int = 3) -> np.ndarray:
    return sparse_windows(99, count, graph.tensors["input"].shape)  # type: ignore[arg-type]


def logit_range(graph: IntegerGraph) -> float:
    return float(np.abs(execute(graph, windows(graph))[graph.outputs[0]]).max())


def schema() -> Any:
    from tflite_micro.tensorflow.lite.micro.python import schema_py_generated

    return schema_py_generated


def read(content: bytes) -> Any:
    """A file as the objects of the schema's generated code."""
    return schema().ModelT.InitFromObj(schema().Model.GetRootAsModel(content, 0))


@pytest.mark.parametrize("name", NETWORKS)
def test_a_file_says_its_format_and_holds_every_weight(name: str) -> None:
    graph = NETWORKS[name]
    content = to_tflite(graph, 1.0).content
    assert content[4:8] == b"TFL3"
    assert len(content) > graph.weight_bytes / 2  # scales of biases and weights are kept once
    assert to_tflite(graph, 1.0).content == content


def test_float_networks_are_refused() -> None:
    with pytest.raises(ModelError, match="float32"):
        to_tflite(float_graph(0), 1.0)


def test_convolutions_in_groups_of_several_channels_are_refused_with_what_to_use() -> None:
    with pytest.raises(ModelError, match="pointwise"):
        to_tflite(branched_graph(0), 1.0)


def test_tensors_of_16_bits_are_refused_by_name() -> None:
    with pytest.raises(ModelError, match="s16"):
        to_tflite(hybrid_graph(0), 1.0)


def test_a_padded_maximum_of_signed_values_is_refused() -> None:
    graph = residual_graph(0)
    pool = next(operator for operator in graph.operators if isinstance(operator, MaxPool2d))
    signed = {name: replace(graph.tensors[name], dtype=DType.S8) for name in (pool.inputs[0], pool.output)}
    with pytest.raises(ModelError, match="maximum"):
        to_tflite(replace(graph, tensors={**graph.tensors, **signed}), 1.0)


def test_without_the_package_the_remedy_is_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evbench.graph.tflite_micro.installed", lambda: False)
    with pytest.raises(ModelError, match=r"evbench\[peer\]"):
        TfliteMicro(random_graph(0), 1.0)


@needs_tflite_micro
def test_the_numbers_of_operators_and_options_are_the_schemas() -> None:
    codes, options = schema().BuiltinOperator, schema().BuiltinOptions
    named = ("ADD", "CONCATENATION", "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "MAX_POOL_2D", "PAD", "MEAN")
    assert [getattr(tflite, name) for name in (*named, "QUANTIZE")] == [
        getattr(codes, name) for name in (*named, "QUANTIZE")
    ]
    assert {
        codes.CONV_2D: options.Conv2DOptions,
        codes.DEPTHWISE_CONV_2D: options.DepthwiseConv2DOptions,
        codes.MAX_POOL_2D: options.Pool2DOptions,
        codes.FULLY_CONNECTED: options.FullyConnectedOptions,
        codes.CONCATENATION: options.ConcatenationOptions,
        codes.ADD: options.AddOptions,
        codes.MEAN: options.ReducerOptions,
    } == tflite._OPTIONS


@needs_tflite_micro
def test_tensors_are_nhwc_int8_with_the_graphs_grids() -> None:
    graph = random_graph(0)
    made = to_tflite(graph, 1.27)
    tensors = read(made.content).subgraphs[0].tensors
    for name, index in made.tensors.items():
        tensor, written = graph.tensors[name], tensors[index]
        assert written.name.decode() == name
        assert written.type == schema().TensorType.INT8
        assert sorted(written.shape) == sorted((1, *tensor.shape))
        if not tensor.dtype.is_float:
            assert written.quantization.scale[0] == np.float32(tensor.scale)
            assert written.quantization.zeroPoint[0] == tensor.zero_point - 128
    logits = tensors[made.tensors[graph.outputs[0]]].quantization
    assert logits.scale[0] == pytest.approx(0.01)


@needs_tflite_micro
def test_data_lies_at_multiples_of_16_bytes() -> None:
    content = to_tflite(random_graph(0), 1.0).content
    model = schema().Model.GetRootAsModel(content, 0)
    for index in range(model.BuffersLength()):
        buffer = model.Buffers(index)
        if buffer.DataLength():
            assert buffer._tab.Vector(buffer._tab.Offset(4)) % 16 == 0


@needs_tflite_micro
@pytest.mark.parametrize("name", NETWORKS)
def test_every_layer_there_is_within_one_step_of_the_reference_on_its_own_inputs(name: str) -> None:
    graph = NETWORKS[name]
    found = TfliteMicro(graph, logit_range(graph)).run(windows(graph))
    assert found.keys() == graph.tensors.keys()
    for operator in graph.operators:
        output = graph.tensors[operator.output]
        if output.dtype.is_float:
            continue
        assert found[operator.output].dtype == output.dtype.numpy
        expected = run_operator(graph, operator, [found[source] for source in operator.inputs])
        distance = np.abs(found[operator.output].astype(int) - expected)
        assert distance.max() <= 1, operator.name


@needs_tflite_micro
@pytest.mark.parametrize("name", NETWORKS)
def test_two_roundings_in_fixed_point_give_its_convolutions_and_means_bit_for_bit(name: str) -> None:
    graph = NETWORKS[name]
    found = TfliteMicro(graph, logit_range(graph)).run(windows(graph))
    described = 0
    for operator in graph.operators:
        twice = fixed_point_output(graph, operator, [found[source] for source in operator.inputs])
        if twice is not None:
            described += 1
            assert np.array_equal(twice, found[operator.output]), operator.name
    assert described >= sum(isinstance(operator, Conv2d) for operator in graph.operators)


@needs_tflite_micro
def test_logits_are_the_references_in_steps_of_8_bits() -> None:
    graph = random_graph(0)
    reach = logit_range(graph)
    expected = execute(graph, windows(graph))[graph.outputs[0]]
    peer = TfliteMicro(graph, reach)
    assert np.abs(peer.run(windows(graph))[graph.outputs[0]] - expected).max() < 3 * peer.model.logit_scale
