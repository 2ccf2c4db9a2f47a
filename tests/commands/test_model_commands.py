"""Commands on models as a user types them: export, build, profile, parity, audit, tensors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from evbench.graph.execute import execute
from evbench.graph.importer import import_onnx
from evbench.graph.tflite_micro import installed
from evbench.jobs.models import random_inputs
from evbench.resources import resource
from tests.commands.command_line import Evbench, refused
from tests.graph.onnx_networks import mobile_network, quantised


def test_export_writes_sources_and_refuses_a_folder_with_files_of_others(evbench: Evbench, tmp_path: Path) -> None:
    done = evbench("export", "--c", tmp_path / "model", "--json")
    assert done.code == 0
    assert {"model.c", "model.h", "weights.c", "CMakeLists.txt", "README.md"} <= set(done.json["files"])
    (tmp_path / "model" / "mine.c").touch()
    refused = evbench("export", "--c", tmp_path / "model")
    assert (refused.code, "mine.c" in refused.err) == (6, True)


def test_export_writes_a_tensorflow_lite_file(evbench: Evbench, tmp_path: Path) -> None:
    done = evbench("export", "--tflite", tmp_path / "model.tflite", "--json").json["tflite"]
    content = (tmp_path / "model.tflite").read_bytes()
    assert content[4:8] == b"TFL3"
    assert done["bytes"] == len(content)
    assert done["logit_step"] > 0


def test_export_says_what_it_can_write(evbench: Evbench) -> None:
    done = evbench("export")
    assert (done.code, "--tflite" in done.err) == (2, True)


def test_a_quantised_onnx_file_is_profiled_on_random_inputs_and_gives_the_references_logits(
    evbench: Evbench, tmp_path: Path
) -> None:
    path = quantised(mobile_network(1), tmp_path)
    profile = evbench("profile", path, "--json").json
    graph = import_onnx(path)
    output = graph.tensors[graph.outputs[0]]
    stored = execute(graph, random_inputs(graph, len(profile["windows"])))[output.name].astype(np.float32)
    logits = (stored - np.float32(output.zero_point)) * np.float32(output.scale)
    assert [window["logits"] for window in profile["windows"]] == logits.tolist()
    assert profile["inputs"] == "random"
    assert len(profile["layers"]) == len(graph.operators)


def test_parity_takes_the_onnx_file_itself_as_one_of_the_executions(evbench: Evbench, tmp_path: Path) -> None:
    report = evbench("parity", quantised(mobile_network(2), tmp_path), "--windows", "3", "--json").json
    assert {pair["b"] for pair in report["pairs"]} == {"ort", "ort-float", "ort-uint8", "onnx-file", "host", "board"}
    assert report["passed"]
    assert report["vnni"] in (True, False, None)
    uint8 = next(pair for pair in report["pairs"] if pair["b"] == "ort-uint8")
    assert not uint8["judged"]
    if report["vnni"]:
        assert uint8["differing"] == 0


@pytest.mark.skipif(not installed(), reason="tflite-micro is not installed (extra 'peer')")
def test_a_second_runtime_takes_part_in_parity_without_failing_it(evbench: Evbench, tmp_path: Path) -> None:
    path = quantised(mobile_network(2), tmp_path)
    report = evbench("parity", path, "--windows", "2", "--with", "tflite-micro", "--json").json
    assert report["passed"]
    assert report["pairs"][-1]["b"] == report["peer"]["name"] == "tflite-micro"
    assert [layer["own_max_lsb"] <= 1 for layer in report["peer"]["layers"]] == [True] * len(
        import_onnx(path).operators
    )


def test_an_unknown_runtime_is_refused_with_those_there_are(evbench: Evbench) -> None:
    refused(evbench("parity", "--with", "tensorrt"), 5, "tensorrt", "tflite-micro")


def test_a_float_onnx_file_is_refused(evbench: Evbench, tmp_path: Path) -> None:
    onnx.save(mobile_network(1), tmp_path / "float.onnx")
    refused(evbench("profile", tmp_path / "float.onnx"), 5, "not quantised", "quantize_static")


def test_build_divides_the_memory_and_bounds_the_stack(evbench: Evbench) -> None:
    done = evbench("build", "--json").json
    assert all(sum(region["parts"].values()) == region["used"] for region in done["regions"])
    assert len(done["layers"]) > 5
    assert 0 < done["stack"]["bytes"] < done["stack_reserved"]
    shown = evbench("build").out
    assert "stack" in shown
    assert all(layer["name"] in shown for layer in done["layers"])


def test_audit_shows_targets_side_by_side_and_fails_where_a_layer_does(evbench: Evbench) -> None:
    done = evbench("audit", "--target", "evbench", "--target", "cmsis-nn", "--json")
    assert done.code == 1
    own, arm = done.json["targets"]
    assert (own["target"], own["passed"], own["counts"]["supported"]) == ("evbench", True, 13)
    failed = {layer["name"]: layer for layer in arm["layers"] if layer["status"] == "fails"}
    assert failed.keys() == {"head.pool", "head.linear"}
    assert arm["sources"][failed["head.linear"]["source"]]["url"].startswith("https://")
    shown = evbench("audit", "--target", "cmsis-nn")
    assert "int8 logits" in " ".join(shown.out.split())


def test_audit_passes_where_nothing_fails_and_refuses_unknown_targets(evbench: Evbench) -> None:
    assert evbench("audit", "--target", "tflite-micro").code == 0
    wrong = evbench("audit", "--target", "tflite")
    assert wrong.code == 3
    assert "tflite-micro" in wrong.err


def test_audit_of_a_file_says_why_evbench_cannot_import_it(evbench: Evbench, tmp_path: Path) -> None:
    onnx.save(mobile_network(), tmp_path / "float.onnx")
    done = evbench("audit", "float.onnx", "--target", "evbench", "--json")
    assert done.code == 1
    assert "not quantised" in done.json["targets"][0]["refused"]


def test_audit_of_a_recipe_needs_no_training(evbench: Evbench, tmp_path: Path) -> None:
    text = resource("profiles", "recipes", "bars-voxel-qat.toml").read_text()
    (tmp_path / "small.toml").write_text(text.replace("size = [128, 128]", "size = [32, 32]"))
    done = evbench("audit", "small.toml", "--target", "evbench", "--target", "st-edge-ai", "--json")
    assert done.code == 0
    assert "untrained" in done.json["subject"]
    assert done.json["targets"][1]["counts"] == {"supported": 12, "float": 1, "fails": 0, "unknown": 0}


def test_a_model_that_reads_no_events_gets_no_kernels_that_skip(evbench: Evbench, tmp_path: Path) -> None:
    layers = evbench("build", quantised(mobile_network(3), tmp_path), "--json").json["layers"]
    assert [layer["kernel"] for layer in layers][:2] == ["ev_conv2d_u8s8", "ev_depthwise_u8s8"]


def test_tensors_of_the_bundled_model_are_listed_with_what_quantisation_costs_them(evbench: Evbench) -> None:
    found = evbench("tensors", "--json").json
    by_name = {tensor["name"]: tensor for tensor in found["tensors"]}
    assert by_name["input"]["zero_share"] > 0.95
    assert by_name["input"]["sqnr_db"] is None
    assert by_name["head.linear.weight"]["kind"] == "weight"
    assert all(tensor["scale"] > 0 for tensor in found["tensors"])
    shown = evbench("tensors").out
    assert all(name in shown for name in by_name)
    assert "Ashman" in shown


def test_one_tensor_is_drawn_with_the_range_of_every_observer(evbench: Evbench) -> None:
    shown = evbench("tensors", "--tensor", "stem.0").out
    for word in ("kl", "mse", "zero-aware", "ema-minmax", "nonzero-percentile", "log scale", "in use"):
        assert word in shown
    refused(evbench("tensors", "--tensor", "stem"), 5, "no tensor 'stem'", "Did you mean stem.0?")


def test_a_tensor_is_shown_over_its_training(evbench: Evbench) -> None:
    found = evbench("tensors", "--tensor", "stem.0", "--over-training", "--json").json
    assert len(found["scales_over_training"]["scales"]) >= 12
    assert "stem.0 over training" in evbench("tensors", "--tensor", "stem.0", "--over-training").out
    asked = evbench("tensors", "--over-training")
    assert asked.code == 2
    assert "give the tensor with --tensor" in asked.out + asked.err


def test_tensors_of_what_is_no_model_are_refused(evbench: Evbench, tmp_path: Path) -> None:
    refused(evbench("tensors", tmp_path / "none"), 5, "is not a model folder")
    refused(evbench("tensors", tmp_path), 5, "has no statistics", "Export the model again")
    refused(evbench("tensors", "7"), 8, "7")
