"""Models that ONNX Runtime's own quantiser made, imported, compute what ONNX Runtime computes; others are refused."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType

from evbench.errors import ModelError
from evbench.graph.execute import execute
from evbench.graph.importer import import_onnx
from evbench.graph.model import Add, Conv2d, DType, IntegerGraph, Linear
from evbench.graph.onnx import to_onnx
from evbench.graph.onnx_file import OnnxFile
from evbench.parity import ReferenceExecution, compare
from tests.graph.networks import odd_graph, residual_graph, sparse_windows
from tests.graph.onnx_networks import FloatNetwork, mobile_network, plain_network, quantised

BETWEEN = (".limited", ".rectified")  # tensors of evbench's own, on the way to one of the file's
S8, U8 = QuantType.QInt8, QuantType.QUInt8


def inputs(graph: IntegerGraph, count: int = 6) -> NDArray[np.uint8]:
    shape = graph.tensors[graph.inputs[0]].shape
    return np.random.default_rng(3).integers(0, 256, (count, *shape), dtype=np.uint8)


def assert_equal_bytes(graph: IntegerGraph, path: Path) -> None:
    """ONNX Runtime's integer kernels give the bytes of the reference, on every tensor that the file has."""
    batch = inputs(graph)
    found, expected = OnnxFile(graph, path, optimised=True).run(batch), execute(graph, batch)
    assert set(found) >= {operator.output for operator in graph.operators if not operator.output.endswith(BETWEEN)}
    for name, value in found.items():
        np.testing.assert_array_equal(value, expected[name], err_msg=name)


@pytest.mark.parametrize("make", [mobile_network, plain_network])
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("activations", [S8, U8])
def test_a_statically_quantised_model_computes_the_bytes_of_onnx_runtime(
    make: object, per_channel: bool, activations: QuantType, tmp_path: Path
) -> None:
    model = make(7)  # type: ignore[operator]
    # Seven-bit weights where uint8 meets int8: sums of two products then fit 16 bits on every x86 CPU.
    narrow = activations is U8
    path = quantised(model, tmp_path, activations=activations, per_channel=per_channel, reduce_range=narrow)
    graph = import_onnx(path)
    assert_equal_bytes(graph, path)
    assert compare(graph, [ReferenceExecution(graph), OnnxFile(graph, path)], inputs(graph)).passed


def test_full_range_weights_on_unsigned_activations_agree_with_the_file_up_to_rounding_ties(tmp_path: Path) -> None:
    path = quantised(mobile_network(1), tmp_path, activations=U8)
    graph = import_onnx(path)
    report = compare(graph, [ReferenceExecution(graph), OnnxFile(graph, path)], inputs(graph, 20))
    assert report.passed
    assert report.pairs[0].elements > 10_000


def test_unsigned_weights_are_imported_where_they_are_symmetric(tmp_path: Path) -> None:
    path = quantised(mobile_network(2), tmp_path, activations=U8, weights=U8, per_channel=False, WeightSymmetric=True)
    graph = import_onnx(path)
    assert compare(graph, [ReferenceExecution(graph), OnnxFile(graph, path)], inputs(graph)).passed


def test_weights_that_need_nine_bits_are_refused_and_every_layer_of_them_is_named(tmp_path: Path) -> None:
    path = quantised(mobile_network(0), tmp_path, activations=U8, weights=U8, per_channel=False)
    with pytest.raises(ModelError, match="cannot be imported") as caught:
        import_onnx(path)
    assert "beyond eight bits" in caught.value.where
    assert "Gemm 'gemm" in caught.value.where


def test_a_relu_between_two_quantisations_becomes_part_of_the_layer_before_it(tmp_path: Path) -> None:
    path = quantised(mobile_network(4), tmp_path, ActivationSymmetric=True)
    assert {"Relu", "Clip"} <= {node.op_type for node in onnx.load(path).graph.node}
    graph = import_onnx(path)
    rectified = [op.relu for op in graph.operators if isinstance(op, Conv2d | Add | Linear)]
    assert rectified == [True, True, False, True, False]
    assert_equal_bytes(graph, path)


