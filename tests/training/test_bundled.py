"""The model that travels with evbench can be made again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evbench.events import bars
from evbench.graph.file import load_graph
from evbench.training.bundled import make


def test_the_bundled_model_is_made_from_the_simulated_set_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for split, subject in (("TRAIN", 0), ("VALIDATION", 8), ("TEST", 10)):
        monkeypatch.setattr(bars, f"{split}_SUBJECTS", range(subject, subject + 1))
    result = make(tmp_path / "model", epochs=1)
    graph = load_graph(tmp_path / "model" / "graph.safetensors")
    card = json.loads((tmp_path / "model" / "model.json").read_text())
    assert card["digest"] == graph.digest
    assert len(card["classes"]) == 6
    assert result.accuracy.window.total > 100
    assert sum(path.stat().st_size for path in (tmp_path / "model").iterdir()) < 1_000_000
