"""What calibration windows excite in a network, and how a model keeps it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from evbench.errors import ModelError
from evbench.graph.activity import measure_activity, recorded_activity, with_activity
from evbench.graph.file import load_graph, save_graph
from evbench.graph.model import IntegerGraph
from tests.graph.networks import random_graph


@pytest.fixture(scope="module")
def graph() -> IntegerGraph:
    return random_graph(2, size=(24, 24), bins=1, width=4)


def test_one_event_excites_what_its_receptive_field_holds(graph: IntegerGraph) -> None:
    window = np.zeros((1, 2, 24, 24), np.uint8)
    window[0, 1, 10, 10] = 3
    stem = graph.operators[0]
    found = measure_activity(graph, window)[stem.name]
    rows, columns = graph.tensors[stem.output].shape[1:]
    reached = round(found.sites * rows * columns)
    assert reached in (1, 2, 4)
    assert found.nonzero == pytest.approx(1 / stem.weight[0].size)  # type: ignore[attr-defined]


def test_a_full_window_excites_everything(graph: IntegerGraph) -> None:
    found = measure_activity(graph, np.full((1, 2, 24, 24), 9, np.uint8))
    assert {layer.sites for layer in found.values()} == {1.0}


def test_an_empty_window_excites_nothing(graph: IntegerGraph) -> None:
    found = measure_activity(graph, np.zeros((1, 2, 24, 24), np.uint8))
    assert {(layer.sites, layer.nonzero) for layer in found.values()} == {(0.0, 0.0)}


def test_activity_travels_in_the_models_file_and_changes_no_result(graph: IntegerGraph, tmp_path: Path) -> None:
    windows = np.random.default_rng(0).integers(0, 2, (3, 2, 24, 24)).astype(np.uint8)
    save_graph(with_activity(graph, windows), tmp_path / "graph.safetensors")
    loaded = load_graph(tmp_path / "graph.safetensors")
    count, layers = recorded_activity(loaded)
    assert count == 3
    for name, measured in measure_activity(graph, windows).items():
        assert layers[name].sites == pytest.approx(measured.sites, abs=1e-4)
        assert layers[name].nonzero == pytest.approx(measured.nonzero, abs=1e-4)
    assert loaded.digest == graph.digest


def test_a_model_without_a_record_says_so(graph: IntegerGraph) -> None:
    assert recorded_activity(graph) == (0, {})


@pytest.mark.parametrize("text", ["", "[]", '{"windows": 3}', '{"windows": 3, "layers": {"a": 1}}'])
def test_a_damaged_record_is_named(graph: IntegerGraph, text: str) -> None:
    with pytest.raises(ModelError, match="damaged"):
        recorded_activity(dataclasses.replace(graph, metadata={"activity": text}))
