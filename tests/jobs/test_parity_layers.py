"""A parity result points at the layer where executions part first, and is found by the model it is about."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evbench.jobs.models import MODEL
from evbench.jobs.parity_layers import maker_of, parity_of, worst_layer
from evbench.jobs.store import Store
from evbench.workspace import open_workspace


def pair(b: str, layer: str | None, lsb: int, passed: bool) -> dict[str, Any]:
    return {"a": "reference", "b": b, "first_differing_layer": layer, "max_lsb": lsb, "passed": passed}


def test_a_pair_that_may_not_differ_goes_before_one_that_differs_more() -> None:
    report = {"windows": 16, "pairs": [pair("torch", "stem", 3, True), pair("board", "head", 1, False)]}
    assert worst_layer(report) == ("head", "board and reference part first in head, by at most 1 LSB")
    layer, sentence = worst_layer(
        {"windows": 16, "pairs": [pair("torch", "stem", 3, True), pair("ort", None, 0, True)]}
    )
    assert layer == "stem"
    assert "as rounding ties may" in sentence


def test_where_nothing_differs_no_layer_is_named() -> None:
    layer, sentence = worst_layer({"windows": 16, "pairs": [pair("board", None, 0, True)]})
    assert layer is None
    assert "agree in every layer on 16 windows" in sentence


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(open_workspace(tmp_path / "ws"))


def test_the_result_of_a_model_is_that_of_the_newest_job_that_made_it(store: Store) -> None:
    model = store.workspace.artifact_dir("aa" * 32) / MODEL
    for number, digest in enumerate(("bb" * 32, "cc" * 32)):
        job = store.add_job("run", "bars", {})
        store.plan_stages(job, [("export", "qat-int8"), ("parity", "qat-int8")])
        store.change_stage(job, "export", "qat-int8", state="reused" if number else "done", digest="aa" * 32)
        store.change_stage(job, "parity", "qat-int8", state="done", digest=digest)
        folder = store.workspace.artifact_dir(digest)
        folder.mkdir(parents=True)
        (folder / "parity.json").write_text(json.dumps({"number": number}))
    made = maker_of(store, model)
    assert made is not None
    assert (made[0].id, made[1]) == (2, "qat-int8")
    assert parity_of(store, model) == {"number": 1}


def test_a_model_from_elsewhere_and_one_whose_job_came_to_no_parity_have_none(store: Store, tmp_path: Path) -> None:
    job = store.add_job("run", "bars", {})
    store.plan_stages(job, [("export", "qat-int8"), ("parity", "qat-int8")])
    store.change_stage(job, "export", "qat-int8", state="done", digest="aa" * 32)
    assert parity_of(store, store.workspace.artifact_dir("aa" * 32) / MODEL) is None
    assert parity_of(store, tmp_path) is None
