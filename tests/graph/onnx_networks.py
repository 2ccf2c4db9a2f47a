"""Small float networks as ONNX models, quantised by ONNX Runtime's own static quantiser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static


class FloatNetwork:
    """Appends nodes whose last output is `last`; every method returns the name of its output."""

    def __init__(self, seed: int, shape: tuple[int, ...] = (3, 12, 11), batch: int | str = "n") -> None:
        self.rng = np.random.default_rng(seed)
        self.shape, self.batch = shape, batch
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def node(self, kind: str, inputs: list[str], **attributes: Any) -> str:
        name = f"{kind.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [f"{name}.out"], name=name, **attributes))
        return f"{name}.out"

    def constant(self, values: NDArray[Any] | float) -> str:
        name = f"constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, np.float32), name))
        return name

    def conv(self, source: str, channels: int, filters: int, kernel: int = 3, group: int = 1, **attributes: Any) -> str:
        weight = self.rng.normal(0, 1 / kernel, (filters, channels // group, kernel, kernel))
        bias = self.constant(self.rng.normal(0, 0.2, filters))
        attributes.setdefault("pads", [kernel // 2] * 4)
        return self.node("Conv", [source, self.constant(weight), bias], group=group, **attributes)

    def gemm(self, source: str, inputs: int, outputs: int, **attributes: Any) -> str:
        shape = (outputs, inputs) if attributes.get("transB") else (inputs, outputs)
        bias = self.constant(self.rng.normal(0, 0.2, outputs))
        return self.node("Gemm", [source, self.constant(self.rng.normal(0, 0.5, shape)), bias], **attributes)

    def model(self, output: str, size: int) -> onnx.ModelProto:
        graph = helper.make_graph(
            self.nodes,
            "network",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, [self.batch, *self.shape])],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, [self.batch, size])],
            self.constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
        model.ir_version = 8
        onnx.checker.check_model(model, full_check=True)
        return model


def mobile_network(seed: int = 0, add: bool = True) -> onnx.ModelProto:
    """Convolution, ReLU, depthwise, ReLU6, pointwise, addition, pooling, mean, flatten, Gemm."""
    net = FloatNetwork(seed)
    stem = net.node("Relu", [net.conv("image", 3, 8, strides=[2, 2])])
    depthwise = net.conv(stem, 8, 8, group=8)
    six = net.node("Clip", [depthwise, net.constant(0.0), net.constant(6.0)])
    last = net.conv(six, 8, 8, kernel=1)
    if add:
        last = net.node("Relu", [net.node("Add", [last, stem])])
    pooled = net.node("MaxPool", [last], kernel_shape=[2, 2], strides=[2, 2])
    flat = net.node("Flatten", [net.node("GlobalAveragePool", [pooled])])
    return net.model(net.gemm(flat, 8, 5, transB=1), 5)


def plain_network(seed: int) -> onnx.ModelProto:
    """Odd windows: lopsided padding, SAME padding, strides 2 and 1, a hidden Gemm on the flattened image, MatMul."""
    net = FloatNetwork(seed)
    first = net.node("Relu", [net.conv("image", 3, 4, strides=[1, 2], pads=[0, 1, 2, 1])])
    second = net.conv(first, 4, 5, kernel=5, strides=[2, 2], auto_pad="SAME_UPPER", pads=None)
    pooled = net.node("MaxPool", [second], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    flat = net.node("Reshape", [pooled, net.constant(0.0)])
    net.constants[-1] = numpy_helper.from_array(np.array([0, -1], np.int64), net.constants[-1].name)
    hidden = net.node("Relu", [net.gemm(flat, 5 * 3 * 2, 7)])
    return net.model(net.node("MatMul", [hidden, net.constant(net.rng.normal(0, 1, (7, 3)))]), 3)


class _Calibration(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, shape: tuple[int, ...]) -> None:
        rng = np.random.default_rng(1)
        self.batches: Iterator[NDArray[np.float32]] = iter(rng.normal(0.2, 1, (8, 1, *shape)).astype(np.float32))

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        batch = next(self.batches, None)
        return None if batch is None else {"image": batch}


def quantised(
    model: onnx.ModelProto,
    folder: Path,
    *,
    activations: QuantType = QuantType.QInt8,
    weights: QuantType = QuantType.QInt8,
    per_channel: bool = True,
    operators: bool = False,
    reduce_range: bool = False,
    **options: bool,
) -> Path:
    """The file that quantize_static makes of a model, in QDQ format or, with `operators`, in QOperator format."""
    shape = tuple(side.dim_value for side in model.graph.input[0].type.tensor_type.shape.dim[1:])
    onnx.save(model, folder / "float.onnx")
    quantize_static(
        folder / "float.onnx",
        folder / "quantised.onnx",
        _Calibration(shape),
        quant_format=QuantFormat.QOperator if operators else QuantFormat.QDQ,
        activation_type=activations,
        weight_type=weights,
        per_channel=per_channel,
        reduce_range=reduce_range,
        extra_options=options,
    )
    return folder / "quantised.onnx"
