"""The audit names what each target makes of each layer, with its source, and what to use instead."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx import helper

from evbench.errors import ModelError, ProfileError
from evbench.graph.audit import NAMES, Layer, audit, layers_of, load_target, target_names
from evbench.graph.audit_onnx import layers_of_file
from evbench.graph.file import KINDS
from evbench.graph.model import Conv2d, IntegerGraph
from evbench.graph.onnx import to_onnx
from tests.graph.networks import branched_graph, hybrid_graph, random_graph, residual_graph
from tests.graph.onnx_networks import mobile_network, quantised

GROUPED = branched_graph(0)


def statuses(layers: list[Layer], target: str, operator: str) -> set[str]:
    return {found.status for found in audit(layers, load_target(target)) if found.layer.operator == operator}


def test_every_bundled_table_names_real_documents_and_the_day_they_were_read() -> None:
    assert target_names() == ["evbench", "cmsis-nn", "executorch", "st-edge-ai", "tflite-micro"]
    for name in target_names()[1:]:
        table = load_target(name)
        assert table.target.version
        used = {rule.source for rule in table.rules} | {table.target.source}
        for key in used:
            source = table.sources[key]
            assert source.url.startswith("https://")
            assert source.version
            assert source.read


def test_a_grouped_convolution_is_judged_by_each_target_and_gets_a_replacement() -> None:
    layers = layers_of(GROUPED)
    grouped = next(layer for layer in layers if layer.operator == "grouped convolution")
    assert grouped.weights == "per channel"
    found = {name: audit([grouped], load_target(name))[0] for name in target_names()}
    assert {name: finding.status for name, finding in found.items()} == {
        "evbench": "supported",
        "cmsis-nn": "supported",
        "executorch": "supported",
        "st-edge-ai": "unknown",
        "tflite-micro": "supported",
    }
    assert "depthwise separable" in found["st-edge-ai"].instead


def test_a_grouped_convolution_on_16_bit_activations_fails_where_the_kernel_reads_all_channels() -> None:
    layer = next(layer for layer in layers_of(hybrid_graph(0)) if layer.operator == "grouped convolution")
    assert layer.inputs == ("s16",)
    finding = audit([layer], load_target("cmsis-nn"))[0]
    assert finding.status == "fails"
    assert "depthwise separable" in finding.instead
    assert audit([layer], load_target("evbench"))[0].status == "supported"
    assert audit([layer], load_target("executorch"))[0].status == "float"


def test_several_filters_per_channel_are_a_depthwise_convolution() -> None:
    layers = layers_of(GROUPED)
    doubled = [layer for layer in layers if "several filters per channel" in layer.traits]
    assert [layer.operator for layer in doubled] == ["depthwise convolution"]


def test_joined_channels_on_unlike_grids_fail_where_bytes_are_copied() -> None:
    layers = layers_of(GROUPED)
    assert statuses(layers, "tflite-micro", "concatenation") == {"fails"}
    assert statuses(layers, "evbench", "concatenation") == {"supported"}


def test_what_no_table_knows_is_reported_by_each_target_in_its_own_way() -> None:
    strange = Layer("x", "einsum", ("s8",), "s8")
    found = {name: audit([strange], load_target(name))[0].status for name in target_names()}
    assert found == {
        "evbench": "fails",
        "cmsis-nn": "fails",
        "executorch": "float",
        "st-edge-ai": "fails",
        "tflite-micro": "unknown",
    }


@pytest.mark.parametrize("graph", [random_graph(1, size=(32, 32)), residual_graph(1, size=(32, 32)), branched_graph(0)])
def test_an_exported_file_has_the_layers_of_its_graph(graph: IntegerGraph, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(to_onnx(graph), path)
    signed = [
        Layer("", layer.operator, ("s8",) * len(layer.inputs), "f32" if layer.output == "f32" else "s8", layer.weights)
        for layer in layers_of(graph)
    ]
    found = [Layer("", layer.operator, layer.inputs, layer.output, layer.weights) for layer in layers_of_file(path)]
    assert found == signed


def test_16_bit_layers_of_a_file_are_seen_as_such(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    graph = hybrid_graph(0)
    onnx.save(to_onnx(graph), path)
    wide = [layer.operator for layer in layers_of(graph) if layer.inputs == ("s16",) and layer.weights]
    assert [layer.operator for layer in layers_of_file(path) if layer.inputs == ("s16",) and layer.weights] == wide


@pytest.mark.parametrize("operators", [False, True])
def test_a_quantised_file_from_elsewhere_is_audited_with_its_types(operators: bool, tmp_path: Path) -> None:
    layers = layers_of_file(quantised(mobile_network(), tmp_path, operators=operators))
    assert all(layer.weights == "per channel" for layer in layers if "convolution" in layer.operator)
    assert {"convolution", "depthwise convolution", "linear", "global average"} <= {one.operator for one in layers}
    assert all(one.inputs == ("s8",) or one.inputs == ("u8",) for one in layers if "convolution" in one.operator)


def test_an_unsupported_operator_of_a_float_file_is_named_not_refused(tmp_path: Path) -> None:
    node = helper.make_node("LSTM", ["x", "w", "r"], ["", "h"], name="memory", hidden_size=4)
    values = [helper.make_tensor_value_info(name, 1, None) for name in ("x", "w", "r")]
    graph = helper.make_graph([node], "g", values, [helper.make_tensor_value_info("h", 1, None)])
    path = tmp_path / "lstm.onnx"
    onnx.save(helper.make_model(graph), path)
    (layer,) = layers_of_file(path)
    assert (layer.name, layer.operator) == ("memory", "lstm")
    assert audit([layer], load_target("evbench"))[0].status == "fails"
    assert audit([layer], load_target("st-edge-ai"))[0].status == "float"


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.onnx"
    path.write_bytes(b"\x00no")
    with pytest.raises(ModelError, match=r"x\.onnx"):
        layers_of_file(path)


def test_a_table_with_an_unlisted_source_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    text = (Path(__file__).parents[2] / "profiles" / "targets" / "evbench.toml").read_text()
    path.write_text(text.replace('source = "kernels"', 'source = "nowhere"', 1))
    with pytest.raises(ProfileError, match="nowhere"):
        load_target(path)


def test_dilation_is_a_trait_that_evbench_refuses() -> None:
    layer = Layer("x", "convolution", ("u8",), "u8", "per channel", frozenset({"dilation"}))
    assert audit([layer], load_target("evbench"))[0].status == "fails"


def test_every_operator_of_the_graph_has_a_name_in_the_tables() -> None:
    assert set(KINDS.values()) - {Conv2d} == set(NAMES)
    named = {operator for rule in load_target("evbench").rules for operator in rule.operators}
    assert set(NAMES.values()) <= named
