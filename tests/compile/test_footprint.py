"""What a build takes of each memory, divided without a remainder, and what is refused before compiling."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from evbench.compile.build import build_firmware
from evbench.compile.footprint import footprint
from evbench.compile.generate import layer_scratch_bytes
from evbench.compile.linker import STACK_BYTES
from evbench.compile.placement import plan_for
from evbench.errors import DoesNotFitError
from evbench.graph.model import IntegerGraph
from evbench.profiles import BoardProfile, load_board
from tests.compile.test_build import resized
from tests.graph.networks import float_graph, random_graph


def test_the_parts_of_every_region_add_up_to_what_the_build_uses(
    small_graph: IntegerGraph, board: BoardProfile, builds: Path
) -> None:
    build = build_firmware(small_graph, board, builds)
    found = footprint(small_graph, board, build)
    assert {region.name: region.used for region in found.regions} == build.regions
    parts = {region.name: region.parts for region in found.regions}
    assert all(sum(parts[region.name].values()) == region.used for region in found.regions)
    assert parts["dtcm"]["stack"] == found.stack_reserved == STACK_BYTES
    assert parts["dtcm"]["arena"] == plan_for(small_graph, board).peak["dtcm"]
    assert parts["flash"]["constants"] == sum(layer.constants for layer in found.layers)
    assert parts["flash"]["rest"] < 4096
    assert 0 < found.stack.bytes < STACK_BYTES


def test_every_layer_has_its_kernel_its_code_and_its_place(
    small_graph: IntegerGraph, board: BoardProfile, builds: Path
) -> None:
    layers = footprint(small_graph, board, build_firmware(small_graph, board, builds)).layers
    assert [layer.name for layer in layers] == [operator.name for operator in small_graph.operators]
    assert all(layer.code > 50 and layer.region == "dtcm" for layer in layers)
    assert all(layer.activations >= layer.output and layer.choice for layer in layers)
    assert [layer.scratch for layer in layers] == [layer_scratch_bytes(small_graph, op) for op in small_graph.operators]


def test_what_the_noise_filter_remembers_has_a_part_of_its_own(
    small_graph: IntegerGraph, board: BoardProfile, builds: Path
) -> None:
    filters = json.dumps([{"name": "background-activity", "keep_within": 30_000}])
    graph = dataclasses.replace(small_graph, metadata={"bins": "2", "window_us": "50000", "filters": filters})
    found = footprint(graph, board, build_firmware(graph, board, builds))
    filters_bytes = [region.parts.get("filter", 0) for region in found.regions if region.used]
    assert filters_bytes == [0, 145 * 32]  # 34 x 34 times of 4 bytes, in whole cache lines
    plain = footprint(small_graph, board, build_firmware(small_graph, board, builds))
    assert not any("filter" in region.parts for region in plain.regions)


def test_constants_in_external_flash_are_counted_there(small_graph: IntegerGraph, builds: Path) -> None:
    board = load_board("virtual-h743-qspi").model_copy(update={"toolchain": "zig"})
    found = footprint(small_graph, board, build_firmware(small_graph, board, builds))
    parts = {region.name: region.parts for region in found.regions}
    assert parts["qspi"]["constants"] + parts["flash"]["constants"] == sum(layer.constants for layer in found.layers)
    assert parts["qspi"].get("rest", 0) < 64


def test_constants_larger_than_flash_are_refused_before_anything_is_compiled(
    board: BoardProfile, tmp_path: Path
) -> None:
    graph = float_graph(1, size=(16, 16), bins=2, width=24)
    with pytest.raises(DoesNotFitError, match=r"flash is [\d,]+ bytes too small for its constants alone") as caught:
        build_firmware(graph, resized(board, flash=24 * 1024), tmp_path)
    assert "region flash of 24,576 bytes is full at layer 'conv4'" in caught.value.where
    assert "largest layer 'conv6'" in caught.value.where
    assert list(tmp_path.iterdir()) == []


def test_the_activity_of_a_large_sensor_has_its_place_beside_the_activations(board: BoardProfile, builds: Path) -> None:
    graph = random_graph(2, size=(260, 346), bins=2, width=4)
    regions = {region.name: region for region in footprint(graph, board, build_firmware(graph, board, builds)).regions}
    assert regions["dtcm"].parts["activity"] > 260 * 11 * 4
    assert regions["dtcm"].used <= board.memory["dtcm"].size
