"""Graphs survive the way to disk and back; damaged and foreign files are refused with their name."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from evbench.errors import ModelError
from evbench.graph.execute import execute
from evbench.graph.file import load_graph, save_graph
from evbench.graph.model import Conv2d, IntegerGraph
from evbench.graph.validate import validate
from tests.graph.networks import float_graph, odd_graph, random_graph, residual_graph, sparse_windows

GRAPHS = [
    random_graph(0, size=(32, 32)),
    residual_graph(0, size=(32, 32)),
    odd_graph(0),
    float_graph(0, size=(32, 32)),
]


@pytest.mark.parametrize("graph", GRAPHS, ids=lambda graph: graph.name)
def test_a_graph_comes_back_as_it_was(graph: IntegerGraph, tmp_path: Path) -> None:
    named = replace(graph, metadata={"classes": '["left", "right"]', "bins": "5"})
    save_graph(named, tmp_path / "deep" / "graph.safetensors")
    back = load_graph(tmp_path / "deep" / "graph.safetensors")
    assert back.digest == named.digest
    assert (back.name, back.metadata, dict(back.tensors)) == (named.name, named.metadata, dict(named.tensors))
    windows = sparse_windows(1, 2, graph.tensors["input"].shape)  # type: ignore[arg-type]
    expected, got = execute(graph, windows), execute(back, windows)
    assert all(np.array_equal(got[name], expected[name]) for name in expected)
    assert os.listdir(tmp_path / "deep") == ["graph.safetensors"]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("graph") / "graph.safetensors"
    save_graph(GRAPHS[2], path)
    return path


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_is_refused_or_reads_back_unchanged(saved: Path, tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(saved.read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(content)
    refusal, digest = None, GRAPHS[2].digest
    try:
        digest = load_graph(damaged).digest
    except ModelError as error:
        refusal = error
    assert digest == GRAPHS[2].digest
    assert refusal is None or (str(damaged) in refusal.where and refusal.remedy)


def rewritten(saved: Path, path: Path, change) -> Path:  # type: ignore[no-untyped-def]
    with safe_open(saved, "np") as stream:
        description = json.loads(stream.metadata()["evbench-graph"])
    change(description)
    save_file(load_file(saved), path, {"evbench-graph": json.dumps(description)})
    return path


def test_a_checkpoint_is_told_apart_from_a_graph(tmp_path: Path) -> None:
    save_file({"weight": np.zeros(3, np.float32)}, tmp_path / "checkpoint.safetensors")
    with pytest.raises(ModelError, match="holds weights but no evbench graph"):
        load_graph(tmp_path / "checkpoint.safetensors")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nowhere\.safetensors: No such file"):
        load_graph(tmp_path / "nowhere.safetensors")


def test_a_newer_format_asks_for_an_update(saved: Path, tmp_path: Path) -> None:
    path = rewritten(saved, tmp_path / "new.safetensors", lambda description: description.update(version=9))
    with pytest.raises(ModelError, match="format 9, this evbench reads 1"):
        load_graph(path)


def test_an_unknown_operator_is_named_with_its_layer(saved: Path, tmp_path: Path) -> None:
    path = rewritten(saved, tmp_path / "op.safetensors", lambda d: d["operators"][1].update(kind="Softmax"))
    with pytest.raises(ModelError, match=r"operator Softmax.*layer 'dw1'"):
        load_graph(path)


def test_a_changed_scale_does_not_pass_for_the_original(saved: Path, tmp_path: Path) -> None:
    path = rewritten(saved, tmp_path / "scale.safetensors", lambda d: d["tensors"][1].update(scale=0.5))
    with pytest.raises(ModelError, match="not those that were written"):
        load_graph(path)


def test_a_failed_write_leaves_the_old_file_and_no_remains(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "graph.safetensors"
    save_graph(GRAPHS[2], path)
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ModelError, match="No space left on device"):
        save_graph(GRAPHS[0], path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["graph.safetensors"]


def with_layer(graph: IntegerGraph, index: int, **changes: object) -> IntegerGraph:
    operators = list(graph.operators)
    operators[index] = replace(operators[index], **changes)  # type: ignore[arg-type]
    return replace(graph, operators=tuple(operators))


def conv(graph: IntegerGraph) -> Conv2d:
    first = graph.operators[0]
    assert isinstance(first, Conv2d)
    return first


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda g: replace(g, operators=g.operators[::-1]), "which nothing before it writes"),
        (lambda g: replace(g, operators=g.operators[:-1]), "written by no layer"),
        (lambda g: with_layer(g, 0, stride=(1, 1)), "its output tensor is"),
        (lambda g: with_layer(g, 0, groups=2), "2 groups"),
        (lambda g: with_layer(g, 0, weight_scale=-conv(g).weight_scale), "weight scale"),
        (lambda g: with_layer(g, 0, bias=conv(g).bias.astype(np.int64)), "int64 biases"),
        (lambda g: with_layer(g, 0, bias=np.full_like(conv(g).bias, 2**31 - 1)), "32-bit accumulator"),
        (lambda g: with_layer(g, 0, padding=(-1, 0, 0, 0)), "padding"),
        (
            lambda g: replace(g, tensors={**g.tensors, "input": replace(g.tensors["input"], zero_point=300)}),
            "zero point 300",
        ),
        (lambda g: replace(g, tensors={**g.tensors, "input": replace(g.tensors["input"], scale=0.1)}), "not a float32"),
    ],
)
def test_a_graph_that_is_not_well_formed_is_refused(break_it, message: str) -> None:  # type: ignore[no-untyped-def]
    validate(GRAPHS[0])
    with pytest.raises(ModelError, match=message):
        validate(break_it(GRAPHS[0]))
