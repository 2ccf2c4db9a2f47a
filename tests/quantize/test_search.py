"""What a search believes of a hybrid network and which steps it takes, on networks worked out by hand."""

from __future__ import annotations

import pytest

from evbench.graph.hybrid import Change, choices, compose
from evbench.quantize.search import Costs, ErrorModel, Expectation, simpler, walk
from tests.graph.networks import branched_graph, random_graph, residual_graph

GRAPH = random_graph(1, size=(32, 32), bins=2, width=4)
LAYERS = [operator.name for operator in GRAPH.operators]


def test_nothing_but_int8_changes_no_grid() -> None:
    found = compose(GRAPH, {}, skipping={LAYERS[0], LAYERS[1]})
    assert set(found.modes.values()) == {"int8"}
    assert found.changes == ()


def test_a_layer_that_stops_skipping_makes_those_behind_it_compute_everything() -> None:
    found = compose(GRAPH, {LAYERS[1]: "fp32"}, skipping=set(LAYERS[:4]))
    assert [found.modes[layer] for layer in LAYERS[:4]] == ["int8", "fp32", "int8 dense", "int8 dense"]


def test_a_16_bit_layer_and_its_reader_compute_wide_and_the_reader_narrows_its_output() -> None:
    found = compose(GRAPH, {LAYERS[2]: "int16"})
    assert [found.modes[layer] for layer in LAYERS[1:5]] == ["int8", "int16", "int16", "int8"]
    sizes = [GRAPH.tensors[GRAPH.operators[number].output].size for number in (1, 3)]
    assert found.changes == (Change("int8", "int16", sizes[0]), Change("int16", "int8", sizes[1]))
    assert (found.grids[LAYERS[2]], found.grids[LAYERS[3]]) == ("int16", "int8")


def test_float_layers_in_a_row_are_read_without_a_grid() -> None:
    found = compose(GRAPH, {LAYERS[2]: "fp32", LAYERS[3]: "fp32"})
    assert (found.grids[LAYERS[2]], found.grids[LAYERS[3]]) == ("fp32", "int8")
    assert [(change.given, change.made) for change in found.changes] == [("int8", "fp32"), ("fp32", "int8")]


def test_logits_and_what_lies_before_a_concatenation_have_no_16_bit_form() -> None:
    assert choices(GRAPH)[LAYERS[-1]] == ("fp32",)
    branched = branched_graph(1)
    joined = next(operator for operator in branched.operators if operator.kind == "Concat")
    before = [operator.name for operator in branched.operators if operator.output in joined.inputs]
    assert before
    assert all("int16" not in choices(branched).get(name, ()) for name in before)
    residual = residual_graph(1, size=(32, 32), bins=2, width=4)
    assert all("int16" in precisions for precisions in list(choices(residual).values())[:-1])


def costs_of(layer_cycles: dict[str, float]) -> Costs:
    costs = Costs()
    for layer in LAYERS:
        for mode, cycles in layer_cycles.items():
            costs.layers[layer, mode] = cycles  # type: ignore[index]
    costs.changes = {("int8", "int16"): 1.0, ("int16", "int8"): 2.0}
    return costs


def part(layer: str, what: str, rms: float) -> dict[str, object]:
    return {"layer": layer, "what": what, "only": {"logit_rms": rms}}


PARTS = [part(layer, what, 0.01) for layer in LAYERS for what in ("weights", "activations")]


def test_cycles_of_changes_that_were_not_measured_are_the_mean_of_the_others() -> None:
    costs = costs_of({"int8": 100.0, "int16": 200.0, "fp32": 1000.0})
    found = compose(GRAPH, {LAYERS[2]: "fp32"})
    elements = sum(change.elements for change in found.changes)
    assert costs.cycles(found) == pytest.approx(100.0 * (len(LAYERS) - 1) + 1000.0 + 1.5 * elements)


def test_the_first_step_takes_away_the_error_that_matters_for_the_fewest_cycles() -> None:
    parts = [entry for entry in PARTS if entry["layer"] != LAYERS[2]]
    parts += [part(LAYERS[2], "weights", 0.01), part(LAYERS[2], "activations", 0.5)]
    costs = costs_of({"int8": 100.0, "int8 dense": 100.0, "int16": 150.0, "fp32": 100_000.0})
    path = walk(Expectation(GRAPH, frozenset(), costs, ErrorModel(parts)))
    assert path[0].assignment == {}
    assert path[1].assignment == {LAYERS[2]: "int16"}
    assert path[1].error < 0.2 * path[0].error
    errors = [point.error for point in path]
    assert errors == sorted(errors, reverse=True)


def test_a_precision_that_does_not_fit_is_never_proposed() -> None:
    costs = costs_of({"int8": 100.0, "int16": 150.0})
    path = walk(Expectation(GRAPH, frozenset(), costs, ErrorModel(PARTS)))
    assert {precision for point in path for precision in point.assignment.values()} == {"int16"}
    assert walk(Expectation(GRAPH, frozenset(), costs, ErrorModel(PARTS)), without=("int16", "fp32"))[1:] == []


def test_layers_go_back_to_int8_where_that_is_faster_the_one_that_saves_most_first() -> None:
    costs = costs_of({"int8": 100.0, "int8 dense": 100.0, "int16": 150.0, "fp32": 100_000.0})
    expected = Expectation(GRAPH, frozenset(), costs, ErrorModel(PARTS))
    point = expected.point({LAYERS[1]: "int16", LAYERS[4]: "fp32"})
    found = simpler(expected, point)
    assert [layer for layer, _ in found] == [LAYERS[4], LAYERS[1]]
    assert found[0][1].assignment == {LAYERS[1]: "int16"}
    assert [layer for layer, _ in simpler(expected, point, tried={LAYERS[4]})] == [LAYERS[1]]
