"""A search measures, proposes and verifies; killed, it goes on; what it found is drawn and can be put into a recipe."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from evbench.errors import DoesNotFitError, ModelError
from evbench.graph.file import save_graph
from evbench.graph.model import IntegerGraph
from evbench.jobs import search as jobs
from evbench.jobs.stage import Context
from evbench.jobs.stages import search, sensitivity
from evbench.jobs.store import Store
from evbench.profiles import load_board, load_recipe
from evbench.resources import resource
from evbench.workspace import Workspace
from tests.graph.networks import mixed_graph
from tests.training.conftest import corner_windows

BUNDLED = resource("assets", "model")
BOARD = load_board("virtual-h743")


def context_of(workspace: Workspace, folder: Path, parts: list[dict[str, Any]]) -> Context:
    for name in ("dataset", "sensitivity", "out"):
        (folder / name).mkdir(exist_ok=True)
    for split in ("train", "validation", "test"):
        corner_windows(2, seed=1, shape=(10, 128, 128)).save(folder / "dataset" / f"voxel-{split}.npz")
    (folder / "sensitivity" / sensitivity.RESULT).write_text(json.dumps({"windows": 4, "parts": parts}))
    inputs = {"dataset": folder / "dataset", "sensitivity": folder / "sensitivity"}
    return Context(workspace, folder / "out", folder, inputs, lambda *_: None, lambda: None, lambda *_: None, None)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Layers cost 1,000 cycles with 8 bits, 1,500 with 16 and do not fit in float32; names of the networks measured."""
    seen: list[str] = []

    def cycles(self: Any, graph: IntegerGraph) -> dict[str, int] | str:
        seen.append(graph.name)
        if graph.has_float_layers:
            return "The image is too large"
        return {
            op.name: 1500 if "s16" in (graph.tensors[name].dtype for name in (*op.inputs, op.output)) else 1000
            for op in graph.operators
        }

    def verified(self: Any, point: Any) -> dict[str, Any]:
        if not point["layers"]:
            raise DoesNotFitError("The image does not fit")
        return {"latency_ms": 1.0, "total_cycles": 480_000}

    monkeypatch.setattr(search._Search, "_cycles", cycles)
    monkeypatch.setattr(search._Search, "_verified", verified)
    monkeypatch.setattr(search, "_POINTS", 2)
    monkeypatch.setattr(search, "_CALIBRATION", 1)
    return seen


def part(layer: str, rms: float) -> dict[str, Any]:
    return {"layer": layer, "what": "activations", "only": {"logit_rms": rms}}


def test_a_search_proposes_the_fastest_network_inside_the_budget_that_fits_and_resumes(
    workspace: Workspace, tmp_path: Path, measured: list[str]
) -> None:
    context = context_of(workspace, tmp_path, [part("blocks.1.pointwise.0", 0.5), part("head.pool", 0.01)])
    message = search.run(context, BUNDLED, {"model": "bundled", "digest": "d"}, BOARD, 100.0)
    found = json.loads((tmp_path / "out" / search.RESULT).read_text())
    chosen = [point for point in found["points"] if point["chosen"]]
    assert [point["layers"] for point in chosen] == [{"blocks.1.pointwise.0": "int16", "head.pool": "int16"}]
    assert found["left_out"]["fp32"] == "The image is too large"
    assert "The image does not fit" in found["left_out"].values()
    assert found["points"][0]["layers"] == {}
    assert found["points"][0]["predicted_cycles"] < chosen[0]["predicted_cycles"]
    assert found["met"]
    assert "1.00 ms" in message
    count = len(measured)
    (tmp_path / "measured.jsonl").write_text((tmp_path / "measured.jsonl").read_text()[:-9])
    assert search.run(context, BUNDLED, {"model": "bundled", "digest": "d"}, BOARD, 100.0) == message
    assert len(measured) == count
    assert json.loads((tmp_path / "out" / search.RESULT).read_text()) == found


def test_the_fragment_is_the_table_of_a_recipe(tmp_path: Path) -> None:
    layers = {"blocks.3.pointwise.0": "int16", 'odd"name': "fp32"}
    text = '[dataset]\nname = "simulated-bars"\n' + search.recipe_fragment(layers)  # type: ignore[arg-type]
    (tmp_path / "mine.toml").write_text(text)
    assert load_recipe(tmp_path / "mine.toml").quantize.layers == layers


def point(ms: float, drop: float, rms: float, layers: dict[str, str], **more: Any) -> dict[str, Any]:
    cycles = round(480_000 * ms)
    figures = {"predicted_ms": ms, "predicted_cycles": cycles, "predicted_rms": rms, "logit_rms": rms}
    return {"layers": layers, "drop_points": drop, "accuracy": 0.9 - drop / 100, **figures, **more}


def result() -> dict[str, Any]:
    points = [
        point(4.0, 1.0, 0.2, {}),
        point(5.0, 1.0, 0.3, {"a": "fp32"}),
        point(6.0, 0.25, 0.1, {"a": "int16", "b": "int16", "c": "int16"}),
    ]
    rates = {name: {"value": 0.9} for name in ("float", "int8", "chosen")}
    return {
        "model": "mine",
        "board": "virtual-h743",
        "budget_points": 0.5,
        "met": True,
        "windows": 400,
        "left_out": {"fp32": "The image is too large"},
        "points": [{**one, "chosen": one is points[2], "frontier": search._leads(one, points)} for one in points],
        "recipe": search.recipe_fragment({"a": "int16"}),
        "verified": {
            "total_cycles": 2_880_000,
            "latency_ms": 6.0,
            "modelled": True,
            "flash_bytes": 102_400,
            "ram_bytes": 204_800,
            "parity": {"passed": True, "windows": 4},
            "test": rates,
        },
    }


def test_a_slower_and_less_exact_network_is_not_on_the_frontier() -> None:
    assert [point["frontier"] for point in result()["points"]] == [True, False, True]


def test_the_view_shows_frontier_choice_verification_and_fragment() -> None:
    console = Console(width=140, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(jobs.search_view(result()))
    shown = console.export_text()
    assert "int16: a, b and 1 more" in shown
    assert "2,880,000 cycles = 6.00 ms, modelled (predicted +0.0 %)" in shown
    assert "The image is too large" in shown
    assert '"a" = "int16"' in shown
    assert "points below float" in shown


def test_the_fragment_of_a_finished_search_can_be_written(store: Store, tmp_path: Path) -> None:
    job = store.add_job(jobs.KIND, "mine", {})
    store.change_job(job, state="done", result=result())
    jobs.write_fragment(store.workspace, job, tmp_path / "layers.toml")
    assert (tmp_path / "layers.toml").read_text() == '[quantize.layers]\n"a" = "int16"\n'


def test_a_model_that_is_not_int8_throughout_is_refused_with_its_layer(workspace: Workspace, tmp_path: Path) -> None:
    shutil.copytree(BUNDLED, tmp_path / "model")
    save_graph(mixed_graph(0), tmp_path / "model" / "graph.safetensors")
    with pytest.raises(ModelError, match=r"layers are all int8.*layer 'grid1'"):
        jobs.submit_search(workspace, str(tmp_path / "model"))
