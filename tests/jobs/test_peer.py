"""A second runtime beside the others: what is reported of it, and that it decides nothing."""

from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console

from evbench.errors import ModelError
from evbench.graph.tflite_micro import installed
from evbench.jobs.peer import PeerLayer, open_peer, parity_with_peer, peer_report
from evbench.parity import ReferenceExecution, compare
from tests.graph.networks import random_graph, sparse_windows

needs_tflite_micro = pytest.mark.skipif(not installed(), reason="tflite-micro is not installed (extra 'peer')")

GRAPH = random_graph(0)


def windows() -> np.ndarray:
    return sparse_windows(7, 3, GRAPH.tensors["input"].shape)


def test_an_unknown_peer_is_refused_with_those_there_are() -> None:
    with pytest.raises(ModelError, match="tflite-micro"):
        open_peer("tensorrt", GRAPH, windows())


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (PeerLayer("a", "Conv2d"), "equal"),
        (PeerLayer("a", "Conv2d", differing=3, explained=0), "inherited"),
        (PeerLayer("a", "Add", differing=3, own=3), "not described"),
        (PeerLayer("a", "Conv2d", differing=3, own=3, explained=3, bits=6), "6 bits apart: every element"),
        (PeerLayer("a", "Conv2d", differing=3, own=3, explained=2, bits=6), "2 of 3"),
    ],
)
def test_the_reason_follows_from_what_was_counted(layer: PeerLayer, said: str) -> None:
    assert said in layer.why


@needs_tflite_micro
def test_the_report_counts_each_layers_differences_and_shows_every_one_of_them() -> None:
    report = peer_report(GRAPH, open_peer("tflite-micro", GRAPH, windows()), windows())
    names = [operator.name for operator in GRAPH.operators[:-1]]
    assert [layer["layer"] for layer in report["layers"]] == names
    assert sum(layer["own"] for layer in report["layers"]) > 0
    for layer in report["layers"]:
        assert layer["own_max_lsb"] <= 1
        assert layer["explained"] == layer["own"]
    assert 0 <= report["same_class"] <= 1
    assert report["windows"] == 3


@needs_tflite_micro
def test_its_differences_fail_no_parity() -> None:
    peer = open_peer("tflite-micro", GRAPH, windows())
    report = compare(GRAPH, [ReferenceExecution(GRAPH), peer], windows())
    (pair,) = report.pairs
    assert pair.differing > 0
    assert not pair.judged
    assert report.passed
    assert pair.fault is not None
    assert "two roundings" in pair.fault.text


@needs_tflite_micro
def test_it_is_shown_below_the_executions_that_are_judged() -> None:
    peer = open_peer("tflite-micro", GRAPH, windows())
    result = compare(GRAPH, [ReferenceExecution(GRAPH), peer], windows()).to_json()
    result["peer"] = peer_report(GRAPH, peer, windows())
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(parity_with_peer(result))
    shown = console.export_text()
    assert "a peer: its differences are reported and not judged" in shown
    assert result["peer"]["layers"][0]["why"] in shown
