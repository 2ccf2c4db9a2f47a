"""`evbench verify` says of every claim of a card whether it holds, and catches each that does not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evbench.errors import ModelError
from evbench.events.windowset import WindowSet
from evbench.graph.card import load_check, save_check
from evbench.graph.execute import execute
from evbench.graph.file import save_graph
from evbench.graph.model import IntegerGraph
from evbench.graph.onnx import to_onnx
from evbench.jobs import verifying
from evbench.jobs.verifying import verify_model
from evbench.profiles import load_recipe
from evbench.training.card import model_card, split_entry
from evbench.training.evaluate import accuracy
from evbench.workspace import Workspace, open_workspace
from tests.graph.networks import random_graph, sparse_windows

METADATA = {
    "approach": "qat-int8",
    "network": "voxel-dsc",
    "method": "qat",
    "classes": json.dumps([str(number) for number in range(11)]),
    "representation": "voxel",
    "bins": "5",
    "window_us": "50000",
    "size": "[32, 32]",
    "filters": "[]",
}


def sparse_set(count: int) -> WindowSet:
    grids = sparse_windows(7, count, (10, 32, 32)).reshape(count, -1)
    row, index = np.nonzero(grids)
    offsets = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=count))])
    numbers = np.arange(count)
    return WindowSet(
        offsets.astype(np.int64),
        index.astype(np.uint32),
        grids[row, index],
        (numbers % 11).astype(np.int64),
        (numbers // 4).astype(np.int32),
        numbers * 50_000,
        (10, 32, 32),
    )


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return open_workspace(tmp_path_factory.mktemp("workspace"))


@pytest.fixture(scope="module")
def test_set() -> WindowSet:
    return sparse_set(20)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, test_set: WindowSet) -> Path:
    """A model folder with its card."""
    folder = tmp_path_factory.mktemp("model")
    graph = random_graph(2, size=(32, 32))
    graph = IntegerGraph(graph.name, graph.tensors, graph.operators, graph.inputs, graph.outputs, metadata=METADATA)
    save_graph(graph, folder / "graph.safetensors")
    (folder / "model.onnx").write_bytes(to_onnx(graph).SerializeToString())
    save_check(graph, test_set.dense([0, 9, 19]), folder / "check.npz")
    logits = execute(graph, test_set.dense(slice(None)))[graph.outputs[0]].reshape(20, -1)
    metrics = {
        "model_bytes": graph.weight_bytes,
        "macs": sum(graph.macs(operator) for operator in graph.operators),
        "accuracy": accuracy(logits, test_set.labels, test_set.recording).to_json(),
    }
    recipe = load_recipe("bars-voxel-qat", {"train.epochs": "1"})
    card = model_card(graph, recipe, metrics, test_set, folder, {"train": split_entry(test_set)})
    (folder / "model.json").write_text(json.dumps(card))
    return folder


@pytest.fixture
def model(exported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported, tmp_path / "model"))


def states(report: dict[str, Any]) -> dict[str, str]:
    return {claim["claim"]: claim["state"] for claim in report["claims"]}


def edit(model: Path, change: Callable[[dict[str, Any]], object]) -> None:
    card = json.loads((model / "model.json").read_text())
    change(card)
    (model / "model.json").write_text(json.dumps(card))


def test_an_untouched_model_holds_every_claim_that_can_be_checked(model: Path, workspace: Workspace) -> None:
    report = verify_model(workspace, model)
    assert report["passed"]
    found = states(report)
    assert {claim for claim, state in found.items() if state == "unchecked"} == {"test windows", "accuracy", "board"}
    assert found["logits of its windows"] == found["host equals reference"] == found["ort equals reference"] == "holds"
    assert found["model.onnx is this graph's"] == found["quantisation table"] == "holds"


def test_the_card_says_where_the_model_comes_from(model: Path, test_set: WindowSet) -> None:
    card = json.loads((model / "model.json").read_text())
    assert card["data"]["splits"]["test"] == {**split_entry(test_set), "windows": 20, "recordings": 5}
    assert card["recipe"]["id"] == "bars-voxel-qat"
    assert {"python", "torch", "onnx", "onnxruntime", "numpy"} <= card["tools"].keys()
    head = card["quantisation"]["layers"][-1]
    assert (head["granularity"], head["weights"], head["bias"]) == ("per tensor", "int8", "int32")
    assert head["scales"][0] == head["scales"][1]
    assert card["quantisation"]["tensors"][0] == {"name": "input", "dtype": "u8", "scale": 1.0, "zero_point": 0}


@pytest.mark.parametrize(
    ("change", "claim"),
    [
        (lambda card: card.update(digest="0" * 64), "graph digest"),
        (lambda card: card["metrics"].update(model_bytes=1), "bytes of weights"),
        (lambda card: card["metrics"].update(macs=1), "multiply-accumulates"),
        (lambda card: card["quantisation"]["tensors"][1].update(scale=0.5), "quantisation table"),
        (lambda card: card["files"]["model.onnx"].update(bytes=3), "file model.onnx"),
    ],
)
def test_a_false_claim_is_found(
    change: Callable[[dict[str, Any]], object], claim: str, model: Path, workspace: Workspace
) -> None:
    edit(model, change)
    report = verify_model(workspace, model)
    assert not report["passed"]
    assert [name for name, state in states(report).items() if state == "fails"] == [claim]


def test_an_onnx_file_of_another_network_is_found(model: Path, workspace: Workspace) -> None:
    (model / "model.onnx").write_bytes(to_onnx(random_graph(3, size=(32, 32))).SerializeToString())
    found = states(verify_model(workspace, model))
    assert found["file model.onnx"] == found["model.onnx is this graph's"] == "fails"


def test_logits_that_the_graph_does_not_give_are_found(model: Path, workspace: Workspace) -> None:
    windows, logits = load_check(model / "check.npz")
    np.savez_compressed(model / "check.npz", windows=windows, logits=np.nextafter(logits, np.float32(9)))
    found = states(verify_model(workspace, model))
    assert found["logits of its windows"] == found["file check.npz"] == "fails"


def test_a_missing_file_is_found(model: Path, workspace: Workspace) -> None:
    (model / "model.onnx").unlink()
    assert states(verify_model(workspace, model))["file model.onnx"] == "fails"


def test_accuracy_is_measured_again_on_the_same_windows(
    model: Path, workspace: Workspace, test_set: WindowSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verifying._Checker, "_test_set", lambda self, data: test_set)
    report = verify_model(workspace, model, metrics=True)
    assert report["passed"]
    assert states(report)["accuracy per window"] == "holds"
    edit(model, lambda card: card["metrics"]["accuracy"]["window"].update(correct=20))
    assert states(verify_model(workspace, model, metrics=True))["accuracy per window"] == "fails"


def test_accuracy_on_other_windows_is_no_check(
    model: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verifying._Checker, "_test_set", lambda self, data: sparse_set(12))
    found = states(verify_model(workspace, model, metrics=True))
    assert found["test windows"] == "fails"
    assert found["accuracy"] == "unchecked"


def test_an_older_card_leaves_claims_unchecked(model: Path, workspace: Workspace) -> None:
    (model / "check.npz").unlink()
    edit(model, lambda card: [card.pop(key) for key in ("files", "quantisation", "data", "board") if key in card])
    report = verify_model(workspace, model)
    assert report["passed"]
    assert {"files", "quantisation table", "logits of its windows", "board"} <= {
        claim for claim, state in states(report).items() if state == "unchecked"
    }


def test_a_folder_without_a_card_is_refused(model: Path, workspace: Workspace) -> None:
    (model / "model.json").unlink()
    with pytest.raises(ModelError, match="no card"):
        verify_model(workspace, model)
    (model / "model.json").write_text('{"recipe": 3}')
    with pytest.raises(ModelError, match="cannot be read"):
        verify_model(workspace, model)


def test_a_network_that_is_not_here_leaves_the_executions_unchecked(
    model: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: object) -> None:
        raise ModelError("The module of network 'mine:Net' cannot be imported", where="[network] name")

    monkeypatch.setattr("evbench.jobs.comparison.workstation_executions", missing)
    report = verify_model(workspace, model)
    assert report["passed"]
    found = states(report)
    assert found["executions"] == "unchecked"
    assert found["logits of its windows"] == "holds"
