"""What the command and the workbench show of a tensor is what its statistics hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from evbench.errors import ModelError
from evbench.jobs.movement_view import NOTHING, movement_view
from evbench.jobs.quantisation import axis_limits, detail, log_columns, over_training, overview, position
from evbench.jobs.tensor_views import tensor_view, tensors_table
from evbench.quantize.movement import no_movement
from evbench.quantize.statistics import Collector, ModelStatistics, ObserverSettings, ScaleRecord

RNG = np.random.default_rng(1)


@pytest.fixture(scope="module")
def statistics() -> ModelStatistics:
    """An activation with 90 % zeros, a mode around 5 and one outlier of 1000 that owns a range of 1000."""
    values = np.abs(RNG.normal(5, 1, (8, 4, 30, 30))) * (RNG.random((8, 4, 30, 30)) >= 0.9)
    values[0, 0, 0, 0] = 1000.0
    scale = 1000.0 / 255
    collector = Collector("block", "activation", 0, 255, np.array([scale]), "minmax")
    collector.add(values.astype(np.float32), (np.rint(values / scale) * scale).astype(np.float32))
    weight = RNG.normal(0, 1, (4, 9)).astype(np.float32)
    weights = Collector("block.weight", "weight", -127, 127, np.abs(weight).max(axis=1) / 127, "minmax")
    weights.add(weight, weight)
    record = ScaleRecord(("block",), np.arange(0, 40, 10), np.array([[1.0], [2.0], [3.0], [scale]]))
    return ModelStatistics((weights.finish(), collector.finish(batches=3)), ObserverSettings(), record)


def drawn(renderable: object, width: int) -> str:
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(renderable)
    return console.export_text()


def test_the_overview_flags_the_tensor_whose_alarm_it_tells(statistics: ModelStatistics) -> None:
    found = overview("mine", statistics)
    assert [tensor["flags"] for tensor in found["tensors"]] == [[], ["outlier"]]
    shown = drawn(tensors_table(found), 120)
    assert "owns the range" in shown
    assert "zero-aware" in shown


def test_the_histogram_of_a_detail_holds_every_value_that_is_not_zero(statistics: ModelStatistics) -> None:
    found = detail("mine", statistics, "block")
    assert sum(share for _, _, share in found["histogram"]) == pytest.approx(1.0)
    lowest, highest = axis_limits(found["histogram"], [1000.0])
    columns = log_columns(found["histogram"], 50, lowest, highest)
    assert columns.sum() == pytest.approx(1.0, abs=1e-4)
    assert abs(int(np.argmax(columns)) - int(position(5.0, 50, lowest, highest))) <= 2
    assert found["scales_over_training"]["steps"] == [0, 10, 20, 30]


@pytest.mark.parametrize("width", [80, 120])
def test_the_picture_marks_every_range_and_says_what_it_costs(statistics: ModelStatistics, width: int) -> None:
    lines = drawn(tensor_view(detail("mine", statistics, "block"), width), width).splitlines()
    axis = next(number for number, line in enumerate(lines) if "└" in line)
    marks = {column for column, cell in enumerate(lines[axis]) if cell == "┃"}
    assert len(marks) >= 2
    legend = lines[axis + 1 : axis + 12]
    for name in ("zero-aware", "mse", "kl", "minmax", "percentile"):
        assert any(name in line for line in legend), name
    corners = {column for line in legend for column, cell in enumerate(line) if cell in "╰╯"}
    assert corners == marks
    assert any("1 outlier up to 1e+03 owns the range" in line for line in lines)
    assert max(map(len, lines[: axis + 12])) <= width


def test_weights_show_the_range_of_every_channel(statistics: ModelStatistics) -> None:
    assert "4 channels" in drawn(tensor_view(detail("mine", statistics, "block.weight"), 100), 100)


def test_a_tensor_over_training_shows_every_look_and_the_alarm_on_a_scale_that_does_not_settle(
    statistics: ModelStatistics,
) -> None:
    block = statistics.tensors[1]
    movement = no_movement(("block",), 40, 8).with_look(0, {"block": block}).with_look(39, {"block": block})
    shaken = np.where(np.arange(40) % 2, 4.0, 2.0)[:, None]
    moved = replace(statistics, movement=movement, scales=ScaleRecord(("block",), np.arange(40), shaken))
    found = over_training("mine", moved, "block")
    assert (found["steps"], found["total_steps"], found["windows"]) == ([0, 39], 40, 8)
    assert found["zero_share"] == [block.zero_share] * 2
    assert [alarm["kind"] for alarm in found["alarms"]] == ["oscillation"]
    lines = drawn(movement_view(found, 100), 100).splitlines()
    assert [line.split()[0] for line in lines[2:4]] == ["0", "39"]
    assert any("does not settle" in line for line in lines)
    assert all(line.count("┃") == 1 for line in lines[2:4])


def test_a_model_that_no_training_was_followed_of_says_so(statistics: ModelStatistics) -> None:
    found = over_training("mine", statistics, "block")
    assert (found["steps"], found["shares"], found["total_steps"]) == ([], [], 0)
    assert NOTHING in drawn(movement_view(found, 140), 140)
    with pytest.raises(ModelError, match="Did you mean block"):
        over_training("mine", statistics, "blok")
