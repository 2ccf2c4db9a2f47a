"""The graph a network becomes: operators, names, dtypes, and the float road."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_networks import NETWORKS, SHAPE, Pooled, Residual, Separable, counts, train
from torch import Tensor, nn

from evbench.graph.execute import execute
from evbench.graph.model import Add, Conv2d, DType, IntegerGraph, MaxPool2d
from evbench.quantize.lower import lower, lower_float
from evbench.quantize.program import convert, prepare


def quantised(network: nn.Module) -> IntegerGraph:
    return lower(convert(prepare(network, SHAPE).calibrate([counts()])), "n")


def outline(graph: IntegerGraph) -> list[str]:
    return [f"{op.kind} {op.name} <- {', '.join(op.inputs)} {graph.tensors[op.output].dtype}" for op in graph.operators]


def test_layers_keep_the_names_of_the_users_modules() -> None:
    assert outline(quantised(Separable())) == [
        "Conv2d stem.0 <- input u8",
        "Conv2d depthwise.0 <- stem.0 u8",
        "Conv2d pointwise.0 <- depthwise.0 u8",
        "GlobalAveragePool head.pool <- pointwise.0 u8",
        "Linear head.linear <- head.pool f32",
    ]


def test_a_residual_sum_reads_a_signed_and_an_unsigned_tensor_and_takes_the_relu() -> None:
    graph = quantised(Residual())
    assert outline(graph) == [
        "Conv2d stem.0 <- input u8",
        "Conv2d conv <- stem.0 s8",
        "Add add <- conv, stem.0 u8",
        "GlobalAveragePool head.pool <- add u8",
        "Linear head.linear <- head.pool f32",
    ]
    assert isinstance(graph.operators[2], Add)
    assert graph.operators[2].relu


def test_a_relu_behind_a_pooling_moves_into_the_convolution_before_it() -> None:
    graph = quantised(Pooled())
    assert outline(graph) == [
        "Conv2d first <- input u8",
        "MaxPool2d pool <- first u8",
        "Conv2d second <- pool u8",
        "Linear hidden <- second u8",
        "Linear logits <- hidden f32",
    ]
    pool, second = graph.operators[1], graph.operators[2]
    assert isinstance(pool, MaxPool2d)
    assert (pool.kernel, pool.stride, pool.padding) == ((3, 3), (2, 2), (1, 1, 1, 1))
    assert isinstance(second, Conv2d)
    assert (second.stride, second.padding, second.groups) == ((2, 1), (1, 1, 3, 0), 1)
    assert graph.tensors["pool"].scale == graph.tensors["first"].scale


def test_a_global_mean_has_a_scale_of_its_own() -> None:
    graph = quantised(Separable())
    assert graph.tensors["head.pool"].shape == (8, 1, 1)
    assert graph.tensors["head.pool"].scale < graph.tensors["pointwise.0"].scale


def test_unnamed_operations_are_named_after_the_module_they_stand_in() -> None:
    class Block(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.relu((x + x) + x)

    class Net(nn.Sequential):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.block = nn.Conv2d(4, 4, 1), Block()
            self.flatten, self.linear = nn.Flatten(), nn.Linear(4 * 12 * 12, 3)

    assert [op.name for op in quantised(Net()).operators] == ["conv", "block.add", "block.add_2", "linear"]


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_a_float_graph_computes_what_the_network_computes(name: str) -> None:
    torch.manual_seed(9)
    network = NETWORKS[name]()
    with torch.no_grad():
        for seed in range(3):
            network.train()(counts(seed=seed).float())
    batch = counts(32, seed=10)
    with torch.no_grad():
        expected = network.eval()(batch.float()).numpy()
    graph = lower_float(network, SHAPE, "float", {"network": name})
    logits = execute(graph, batch.numpy())[graph.outputs[0]]
    np.testing.assert_allclose(logits, expected, atol=1e-5, rtol=1e-4)
    assert graph.is_float
    assert graph.tensors["input"].dtype is DType.U8
    assert {tensor.dtype for key, tensor in graph.tensors.items() if key != "input"} == {DType.F32}
    assert graph.metadata == {"network": name}


def test_float_and_quantised_graphs_of_a_network_have_the_same_layers() -> None:
    torch.manual_seed(11)
    network = Residual()
    floats, integers = lower_float(network, SHAPE, "f"), quantised(network)
    assert [(op.kind, op.name, op.inputs) for op in floats.operators] == [
        (op.kind, op.name, op.inputs) for op in integers.operators
    ]
    assert integers.weight_bytes < floats.weight_bytes / 2.5


def test_a_trained_network_keeps_its_answers_as_integers() -> None:
    torch.manual_seed(12)
    prepared = train(prepare(Separable(), SHAPE), steps=25)
    graph, batch = lower(convert(prepared), "n"), counts(100, seed=13)
    with torch.no_grad():
        expected = prepared(batch).argmax(1).numpy()
    assert np.mean(execute(graph, batch.numpy())["head.linear"].argmax(1) == expected) == 1.0


def test_a_float_network_that_averages_the_counts_first_reads_them_as_real_values() -> None:
    network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    graph = lower_float(network, SHAPE, "n")
    assert outline(graph) == [
        "Rescale input.fp32 <- input f32",
        "GlobalAveragePool 0 <- input.fp32 f32",
        "Linear 2 <- 0 f32",
    ]
    with torch.no_grad():
        expected = network(counts().float()).numpy()
    np.testing.assert_allclose(execute(graph, counts().numpy())["2"], expected, atol=1e-5)