@pytest.mark.parametrize("activations", [S8, U8])
def test_operator_format_gives_the_same_network_as_qdq_format(activations: QuantType, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    model = mobile_network(5)
    qdq = import_onnx(quantised(model, tmp_path / "a", activations=activations))
    other = import_onnx(quantised(model, tmp_path / "b", activations=activations, operators=True))
    batch = inputs(qdq)
    results = [execute(graph, batch)[graph.outputs[0]] for graph in (qdq, other)]
    np.testing.assert_array_equal(*results)


def test_operator_format_without_additions_computes_the_bytes_of_onnx_runtime(tmp_path: Path) -> None:
    path = quantised(mobile_network(6, add=False), tmp_path, activations=U8, operators=True, reduce_range=True)
    assert_equal_bytes(import_onnx(path), path)


@pytest.mark.parametrize("make", [lambda: residual_graph(3, size=(32, 32), bins=2, width=4), lambda: odd_graph(5)])
def test_what_evbench_wrote_itself_comes_back_as_the_same_network(make: object, tmp_path: Path) -> None:
    graph: IntegerGraph = make()  # type: ignore[operator]
    onnx.save(to_onnx(graph), tmp_path / "own.onnx")
    again = import_onnx(tmp_path / "own.onnx")
    batch = sparse_windows(2, 4, graph.tensors["input"].shape)  # type: ignore[arg-type]
    expected, found = execute(graph, batch), execute(again, batch)
    np.testing.assert_array_equal(found[again.outputs[0]], expected[graph.outputs[0]])
    for name in set(again.tensors) & set(graph.tensors) - set(graph.outputs):
        shift = 128 if graph.tensors[name].dtype is DType.S8 else 0
        np.testing.assert_array_equal(found[name].astype(int), expected[name].astype(int) + shift, err_msg=name)


def test_a_fixed_batch_and_an_integer_input_are_possible(tmp_path: Path) -> None:
    path = quantised(mobile_network(3), tmp_path)
    model = onnx.load(path)
    source = model.graph.input[0]
    (first,) = (node for node in model.graph.node if node.op_type == "QuantizeLinear" and node.input[0] == "image")
    (reader,) = (node for node in model.graph.node if first.output[0] in node.input)
    reader.input[0] = "image"
    model.graph.node.remove(first)
    source.type.tensor_type.elem_type = TensorProto.INT8
    source.type.tensor_type.shape.dim[0].dim_value = 1
    model.graph.output[0].type.tensor_type.shape.dim[0].dim_value = 1
    onnx.save(model, tmp_path / "integers.onnx")
    graph = import_onnx(tmp_path / "integers.onnx")
    assert_equal_bytes(graph, tmp_path / "integers.onnx")


def branching_network(mean: bool = False) -> onnx.ModelProto:
    """Convolutions in groups, channels of three branches joined, a mean under a window if asked for, a last Softmax."""
    net = FloatNetwork(2)
    stem = net.node("Relu", [net.conv("image", 3, 8)])
    branches = [net.conv(stem, 8, 12, group=2), net.conv(stem, 8, 16, group=8), stem]
    last = net.node("Concat", branches, axis=1)
    if mean:
        last = net.node("AveragePool", [last], kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 0])
    flat = net.node("Flatten", [net.node("GlobalAveragePool", [last])])
    return net.model(net.node("Softmax", [net.gemm(flat, 36, 4)], axis=1), 4)


@pytest.mark.parametrize("activations", [S8, U8])
def test_groups_and_joined_channels_compute_the_bytes_of_onnx_runtime(activations: QuantType, tmp_path: Path) -> None:
    path = quantised(branching_network(), tmp_path, activations=activations, reduce_range=activations is U8)
    graph = import_onnx(path)
    kinds = [operator.kind for operator in graph.operators]
    assert kinds == ["Conv2d", "Conv2d", "Conv2d", "Concat", "GlobalAveragePool", "Linear"]
    assert_equal_bytes(graph, path)


def test_a_mean_under_a_window_differs_from_the_file_only_where_it_lies_between_two_integers(tmp_path: Path) -> None:
    # The quantiser gives input and output one scale, so means often are k + 1/2, which the file's float sums miss.
    path = quantised(branching_network(mean=True), tmp_path)
    graph = import_onnx(path)
    (pair,) = compare(graph, [ReferenceExecution(graph), OnnxFile(graph, path)], inputs(graph, 20)).pairs
    assert pair.ties > 0
    assert (pair.unexplained, pair.own_max_lsb) == (0, 1)


