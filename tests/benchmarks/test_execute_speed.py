"""How fast the reference executes a network, beside ONNX Runtime on the same windows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from evbench.graph.execute import execute
from evbench.graph.onnx import OnnxSession
from tests.graph.networks import random_graph, sparse_windows

GRAPH = random_graph(0, width=16)
WINDOWS = sparse_windows(1, 16)


@pytest.mark.benchmark(group="execute 16 windows of 10x128x128")
@pytest.mark.parametrize("name", ["reference", "ort", "ort-float"])
def test_executing_sixteen_windows(benchmark: Any, name: str) -> None:
    """The group's table gives the ratio of each to the fastest; all tensors are returned each time."""
    if name == "reference":
        values = benchmark(execute, GRAPH, WINDOWS)
    else:
        values = benchmark(OnnxSession(GRAPH, optimised=name == "ort").run, WINDOWS)
    assert np.isfinite(values[GRAPH.outputs[0]]).all()
