"""C from IntegerGraphs: what is refused, and what the files say."""

from __future__ import annotations

import ctypes
import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from evbench.compile.generate import Generated, generate
from evbench.compile.host import HostModel, separate_memory
from evbench.compile.placement import plan_for
from evbench.compile.sparse import nonzero_weights
from evbench.errors import BuildError
from evbench.graph.background import backgrounds
from evbench.graph.execute import execute
from evbench.graph.model import Conv2d, IntegerGraph, State, Tensor
from evbench.profiles import BoardProfile
from tests.graph.networks import Builder, float_graph, sparse_windows


def skipping(generated: Generated) -> set[str]:
    return {choice.layer for choice in generated.choices if choice.skips}


def replaced(graph: IntegerGraph, tensors: Mapping[str, Tensor]) -> IntegerGraph:
    return dataclasses.replace(graph, tensors={**graph.tensors, **tensors})


def test_the_same_graph_gives_the_same_files(small_graph: IntegerGraph, tmp_path: Path) -> None:
    plan = separate_memory(small_graph)
    generated = generate(small_graph, plan, tmp_path)
    assert generated == generate(small_graph, plan)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == generated.files


def test_only_the_kernels_that_are_needed_are_named(small_graph: IntegerGraph) -> None:
    generated = generate(small_graph, separate_memory(small_graph))
    called = {"ev_avgpool_u8", "ev_sparse_conv2d_u8s8", "ev_sparse_depthwise_u8s8", "ev_linear_u8s8_f32"}
    called |= {"ev_nonzero_conv2d_u8s8"}
    parts = {
        "ev_conv2d_u8s8",
        "ev_multiply_pairs",
        "ev_nonzero_site",
        "ev_find_sites",
        "ev_spread_sites",
        "ev_fill_background",
        "ev_copy_background",
    }
    assert generated.kernels == tuple(sorted(called | parts))


def test_all_constants_are_in_one_file(small_graph: IntegerGraph) -> None:
    generated = generate(small_graph, separate_memory(small_graph))
    multipliers = 4 * sum(len(op.bias) for op in small_graph.operators if hasattr(op, "bias")) + 8
    padding = 8 * 5 * len(small_graph.operators)
    floor = small_graph.weight_bytes - sum(
        op.weight_scale.nbytes for op in small_graph.operators if hasattr(op, "bias")
    )
    skipped = [backgrounds(small_graph)[op.output] for op in small_graph.operators if op.name in skipping(generated)]
    rows = sum(background.rows.nbytes + background.classes.nbytes for background in skipped)
    zeros = {choice.layer for choice in generated.choices if choice.nonzero}
    rows += sum(
        nonzero_weights(op).nbytes for op in small_graph.operators if op.name in zeros and isinstance(op, Conv2d)
    )
    size = len(generated.files["weights.bin"])
    assert floor + multipliers - 8 <= size - rows <= floor + multipliers + padding
    assert sum(generated.constant_bytes.values()) == len(generated.files["weights.bin"])


def test_arenas_are_as_large_as_the_plan_says(small_graph: IntegerGraph, board: BoardProfile) -> None:
    plan = plan_for(small_graph, board)
    text = generate(small_graph, plan).files["model.c"].decode()
    sizes = dict(re.findall(r"static uint8_t arena_(\w+)\[(\d+)\]", text))
    assert {name: int(size) for name, size in sizes.items()} == {name: size for name, size in plan.peak.items() if size}


def test_names_of_layers_cannot_break_the_source(small_graph: IntegerGraph, tmp_path: Path) -> None:
    evil = 'conv"; **// int x; /*\n??/\\'
    operators = (dataclasses.replace(small_graph.operators[0], name=evil), *small_graph.operators[1:])
    graph = dataclasses.replace(small_graph, operators=operators, name=evil)
    batch = sparse_windows(1, 1, (4, 32, 32))
    logits = HostModel(graph, tmp_path).run(batch)[graph.outputs[0]]
    np.testing.assert_array_equal(logits, execute(graph, batch)[graph.outputs[0]])


def test_a_network_with_states_is_refused(small_graph: IntegerGraph) -> None:
    graph = dataclasses.replace(small_graph, states=(State("input", small_graph.operators[0].output),))
    with pytest.raises(BuildError, match="states"):
        generate(graph, separate_memory(graph))


def test_float_weights_on_scaled_counts_are_refused_with_the_layers_name() -> None:
    graph = float_graph(1, size=(16, 16), bins=1, width=2)
    scaled = dataclasses.replace(graph.tensors["input"], scale=0.5)
    with pytest.raises(BuildError, match=r"scale 0\.5") as caught:
        generate(replaced(graph, {"input": scaled}), separate_memory(graph))
    assert graph.operators[0].name in caught.value.where


def test_more_logits_than_a_frame_holds_are_refused() -> None:
    build = Builder(1, sparse_windows(2, 4, (2, 8, 8)))
    graph = build.graph(build.linear("input", 241))
    with pytest.raises(BuildError, match="241 float outputs"):
        generate(graph, separate_memory(graph))


def test_an_8_bit_output_of_one_pixel_is_returned_as_real_values(tmp_path: Path) -> None:
    build = Builder(3, sparse_windows(4, 3, (2, 12, 12)), zero_points=True)
    graph = build.graph(build.linear(build.average(build.conv("input", 4)), 5, logits=False, relu=False))
    output = graph.tensors[graph.outputs[0]]
    window = sparse_windows(5, 1, (2, 12, 12))
    logits = np.zeros(5, np.float32)
    stored = np.ascontiguousarray(np.moveaxis(window[0], 0, -1))
    HostModel(graph, tmp_path).library.ev_host_infer(*(ctypes.c_void_p(a.ctypes.data) for a in (stored, logits)))
    integers = execute(graph, window)[output.name][0].astype(np.float32)
    assert output.zero_point > 0
    np.testing.assert_array_equal(logits, (integers - np.float32(output.zero_point)) * np.float32(output.scale))