def test_a_value_quantised_for_every_reader_apart_is_computed_once(tmp_path: Path) -> None:
    path = quantised(branching_network(), tmp_path, DedicatedQDQPair=True)
    quantisers = [n.input[0] for n in onnx.load(path).graph.node if n.op_type == "QuantizeLinear"]
    assert len(quantisers) > len(set(quantisers))
    graph = import_onnx(path)
    assert [operator.kind for operator in graph.operators].count("Conv2d") == 3
    assert compare(graph, [ReferenceExecution(graph), OnnxFile(graph, path)], inputs(graph)).passed


def test_a_rectified_value_quantised_for_every_reader_apart_keeps_its_plain_readers(tmp_path: Path) -> None:
    net = FloatNetwork(1)
    first = net.conv("image", 3, 4)
    second = net.node("Add", [net.node("Relu", [first]), net.conv(first, 4, 4)])
    flat = net.node("Flatten", [net.node("GlobalAveragePool", [second])])
    model = net.model(net.gemm(flat, 4, 3), 3)
    path = quantised(model, tmp_path, ActivationSymmetric=True, DedicatedQDQPair=True)
    graph = import_onnx(path)
    assert compare(graph, [ReferenceExecution(graph), OnnxFile(graph, path)], inputs(graph)).passed


def test_a_last_softmax_is_left_out_and_the_model_says_so(tmp_path: Path) -> None:
    graph = import_onnx(quantised(branching_network(), tmp_path))
    assert graph.metadata["left_out"] == "Softmax 'softmax8'"
    assert isinstance(graph.operators[-1], Linear)
    assert graph.outputs == (graph.operators[-1].output,)


def unsupported_network() -> onnx.ModelProto:
    net = FloatNetwork(1)
    first = net.node("LeakyRelu", [net.conv("image", 3, 4)])
    dilated = net.conv(first, 4, 4, dilations=[2, 2], pads=[2, 2, 2, 2])
    flat = net.node("Flatten", [net.node("GlobalAveragePool", [dilated])])
    soft = net.node("Softmax", [net.gemm(flat, 4, 3)], axis=1)
    return net.model(net.node("Sigmoid", [net.gemm(soft, 3, 3)]), 3)


