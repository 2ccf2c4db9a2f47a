"""Arena plans: tensors that live together never overlap, and what does not fit is refused by layer."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evbench.errors import ModelError
from evbench.graph.memory import ALIGNMENT, lifetimes, plan_memory, reads_ahead
from evbench.graph.model import Add, DType, GlobalAveragePool, IntegerGraph, MaxPool2d, Operator, Rescale, Tensor
from tests.graph.networks import random_graph, residual_graph

BOARD = {"axi": 512 * 1024, "sram": 288 * 1024, "dtcm": 96 * 1024}


@st.composite
def branching_graphs(draw: st.DrawFn) -> IntegerGraph:
    """Chains and additions of tensors of arbitrary age; only shapes and lifetimes mean anything."""
    tensors = {"input": Tensor("input", (draw(st.integers(1, 900)), 4, 4), DType.U8)}
    operators: list[Operator] = []
    for index in range(draw(st.integers(1, 14))):
        name = f"t{index}"
        known = draw(st.sampled_from(sorted(tensors)))
        mates = [other for other in tensors if tensors[other].shape == tensors[known].shape]
        if draw(st.booleans()):
            second = draw(st.sampled_from(mates))
            operators.append(Add(f"layer{index}", (known, second), name, relu=False))
            tensors[name] = Tensor(name, tensors[known].shape, DType.U8)
        elif tensors[known].shape[1] > 1 and draw(st.booleans()):
            channels, height, width = tensors[known].shape
            operators.append(MaxPool2d(f"layer{index}", (known,), name, (2, 2), (2, 2), (0,) * 4))
            tensors[name] = Tensor(name, (channels, height // 2, width // 2), DType.U8)
        else:
            operators.append(GlobalAveragePool(f"layer{index}", (known,), name))
            tensors[name] = Tensor(name, (draw(st.integers(1, 900)), 1, 1), DType.U8)
    outputs = (operators[draw(st.integers(0, len(operators) - 1))].output, operators[-1].output)
    return IntegerGraph("drawn", tensors, tuple(operators), ("input",), tuple(dict.fromkeys(outputs)))


def assert_sound(graph: IntegerGraph, capacity: dict[str, int]) -> None:
    plan = plan_memory(graph, capacity)
    lives = lifetimes(graph, plan.inputs_kept)
    in_place = {
        frozenset((name, op.output))
        for step, op in enumerate(graph.operators)
        if isinstance(op, Add)
        for name in op.inputs
        if lives[name][1] == step and name not in graph.outputs
    }
    pooled = {(op.inputs[0], op.output) for op in graph.operators if reads_ahead(graph, op)}
    assert plan.placements.keys() == lives.keys()
    for name, place in plan.placements.items():
        assert place.offset % ALIGNMENT == 0
        assert graph.tensors[name].bytes <= place.bytes
        assert place.offset + place.bytes <= plan.peak[place.region] <= capacity[place.region]
    for one, other in combinations(lives, 2):
        together = lives[one][0] <= lives[other][1] and lives[other][0] <= lives[one][1]
        a, b = plan.placements[one], plan.placements[other]
        overlap = a.region == b.region and a.offset < b.offset + b.bytes and b.offset < a.offset + a.bytes
        if together and overlap and (one, other) in pooled:
            assert lives[one][1] == lives[other][0]
            assert b.offset <= a.offset
        elif together and overlap:
            assert frozenset((one, other)) in in_place
            assert a == b


@settings(max_examples=150, deadline=None)
@given(graph=branching_graphs(), split=st.integers(0, 40))
def test_tensors_that_live_together_never_overlap(graph: IntegerGraph, split: int) -> None:
    everything = sum(tensor.bytes + ALIGNMENT for tensor in graph.tensors.values())
    assert_sound(graph, {"first": split * ALIGNMENT, "second": everything})
    assert_sound(graph, {"only": everything})


@pytest.mark.parametrize("graph", [random_graph(0), residual_graph(0)], ids=lambda graph: graph.name)
def test_real_shapes_need_little_more_than_the_widest_layer(graph: IntegerGraph) -> None:
    assert_sound(graph, BOARD)
    plan = plan_memory(graph, BOARD)
    assert plan.inputs_kept
    assert plan.peak["sram"] == plan.peak["dtcm"] == 0
    assert plan.bytes <= 1.2 * max(plan.live.values())


def test_an_addition_takes_the_place_of_an_operand_read_for_the_last_time() -> None:
    graph = residual_graph(0)
    plan = plan_memory(graph, BOARD)
    for operator in graph.operators:
        if isinstance(operator, Add):
            places = [plan.placements[name] for name in operator.inputs]
            assert plan.placements[operator.output] in places


def test_a_change_of_grid_between_equal_widths_stays_in_place() -> None:
    dtypes = {"input": DType.U8, "a": DType.U8, "same": DType.S8, "wider": DType.S16}
    tensors = {name: Tensor(name, (4, 8, 8), dtype) for name, dtype in dtypes.items()}
    operators = (
        MaxPool2d("pool", ("input",), "a", (1, 1), (1, 1), (0, 0, 0, 0)),
        Rescale("narrow", ("a",), "same"),
        Rescale("widen", ("same",), "wider"),
    )
    plan = plan_memory(IntegerGraph("grids", tensors, operators, ("input",), ("wider",)), {"only": 10**6})
    assert plan.placements["same"] == plan.placements["a"]
    assert plan.live["widen"] == sum(tensors[name].bytes for name in ("input", "same", "wider"))


def test_a_pooling_writes_over_what_it_has_read_and_saves_its_outputs_bytes() -> None:
    shapes = {"input": (8, 32, 32), "a": (64, 16, 16), "b": (64, 8, 8), "c": (16, 1, 1)}
    tensors = {name: Tensor(name, shape, DType.U8) for name, shape in shapes.items()}
    operators = (
        GlobalAveragePool("first", ("input",), "a"),  # only shapes and lifetimes mean anything
        MaxPool2d("pool", ("a",), "b", (2, 2), (2, 2), (0, 0, 0, 0)),
        GlobalAveragePool("last", ("b",), "c"),
    )
    plan = plan_memory(IntegerGraph("pooled", tensors, operators, ("input",), ("c",)), {"only": 10**6})
    assert plan.placements["b"].offset <= plan.placements["a"].offset
    assert plan.live["pool"] == plan.peak["only"] == tensors["input"].bytes + tensors["a"].bytes


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "ahead"),
    [(2, 2, 0, True), (3, 2, 1, True), (3, 2, 0, True), (2, 1, 0, True), (3, 1, 1, False), (5, 2, 2, False)],
)
def test_poolings_whose_windows_reach_back_keep_a_place_of_their_own(
    kernel: int, stride: int, padding: int, ahead: bool
) -> None:
    side = (9 + 2 * padding - kernel) // stride + 1
    tensors = {"a": Tensor("a", (3, 9, 9), DType.U8), "b": Tensor("b", (3, side, side), DType.U8)}
    pool = MaxPool2d("pool", ("a",), "b", (kernel, kernel), (stride, stride), (padding,) * 4)
    assert reads_ahead(IntegerGraph("pool", tensors, (pool,), ("a",), ("b",)), pool) is ahead


def test_the_input_gives_up_its_memory_when_there_is_no_room() -> None:
    graph = random_graph(0)
    full = plan_memory(graph, BOARD)
    tight = plan_memory(graph, {"axi": full.bytes - ALIGNMENT})
    assert full.inputs_kept
    assert not tight.inputs_kept
    assert_sound(graph, {"axi": full.bytes - ALIGNMENT})


def test_the_first_region_holds_everything_it_has_room_for() -> None:
    graph = random_graph(0)
    plan = plan_memory(graph, {"enough": 10**6, "more": 10**6})
    assert plan.peak["more"] == 0


def test_a_fast_region_too_small_for_all_holds_what_is_written_and_read_most() -> None:
    graph = random_graph(0)
    plan = plan_memory(graph, {"fast": 64 * 1024, "large": 10**6})
    assert plan.placements["input"].region == "large"
    assert all(place.region == "fast" for name, place in plan.placements.items() if name != "input")


@settings(max_examples=100, deadline=None)
@given(graph=branching_graphs(), data=st.data())
def test_scratch_shares_memory_only_with_what_is_not_alive_and_what_lasts_with_nothing(
    graph: IntegerGraph, data: st.DataObject
) -> None:
    scratch = {operator.name: data.draw(st.integers(0, 3000)) for operator in graph.operators}
    lasting = data.draw(st.integers(0, 3000))
    everything = sum(tensor.bytes + ALIGNMENT for tensor in graph.tensors.values()) + lasting + ALIGNMENT
    plan = plan_memory(graph, {"fast": 3008, "large": everything}, scratch, lasting)
    lives = lifetimes(graph, plan.inputs_kept)
    for step, operator in enumerate(graph.operators):
        for name, place in plan.placements.items():
            if lives[name][0] <= step <= lives[name][1] and place.region == "fast":
                assert place.offset >= scratch[operator.name]
    largest = max(scratch.values())
    assert (plan.scratch is None) == (largest == 0)
    if plan.scratch:
        assert (plan.scratch.region, plan.scratch.offset) == ("fast", 0)
        assert largest <= plan.scratch.bytes <= plan.peak["fast"]
    assert (plan.lasting is None) == (lasting == 0)
    if plan.lasting:
        begin, end = plan.lasting.offset, plan.lasting.offset + plan.lasting.bytes
        taken = [place for place in plan.placements.values() if place.region == plan.lasting.region]
        taken += [plan.scratch] if plan.scratch and plan.lasting.region == "fast" else []
        assert all(place.offset >= end or place.offset + place.bytes <= begin for place in taken)
        assert end <= plan.peak[plan.lasting.region]


def test_scratch_larger_than_the_fastest_region_is_refused_by_its_layer() -> None:
    graph = random_graph(0)
    name = graph.operators[1].name
    with pytest.raises(ModelError, match=f"layer '{name}'"):
        plan_memory(graph, {"fast": 1024, "large": 10**6}, {name: 10**6})


def test_activations_that_do_not_fit_name_the_layer_and_the_bytes() -> None:
    with pytest.raises(ModelError, match=r"196,608 bytes are needed at once\. layer 'conv0', with 102,400 bytes"):
        plan_memory(random_graph(0), {"axi": 100 * 1024})
