"""The kernels' benchmark: its layers, and that each meets its target and has the reference's bytes."""

from __future__ import annotations

import pytest

from evbench.graph.validate import validate
from evbench.jobs.benchmarks import CASES, LAYER, KernelFigure, case_graph, kernels_table, measure_kernels
from evbench.profiles import load_board


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> list[KernelFigure]:
    profile = load_board("virtual-h743").model_copy(update={"toolchain": "zig"})
    return measure_kernels(profile, tmp_path_factory.mktemp("builds"))


def test_every_case_is_a_valid_network_around_its_layer() -> None:
    for case in CASES:
        graph = case_graph(case)
        validate(graph)
        (layer,) = [operator for operator in graph.operators if operator.name == LAYER]
        assert graph.tensors[layer.inputs[0]].dtype is case.given


def test_every_kernel_computes_the_bytes_of_the_reference(figures: list[KernelFigure]) -> None:
    assert [figure.name for figure in figures] == [case.name for case in CASES]
    assert all(figure.equal for figure in figures)


def test_every_kernel_meets_its_target(figures: list[KernelFigure]) -> None:
    assert [figure.name for figure in figures if not figure.meets_target] == []


def test_figures_can_be_read_by_programs_and_people(figures: list[KernelFigure]) -> None:
    report = figures[0].to_json()
    assert {"name", "toolchain", "macs", "cycles", "cycles_per_mac", "target", "cmsis_nn", "meets_target"} <= set(
        report
    )
    table = kernels_table(figures)
    assert table.row_count == len(figures)
    assert str(table.title).startswith("Modelled")
