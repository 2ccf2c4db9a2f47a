"""The stage that turns recordings into windows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evbench.errors import RecordingError
from evbench.events.datasets import catalogue
from evbench.events.datasets.labelled import BOX, Dataset
from evbench.events.stream import SensorGeometry
from evbench.jobs.stage import Context
from evbench.jobs.stages import dataset
from evbench.profiles import DatasetSettings, Recipe
from evbench.workspace import Workspace


def context(workspace: Workspace, out: Path) -> Context:
    def silent(*_: Any) -> None:
        return None

    return Context(workspace, out, out, {}, silent, lambda: None, silent, None)


def test_a_set_with_boxes_is_refused_before_any_recording_is_read(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sky = Dataset("tonic:EBSSA", ("object",), SensorGeometry(304, 240), (), boxes=lambda _: np.zeros(0, BOX))
    monkeypatch.setattr(catalogue, "load_dataset", lambda *_: sky)
    recipe = Recipe(id="sky", dataset=DatasetSettings(name="tonic:EBSSA"))
    with pytest.raises(RecordingError, match="EBSSA says where things are") as caught:
        dataset.run(context(workspace, tmp_path), recipe, tmp_path)
    assert "Choose a set with classes" in caught.value.remedy
