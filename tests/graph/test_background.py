"""What an empty window leaves in a network, and which sites a window makes differ from it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evbench.graph.background import activity, backgrounds, classify
from evbench.graph.execute import execute
from evbench.graph.model import IntegerGraph
from tests.graph.networks import odd_graph, random_graph, residual_graph, sparse_windows


@pytest.fixture(scope="module", params=["separable", "residual", "odd"])
def graph(request: pytest.FixtureRequest) -> IntegerGraph:
    if request.param == "separable":
        return random_graph(7, size=(40, 36), bins=2, width=4)
    return residual_graph(8, size=(36, 40), bins=2, width=4) if request.param == "residual" else odd_graph(9)


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), kinds=st.integers(1, 4), height=st.integers(1, 9))
def test_rows_are_kept_once_and_give_the_whole_tensor_back(seed: int, kinds: int, height: int) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, 3, (kinds, 5, 2)).astype(np.uint8)
    values = rows[rng.integers(0, kinds, height)].transpose(2, 0, 1)
    background = classify(values)
    np.testing.assert_array_equal(background.values, values)
    assert len(background.rows) == len({row.tobytes() for row in values.transpose(1, 0, 2)})


def test_an_empty_window_is_background_everywhere(graph: IntegerGraph) -> None:
    empty = execute(graph, np.zeros((1, *graph.tensors["input"].shape), np.uint8))
    for name, background in backgrounds(graph).items():
        np.testing.assert_array_equal(background.values, empty[name][0])


def test_inactive_sites_hold_the_background(graph: IntegerGraph) -> None:
    windows = sparse_windows(3, 4, graph.tensors["input"].shape)
    windows[0] = 0
    windows[0, 0, 5, 6] = 1
    values, found = execute(graph, windows), backgrounds(graph)
    shares = []
    for name, active in activity(graph, windows).items():
        differs = (values[name] != found[name].values).any(axis=1)
        assert not (differs & ~active).any()
        shares.append(active[0].mean())
    assert 0 < shares[0] < 0.01


def test_one_event_activates_what_its_receptive_field_reaches(graph: IntegerGraph) -> None:
    window = np.zeros((1, *graph.tensors["input"].shape), np.uint8)
    window[0, 0, 5, 6] = 255
    active = activity(graph, window)
    first = graph.operators[0]
    rows, columns = active[first.output][0].nonzero()
    stride, padding = first.stride, first.padding  # type: ignore[attr-defined]
    kernel = first.weight.shape[2:]  # type: ignore[attr-defined]
    for y, x in zip(rows, columns, strict=True):
        top, left = y * stride[0] - padding[0], x * stride[1] - padding[1]
        assert top <= 5 < top + kernel[0]
        assert left <= 6 < left + kernel[1]
    assert len(rows) > 0
