"""What is said about a layer's cycles: blocks, issue slots, the rules that leave them empty."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from evbench.boards.explain import HotBlock, IssuedInstruction, LayerExplanation, explain_layer
from evbench.boards.session import BoardSession, open_board
from evbench.boards.virtual.rules import RULES
from evbench.compile.build import Build, build_firmware
from evbench.errors import BuildError, ModelError
from evbench.graph.model import IntegerGraph
from evbench.jobs.explain import WIDTH, explain_kernel, explanation_view, find_layer
from evbench.jobs.store import Store
from evbench.profiles import load_board
from evbench.workspace import open_workspace
from tests.graph.networks import random_graph, sparse_windows

LAYERS = 9


@pytest.fixture(scope="module")
def graph() -> IntegerGraph:
    return random_graph(3, size=(32, 32), width=4)


@pytest.fixture(scope="module")
def build(graph: IntegerGraph, tmp_path_factory: pytest.TempPathFactory) -> Build:
    return build_firmware(graph, load_board("virtual-h743"), tmp_path_factory.mktemp("builds"))


@pytest.fixture(scope="module")
def session(build: Build, tmp_path_factory: pytest.TempPathFactory) -> BoardSession:
    with open_board(load_board("virtual-h743"), cache=tmp_path_factory.mktemp("native")) as opened:
        opened.flash(build)
        yield opened


@pytest.fixture(scope="module")
def window() -> np.ndarray:
    return sparse_windows(7, 1, (10, 32, 32))[0]


@pytest.fixture(scope="module")
def explained(session: BoardSession, build: Build, graph: IntegerGraph, window: np.ndarray) -> LayerExplanation:
    return explain_layer(session, build, graph, window, 1)


@pytest.mark.parametrize("layer", [0, 1, LAYERS - 1])
def test_a_layers_blocks_add_up_to_what_its_cycle_counter_says(
    session: BoardSession, build: Build, graph: IntegerGraph, window: np.ndarray, layer: int
) -> None:
    found = explain_layer(session, build, graph, window, layer)
    counted = session.run_window(window, 5).layers[layer].cycles
    assert found.layer == graph.operators[layer].name
    assert found.cycles == pytest.approx(counted, rel=0.02, abs=500)  # what is between the layers is counted too


def test_the_hottest_block_comes_first_and_lies_in_a_function_of_the_firmware(explained: LayerExplanation) -> None:
    cycles = [block.cycles for block in explained.blocks]
    assert cycles == sorted(cycles, reverse=True)
    assert "+0x" in explained.blocks[0].place


def test_every_rule_that_is_named_is_one_of_the_models(explained: LayerExplanation) -> None:
    named = {one.rule for block in explained.blocks for one in block.issued} | set(explained.lost)
    assert named - {""} <= set(RULES)
    assert named - {""}


def test_no_slot_is_lost_twice(explained: LayerExplanation) -> None:
    slots = 2 * explained.cycles
    lost = sum(explained.lost.values()) + 2 * explained.misprediction_cycles + 2 * explained.line_cycles
    assert explained.instructions + lost == pytest.approx(slots, rel=0.03)


def test_an_explanation_fits_a_hundred_columns_and_json(explained: LayerExplanation) -> None:
    console = Console(width=WIDTH, record=True, force_terminal=False)
    with console.capture() as captured:
        console.print(explanation_view(explained))
    lines = captured.get().splitlines()
    assert max(map(len, lines)) <= WIDTH
    first = explained.blocks[0].issued[0].text
    assert any(first in line for line in lines)
    content = json.loads(json.dumps(explained.to_json()))
    assert content["modelled"]
    assert content["blocks"][0]["instructions"][0]["text"] == first


def one(text: str, cycle: float, *, younger: bool = False, waits: float = 0, rule: str = "", occupies: int = 1):
    return IssuedInstruction(text, cycle, younger, waits, rule, "r0" if waits else "", occupies, "divide")


def test_slots_are_lost_to_waits_missing_partners_and_long_instructions() -> None:
    issued = (
        one("add", 0),
        one("mul", 1, rule="one-multiplier"),
        one("eor", 3, waits=1, rule="multiply-result"),
        one("ldr", 3, younger=True, waits=0.5, rule="unknown-bank"),
        one("udiv", 4.5, occupies=8),
    )
    block = HotBlock(0x08000000, "f+0x0", 1, 12.5, 0, 0, 0.0, 12.5, issued)
    lost = block.lost()
    assert lost == {"one-multiplier": 1, "multiply-result": 3, "unknown-bank": 1, "divide": 15}
    assert len(issued) + sum(lost.values()) == 2 * block.per_run


def test_a_layer_is_found_by_name_or_number_and_others_are_refused_with_the_list(graph: IntegerGraph) -> None:
    name = graph.operators[2].name
    assert find_layer(graph, name) == find_layer(graph, "2") == 2
    with pytest.raises(ModelError, match=f"2 {name}"):
        find_layer(graph, "99")


def test_an_unknown_kernel_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    store = Store(open_workspace(tmp_path))
    with pytest.raises(BuildError, match="pointwise"):
        explain_kernel(store, "matmul", load_board("virtual-h743"))


def test_a_kernel_of_the_benchmark_can_be_explained(tmp_path: Path) -> None:
    found = explain_kernel(Store(open_workspace(tmp_path)), "linear 96-11", load_board("virtual-h743"), blocks=1)
    assert found.macs == 96 * 11
    assert len(found.blocks) == 1