def test_everything_unsupported_is_named_with_its_node_in_one_message(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        import_onnx(quantised(unsupported_network(), tmp_path))
    assert "4 operators" in caught.value.what
    for node in ("LeakyRelu 'leakyrelu1'", "Conv 'conv2'", "Gemm 'gemm7'", "Sigmoid 'sigmoid8'"):
        assert node in caught.value.where
    assert "dilation" in caught.value.where
    assert "Relu" in caught.value.remedy


def test_a_relu_whose_input_others_read_or_whose_scale_is_another_becomes_a_layer_of_its_own(tmp_path: Path) -> None:
    net = FloatNetwork(1)
    first = net.conv("image", 3, 4)
    second = net.node("Add", [net.node("Relu", [first]), net.conv(first, 4, 4)])
    flat = net.node("Flatten", [net.node("GlobalAveragePool", [second])])
    path = quantised(net.model(net.gemm(flat, 4, 3), 3), tmp_path, ActivationSymmetric=True)
    graph = import_onnx(path)
    assert [operator.name for operator in graph.operators][:3] == ["conv0", "relu1", "relu1_"]
    assert_equal_bytes(graph, path)


def test_limits_inside_the_range_of_the_output_are_kept_exactly(tmp_path: Path) -> None:
    net = FloatNetwork(4)
    limited = net.node("Clip", [net.conv("image", 3, 4), net.constant(-0.5), net.constant(0.25)])
    flat = net.node("Flatten", [net.node("GlobalAveragePool", [limited])])
    path = quantised(net.model(net.gemm(flat, 4, 3), 3), tmp_path, ActivationSymmetric=True)
    model = onnx.load(path)
    (scale,) = (constant for constant in model.graph.initializer if constant.name == "clip1.out_scale")
    scale.CopyFrom(numpy_helper.from_array(np.float32(1 / 64), scale.name))  # calibration would end it at the limit
    onnx.save(model, path)
    graph = import_onnx(path)
    assert [operator.kind for operator in graph.operators].count("Rescale") == 3
    steps = execute(graph, inputs(graph))["clip1.out_QuantizeLinear_Output"].astype(int) - 128
    assert (steps.min(), steps.max()) == (-32, 16)
    assert compare(graph, [ReferenceExecution(graph), OnnxFile(graph, path)], inputs(graph)).passed


def test_a_float_model_is_refused_with_what_to_do(tmp_path: Path) -> None:
    onnx.save(mobile_network(), tmp_path / "float.onnx")
    with pytest.raises(ModelError, match="not quantised") as caught:
        import_onnx(tmp_path / "float.onnx")
    assert "quantize_static" in caught.value.remedy


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("hello")
    with pytest.raises(ModelError, match="no ONNX model"):
        import_onnx(tmp_path / "text.onnx")
    with pytest.raises(ModelError, match="cannot be read"):
        import_onnx(tmp_path / "absent.onnx")


def test_two_inputs_are_refused(tmp_path: Path) -> None:
    path = quantised(mobile_network(1), tmp_path)
    model = onnx.load(path)
    grid = ["image_scale", "image_zero_point"]
    model.graph.input.append(helper.make_tensor_value_info("other", TensorProto.FLOAT, ["n", 3, 12, 11]))
    model.graph.node.append(helper.make_node("QuantizeLinear", ["other", *grid], ["other.stored"]))
    model.graph.node.append(helper.make_node("DequantizeLinear", ["other.stored", *grid], ["second"]))
    model.graph.output.append(helper.make_tensor_value_info("second", TensorProto.FLOAT, ["n", 3, 12, 11]))
    onnx.save(model, path)
    with pytest.raises(ModelError, match="2 quantised inputs"):
        import_onnx(path)


def test_a_network_of_vectors_is_one_pixel_wide(tmp_path: Path) -> None:
    net = FloatNetwork(3, shape=(20,))
    hidden = net.node("Relu", [net.gemm("image", 20, 9)])
    path = quantised(net.model(net.gemm(hidden, 9, 4, transB=1), 4), tmp_path)
    graph = import_onnx(path)
    assert graph.tensors["image"].shape == (20, 1, 1)
    assert_equal_bytes(graph, path)


def test_weights_that_the_file_quantises_itself_and_float_biases_are_possible(tmp_path: Path) -> None:
    path = quantised(mobile_network(8), tmp_path, QuantizeBias=False)
    model = onnx.load(path)
    constants = {constant.name: constant for constant in model.graph.initializer}
    readers = [n for n in model.graph.node if n.op_type == "DequantizeLinear" and n.input[0] in constants]
    for reader in readers:
        stored, scale = (numpy_helper.to_array(constants[name]) for name in reader.input[:2])
        spread = scale.reshape(-1, *(1,) * (stored.ndim - 1)) if scale.size > 1 else scale
        real = numpy_helper.from_array((stored * spread).astype(np.float32), f"{reader.input[0]}.real")
        model.graph.initializer.append(real)
        names = [real.name, *reader.input[1:]]
        model.graph.node.insert(0, helper.make_node("QuantizeLinear", names, [f"{real.name}.again"], axis=0))
        reader.input[0] = f"{real.name}.again"
    onnx.save(model, tmp_path / "floats.onnx")
    plain, again = import_onnx(path), import_onnx(tmp_path / "floats.onnx")
    assert len(readers) == 4
    assert all(op.bias.dtype == np.int32 for op in plain.operators if isinstance(op, Conv2d | Linear))
    batch = inputs(plain)
    np.testing.assert_array_equal(execute(again, batch)[again.outputs[0]], execute(plain, batch)[plain.outputs[0]])
    (pair,) = compare(plain, [ReferenceExecution(plain), OnnxFile(plain, path)], batch).pairs
    assert pair.own_max_lsb <= 1  # a float bias lies between two steps of the accumulator


@pytest.fixture(scope="module")
def whole_file(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return quantised(mobile_network(9), tmp_path_factory.mktemp("whole")).read_bytes()


@settings(max_examples=300, deadline=None)
@given(places=st.lists(st.tuples(st.floats(0, 1), st.integers(1, 255)), min_size=1, max_size=6), cut=st.floats(0.5, 1))
def test_a_damaged_file_is_refused_or_read_but_never_breaks_the_import(
    whole_file: bytes, tmp_path_factory: pytest.TempPathFactory, places: list[tuple[float, int]], cut: float
) -> None:
    content = bytearray(whole_file[: int(len(whole_file) * (1 if cut > 0.8 else cut))])
    for where, flip in places:
        content[int(where * (len(content) - 1))] ^= flip
    path = tmp_path_factory.getbasetemp() / "damaged.onnx"
    path.write_bytes(content)
    with contextlib.suppress(ModelError):  # any other exception is a failure
        graph = import_onnx(path)
        assert execute(graph, inputs(graph, 1)).keys() == graph.tensors.keys()
