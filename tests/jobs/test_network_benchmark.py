"""The whole-network benchmark: MLPerf Tiny's shape, its bytes and its target, and how it is asked for."""

from __future__ import annotations

import pytest

from evbench.errors import ProfileError
from evbench.jobs.network_benchmark import NetworkFigure, load_benchmark, measure_network, network_table
from evbench.profiles import load_board, load_recipe


@pytest.fixture(scope="module")
def figure(tmp_path_factory: pytest.TempPathFactory) -> NetworkFigure:
    profile = load_board("virtual-h743").model_copy(update={"toolchain": "zig"})
    (figure,) = measure_network(load_benchmark("bench-resnet8"), profile, tmp_path_factory.mktemp("builds"))
    return figure


def test_resnet8_has_the_work_of_mlperf_tiny(figure: NetworkFigure) -> None:
    assert figure.macs == 12_501_632
    assert sum(layer["macs"] for layer in figure.layers) == figure.macs


def test_resnet8_computes_the_bytes_of_the_reference_within_its_target(figure: NetworkFigure) -> None:
    assert figure.equal
    assert figure.modelled
    assert figure.meets_target, figure.cycles_per_mac


def test_the_table_shows_the_figure_beside_what_others_publish(figure: NetworkFigure) -> None:
    table = network_table([figure])
    assert table.title is not None
    assert "modelled" in str(table.title)
    assert table.row_count == 1 + len(figure.published) == 3


def test_running_a_benchmark_as_a_recipe_names_the_command_that_measures_it() -> None:
    with pytest.raises(ProfileError, match="evbench bench network bench-resnet8"):
        load_recipe("bench-resnet8")


def test_a_wrong_benchmark_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(ProfileError, match='Did you mean "bench-resnet8"'):
        load_benchmark("bench-resnet9")
