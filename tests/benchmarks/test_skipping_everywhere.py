"""Networks that skip, on every window of the recordings at hand: each tensor as in the reference execution.

The bundled model, with its calibration forgotten and with zeros skipped wherever a kernel can, behind filters of
background activity of several strengths. Set EVBENCH_MODEL to a model folder to check another one. It takes minutes, so
it runs with `pytest tests/benchmarks --benchmark-enable --benchmark-only` alone.
"""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evbench.compile.host import HostModel
from evbench.graph.execute import execute
from evbench.graph.model import Conv2d, IntegerGraph
from evbench.jobs.models import Model, open_model, windows_for

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
RECORDINGS = ("dvs128-objects/test", "dvs128-waves")
FILTERS = (None, 10_000, 30_000)
BATCH = 50


def with_choice(graph: IntegerGraph, zeros: bool) -> IntegerGraph:
    """The graph with no record of its activity, or with one that makes every layer skip all it can."""
    layers = {op.name: [0.0, 0.0] for op in graph.operators if isinstance(op, Conv2d)}
    metadata = {key: value for key, value in graph.metadata.items() if key != "activity"}
    if zeros:
        metadata["activity"] = json.dumps({"windows": 1, "layers": layers})
    return dataclasses.replace(graph, metadata=metadata)


@pytest.mark.parametrize("zeros", [False, True], ids=["sites", "sites and zeros"])
@pytest.mark.parametrize("keep_within", FILTERS)
@pytest.mark.parametrize("recordings", RECORDINGS)
def test_every_window_of_the_recordings(
    recordings: str, keep_within: int | None, zeros: bool, tmp_path: Path, benchmark: Any
) -> None:
    if not benchmark.enabled:
        pytest.skip("takes minutes")
    folder = DATA / recordings
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    chosen = os.environ.get("EVBENCH_MODEL")
    opened = open_model(Path(chosen) if chosen else None)
    filters = [] if keep_within is None else [{"name": "background-activity", "keep_within": keep_within}]
    graph = with_choice(opened.graph, zeros)
    graph = dataclasses.replace(graph, metadata={**graph.metadata, "filters": json.dumps(filters)})
    windows = windows_for(Model(graph, None, opened.name), folder)
    model = HostModel(graph, tmp_path)

    def compare() -> None:
        for first in range(0, len(windows), BATCH):
            batch = windows.dense(np.arange(first, min(first + BATCH, len(windows))))
            found = model.run(batch)
            for name, values in execute(graph, batch).items():
                np.testing.assert_array_equal(found[name], values, err_msg=f"{name}, windows from {first} on")

    benchmark.pedantic(compare, rounds=1)
