"""IntegerGraph as an ONNX file, and ONNX Runtime executing it.

Quantised networks are written in QDQ form, opset 13, or 21 where there are 16-bit activations: float operators between
DequantizeLinear and QuantizeLinear, int8 weights per channel, int32 biases at scale s_in * s_w. An unsigned tensor with
zero point z is written as int8 with zero point z - 128, the grid that vendor tools expect. The model's input holds real
values (voxel counts) in float32.

With all optimisations ONNX Runtime turns this into integer kernels (QLinearConv, QGemm, QLinearGlobalAveragePool) that
agree with `execute` on every byte. Three things are needed for that:

* `session.qdqisint8allowed=1`: else activations become uint8, and `vpmaddubsw` saturates on an x86 CPU without VNNI.
* additions stay DequantizeLinear, Add, QuantizeLinear: the fused QLinearAdd has another formula on every CPU. Naming
  the float sum as an output of the session's copy of the model (the file does not have it) prevents that fusion.
* layers on 16-bit activations, for which ONNX Runtime has no integer kernels, are written in exact arithmetic in the
  session's copy (onnx_wide.py). The file has the plain QDQ form, which the unoptimised session runs in float32.
* so do averages under a window, whose fused kernel adds the zero point before it rounds. The session's copy has them in
  units of the input's last bit: DequantizeLinear at scale 1, AveragePool, QuantizeLinear at scale s_out / s_in. Sums of
  whole numbers are exact in any order, sums of scaled ones fall to either side of a rounding tie.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from evbench.errors import ModelError
from evbench.graph.execute import input_tensor, multipliers, real_grid
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
from evbench.graph.onnx_wide import is_wide, write_exactly

OPSET = 13
IR_VERSION = 7  # the newest that goes with opset 13, so that older readers open the file
WIDE_OPSET, WIDE_IR_VERSION = 21, 10  # the first that quantises to 16 bit
OFFSET = {DType.U8: 128, DType.S8: 0, DType.S16: 0}  # graph grid minus ONNX grid


def to_onnx(graph: IntegerGraph, exact: bool = False) -> onnx.ModelProto:
    """The network as a checked ONNX model: float32 input [n, C, H, W] named as the graph's input, outputs float32.

    `exact` writes means under a window and layers on 16-bit activations so that no execution rounds them differently,
    instead of in plain QDQ form.
    Raises ModelError for tensors that cannot be quantised (32 bit) and for states.
    """
    if len(graph.inputs) != 1 or graph.states:
        raise ModelError(
            f"'{graph.name}' cannot be written as ONNX",
            where=f"{len(graph.inputs)} inputs, {len(graph.states)} states",
            remedy="Only networks with one input and without state can be",
        )
    writer = _Writer(graph, exact)
    wide = any(tensor.dtype is DType.S16 for tensor in graph.tensors.values())
    for operator in graph.operators:
        writer.add(operator)
    outputs = [writer.real(graph.tensors[name]) for name in graph.outputs]
    model = helper.make_model(
        helper.make_graph(
            writer.nodes,
            graph.name,
            [_value_info(graph.inputs[0], graph.tensors[graph.inputs[0]].shape)],
            [_value_info(name, graph.tensors[of].shape) for name, of in zip(outputs, graph.outputs, strict=True)],
            writer.constants,
        ),
        opset_imports=[helper.make_opsetid("", WIDE_OPSET if wide else OPSET)],
        producer_name="evbench",
    )
    model.ir_version = WIDE_IR_VERSION if wide else IR_VERSION
    helper.set_model_props(model, dict(graph.metadata))
    onnx.checker.check_model(model, full_check=True)
    return model


_ELEMENT = {
    DType.U8: TensorProto.INT8,
    DType.S8: TensorProto.INT8,
    DType.S16: TensorProto.INT16,
    DType.F32: TensorProto.FLOAT,
}


class OnnxSession:
    """ONNX Runtime on one thread, with every tensor of the graph as an output.

    `optimised` sessions run integer kernels, others the float operators of the file as they stand. With
    `keep_int8` unset an optimised one rewrites int8 activations to uint8, as ONNX Runtime does unless told otherwise.
    """

    def __init__(self, graph: IntegerGraph, optimised: bool, threads: int = 1, *, keep_int8: bool = True) -> None:
        self.graph = graph
        self.name = ("ort" if keep_int8 else "ort-uint8") if optimised else "ort-float"
        self._keep_int8 = keep_int8
        model = to_onnx(graph, exact=optimised)
        self._names = {graph.inputs[0]: _stored_name(graph, graph.inputs[0])} if not graph.is_float else {}
        self._names |= {op.output: op.output for op in graph.operators}
        declared = {value.name for value in model.graph.output}
        for tensor, name in self._names.items():
            if name not in declared:
                kind = _ELEMENT[graph.tensors[tensor].dtype]
                model.graph.output.append(_value_info(name, graph.tensors[tensor].shape, kind))
        for operator in graph.operators:
            rounds = not graph.tensors[operator.output].dtype.is_float
            if isinstance(operator, Add | AveragePool2d) and rounds:
                name = f"{operator.kind}:{operator.output}"
                node = next(node for node in model.graph.node if node.name == name)
                model.graph.output.append(_value_info(node.output[0], graph.tensors[operator.output].shape))
        self._model = model.SerializeToString()
        self._options = (optimised, threads)
        self._session = self._open()

    def run(self, batch: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        """Every tensor of the graph for windows [N, C, H, W], uint8, on the graph's grid and in its stored dtype."""
        tensor = input_tensor(self.graph, batch)
        results = self._session.run(list(self._names.values()), {tensor.name: real_grid(batch, tensor, scaled=True)})
        values = dict(zip(self._names, results, strict=True))
        return {tensor.name: batch} | {name: self._regrid(name, value) for name, value in values.items()}

    def kernels(self) -> list[str]:
        """Types of the operators that run after optimisation, in order."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "optimised.onnx"
            self._open(path)
            return [node.op_type for node in onnx.load(path).graph.node]

    def _open(self, optimised_model: Path | None = None) -> Any:
        optimised, threads = self._options
        options = ort.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        levels = ort.GraphOptimizationLevel
        options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimised else levels.ORT_DISABLE_ALL
        options.add_session_config_entry("session.qdqisint8allowed", str(int(self._keep_int8)))
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if optimised_model is not None:
            options.optimized_model_filepath = str(optimised_model)
        return ort.InferenceSession(self._model, options, providers=["CPUExecutionProvider"])

    def _regrid(self, name: str, value: NDArray[Any]) -> NDArray[Any]:
        tensor = self.graph.tensors[name]
        if tensor.dtype.is_float:
            return value
        return (value.astype(np.int16) + OFFSET[tensor.dtype]).astype(tensor.dtype.numpy)


class _Writer:
    """Nodes and constants of the ONNX graph; float values get names of their own beside the stored ones."""

    def __init__(self, graph: IntegerGraph, exact: bool) -> None:
        self.graph = graph
        self.exact = exact
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.count = 0
        source = graph.tensors[graph.inputs[0]]
        if not graph.is_float:
            self._quantise(source.name, source, _stored_name(graph, source.name))

    def add(self, operator: Operator) -> None:
        """Append the nodes of one operator: its inputs in float32, the operator, its output on its own grid."""
        output = self.graph.tensors[operator.output]
        if self.exact and is_wide(self.graph, operator):
            write_exactly(self, operator)
            return
        relu = bool(getattr(operator, "relu", False))
        # Rectifying before quantising changes nothing where the grid ends at zero; readers recognise and fuse it.
        lowest = output.dtype.is_float or output.zero_point == int(np.iinfo(output.dtype.numpy).min)
        rectify = relu and (lowest or output.dtype is DType.S16)
        real = output.name if output.dtype.is_float else f"{output.name}.real"
        self._operator(operator, f"{output.name}.sum" if rectify else real)
        if rectify:
            self.node("Relu", [f"{output.name}.sum"], real)
        if output.dtype.is_float:
            return
        if self.exact and isinstance(operator, AveragePool2d):
            self._quantise(real, output, output.name, float(multipliers(self.graph, operator)[0]))
        elif relu and not rectify:
            self._quantise(real, output, f"{output.name}.signed")
            low = self.constant(np.int8(output.zero_point - OFFSET[output.dtype]))
            self.node("Clip", [f"{output.name}.signed", low], output.name)
        else:
            self._quantise(real, output, output.name)

    def real(self, tensor: Tensor, stored: str | None = None, scale: float | None = None) -> str:
        """Name of the tensor's float32 values; a DequantizeLinear of its own for every reader, as fusions want it.

        `scale` stands in place of the tensor's own.
        """
        if tensor.dtype.is_float or self.graph.is_float:
            return tensor.name
        self.count += 1
        name = f"{tensor.name}.real{self.count}"
        source = stored or _stored_name(self.graph, tensor.name)
        self.node("DequantizeLinear", [source, *self._grid(tensor, scale)], name)
        return name

    def stored(self, tensor: Tensor) -> str:
        """Name of the tensor's stored integers."""
        return _stored_name(self.graph, tensor.name)

    def _operator(self, operator: Operator, result: str) -> None:
        sources = [self.graph.tensors[name] for name in operator.inputs]
        match operator:
            case Conv2d():
                self.node(
                    "Conv",
                    [self.real(sources[0]), *self._weights(operator, sources[0])],
                    result,
                    kernel_shape=list(operator.weight.shape[2:]),
                    strides=list(operator.stride),
                    pads=list(operator.padding),
                    group=operator.groups,
                )
            case Linear():
                real = self._flat(sources[0])
                self.node("Gemm", [real, *self._weights(operator, sources[0])], result, transB=1)
            case GlobalAveragePool():
                self.node("GlobalAveragePool", [self.real(sources[0])], result)
            case MaxPool2d():
                self.node(
                    "MaxPool",
                    [self.real(sources[0])],
                    result,
                    kernel_shape=list(operator.kernel),
                    strides=list(operator.stride),
                    pads=list(operator.padding),
                )
            case AveragePool2d():
                self.node(
                    "AveragePool",
                    [self.real(sources[0], scale=1.0 if self.exact else None)],
                    result,
                    f"{operator.kind}:{operator.output}",
                    kernel_shape=list(operator.kernel),
                    strides=list(operator.stride),
                    pads=list(operator.padding),
                    count_include_pad=int(operator.count_padding),
                )
            case Rescale():
                self.node("Identity", [self.real(sources[0])], result)
            case Concat():
                self.node("Concat", [self.real(source) for source in sources], result, axis=1)
            case Add():
                self.node("Add", [self.real(source) for source in sources], result, f"Add:{operator.output}")
            case _:
                raise ModelError(f"ONNX has no form for operator {operator.kind}", where=f"layer '{operator.name}'")

    def _flat(self, source: Tensor) -> str:
        """Float values [n, features]; quantised tensors are flattened as integers, which keeps QDQ pairs together."""
        if len(source.shape) == 1:
            return self.real(source)
        flat = f"{source.name}.flat{self.count}"
        if source.dtype.is_float or self.graph.is_float:
            self.node("Flatten", [source.name], flat)
            return flat
        self.node("Flatten", [_stored_name(self.graph, source.name)], flat)
        return self.real(source, flat)

    def _weights(self, operator: Conv2d | Linear, source: Tensor) -> list[str]:
        if operator.weight.dtype.kind == "f":
            weight = self.constant(operator.weight)
            if operator.weight.dtype == np.float16:
                self.node("Cast", [weight], f"{weight}.real", to=TensorProto.FLOAT)
                weight = f"{weight}.real"
            return [weight, self.constant(operator.bias)]
        scale = operator.weight_scale.astype(np.float32)
        return [
            self._dequantised(operator.weight, scale),
            self._dequantised(operator.bias, (np.float32(source.scale) * scale).astype(np.float32)),
        ]

    def _dequantised(self, values: NDArray[Any], scale: NDArray[np.float32]) -> str:
        stored, scales = self.constant(values), self.constant(scale)
        zeros = self.constant(np.zeros(len(scale), values.dtype))
        self.node("DequantizeLinear", [stored, scales, zeros], f"{stored}.real", axis=0)
        return f"{stored}.real"

    def _quantise(self, real: str, tensor: Tensor, stored: str, scale: float | None = None) -> None:
        self.node("QuantizeLinear", [real, *self._grid(tensor, scale)], stored)

    def _grid(self, tensor: Tensor, scale: float | None = None) -> tuple[str, str]:
        if tensor.dtype not in OFFSET:
            raise ModelError(
                f"ONNX cannot quantise to {tensor.dtype}",
                where=f"tensor '{tensor.name}'",
                remedy="Use u8, s8 or s16 activations",
            )
        kind = np.int16 if tensor.dtype is DType.S16 else np.int8
        zero = kind(tensor.zero_point - OFFSET[tensor.dtype])
        return self.constant(np.float32(tensor.scale if scale is None else scale)), self.constant(zero)

    def constant(self, value: Any) -> str:
        """Name of a new constant."""
        self.count += 1
        name = f"constant{self.count}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(self, kind: str, inputs: list[str], output: str, name: str = "", **attributes: Any) -> None:
        """Append a node of one output."""
        self.nodes.append(helper.make_node(kind, inputs, [output], name=name or f"{kind}:{output}", **attributes))


def _stored_name(graph: IntegerGraph, tensor: str) -> str:
    """Name of a tensor's stored integers: the graph's own name, but for the input, whose name the real counts have."""
    return f"{tensor}.quantised" if tensor in graph.inputs else tensor


def _value_info(name: str, shape: tuple[int, ...], kind: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, ["n", *shape])
