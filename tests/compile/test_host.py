"""Whole networks in C on the workstation against the reference execution."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from evbench.compile.host import HostModel
from evbench.errors import ModelError, WorkspaceError
from evbench.graph.execute import execute
from evbench.graph.model import IntegerGraph
from tests.graph.networks import (
    branched_graph,
    float_graph,
    hybrid_graph,
    mixed_graph,
    odd_graph,
    random_graph,
    residual_graph,
    sparse_windows,
)

INTEGER: list[Callable[[], IntegerGraph]] = [
    lambda: random_graph(0, size=(40, 36)),
    lambda: residual_graph(1, size=(48, 48), width=5),
    *(lambda seed=seed: odd_graph(seed) for seed in range(4)),  # type: ignore[misc]
    *(lambda seed=seed: hybrid_graph(seed, zero_points=bool(seed % 2)) for seed in range(4)),  # type: ignore[misc]
    *(lambda seed=seed: mixed_graph(seed) for seed in range(2)),  # type: ignore[misc]
    *(lambda seed=seed: branched_graph(seed, zero_points=seed < 2) for seed in range(4)),  # type: ignore[misc]
]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.getbasetemp() / "native"


@pytest.mark.parametrize("make", INTEGER)
def test_every_tensor_of_an_integer_network_equals_the_reference(make: Callable[[], IntegerGraph], cache: Path) -> None:
    graph = make()
    batch = sparse_windows(9, 3, graph.tensors["input"].shape)  # type: ignore[arg-type]
    found, expected = HostModel(graph, cache).run(batch), execute(graph, batch)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].dtype == value.dtype
        np.testing.assert_array_equal(found[name], value, err_msg=name)


@pytest.mark.parametrize(
    "graph",
    [
        float_graph(2, size=(40, 36)),
        residual_graph(3, size=(48, 48), float_weights=True),
        branched_graph(1, float_weights=True),
    ],
    ids=lambda g: g.name,
)
def test_every_tensor_of_a_float_network_agrees_with_the_reference_to_rounding(
    graph: IntegerGraph, cache: Path
) -> None:
    batch = sparse_windows(9, 3, graph.tensors["input"].shape)  # type: ignore[arg-type]
    found, expected = HostModel(graph, cache).run(batch), execute(graph, batch)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=1e-4, err_msg=name)


def test_an_empty_batch_gives_empty_tensors(small_graph: IntegerGraph, cache: Path) -> None:
    found = HostModel(small_graph, cache).run(np.zeros((0, 4, 32, 32), np.uint8))
    assert all(len(value) == 0 for value in found.values())


def test_windows_of_another_shape_are_refused(small_graph: IntegerGraph, cache: Path) -> None:
    with pytest.raises(ModelError, match="do not fit"):
        HostModel(small_graph, cache).run(np.zeros((1, 4, 31, 32), np.uint8))


def test_a_cache_that_cannot_be_written_is_named(small_graph: IntegerGraph, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WorkspaceError) as caught:
        HostModel(small_graph, tmp_path / "file")
    assert "file" in caught.value.where
