"""Looks at a training say where the values lay and what the grid cost, and survive a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from evbench.errors import ModelError
from evbench.quantize.movement import Movement, is_a_look, load_movement, no_movement, save_movement
from evbench.quantize.statistics import Collector, TensorStatistics


def tensor(values: list[float], scale: float) -> TensorStatistics:
    given = np.array(values, np.float32).reshape(1, 1, -1)
    collector = Collector("block", "activation", 0, 255, np.array([scale]), "minmax")
    collector.add(given, (np.clip(np.rint(given / scale), 0, 255) * scale).astype(np.float32))
    return collector.finish()


@pytest.fixture
def movement() -> Movement:
    """Two looks: values around 1 with half of them zero, then around 8, one lost and one above the grid."""
    first = tensor([0.0, 0.0, 1.0, 1.2], 0.01)
    second = tensor([0.0, 0.001, 8.0, 8.1], 7.0 / 255)
    return no_movement(("block",), 100, 1).with_look(0, {"block": first}).with_look(50, {"block": second})


def test_a_look_keeps_half_octaves_and_what_the_grid_costs(movement: Movement) -> None:
    found = movement.of("block")
    assert found["steps"] == [0, 50]
    assert found["zero_share"] == [0.5, 0.25]
    assert found["scale"] == pytest.approx([0.01, 7.0 / 255])
    assert found["range"] == pytest.approx([2.55, 7.0])
    assert found["lost_share"] == pytest.approx([0.0, 1 / 3])
    assert found["clip_share"] == pytest.approx([0.0, 2 / 3])
    edges, shares = np.array(found["edges"]), np.array(found["shares"])
    assert shares.shape == (2, len(edges) - 1)
    assert np.allclose(edges[2:] / edges[:-2], 2.0)
    assert shares[0, np.flatnonzero(edges <= 1.0)[-1]] == pytest.approx(1.0)
    assert shares[1, np.flatnonzero(edges <= 8.0)[-1]] == pytest.approx(2 / 3, rel=1e-3)
    assert edges[0] <= 0.001 < edges[1]
    wide = movement.with_look(60, {"block": tensor([8.0], 1.0)}).of("block")
    assert wide["edges"][-2] < 255.0 <= wide["edges"][-1]


def test_a_tensor_that_was_not_followed_has_no_looks(movement: Movement) -> None:
    assert all(value == [] for value in movement.of("input").values())
    assert all(value == [] for value in no_movement(("block",)).of("block").values())


def test_a_resumed_training_replaces_the_looks_it_repeats_and_a_file_keeps_them(
    movement: Movement, tmp_path: Path
) -> None:
    save_movement(movement, tmp_path / "movement.npz")
    again = load_movement(tmp_path / "movement.npz")
    assert again.of("block") == movement.of("block")
    assert (again.total_steps, again.windows) == (100, 1)
    resumed = again.with_look(25, {"block": tensor([0.0, 2.0], 0.02)})
    assert resumed.steps.tolist() == [0, 25]
    assert load_movement(tmp_path / "none.npz").names == ()
    (tmp_path / "movement.npz").write_bytes(b"PK")
    with pytest.raises(ModelError, match=r"movement\.npz"):
        load_movement(tmp_path / "movement.npz")


@pytest.mark.parametrize("total", [1, 30, 48, 49, 4140])
def test_a_training_of_any_length_takes_at_most_fifty_looks_the_last_at_its_end(total: int) -> None:
    training = range(7, 7 + total)
    steps = [step for step in training if is_a_look(step, training)]
    assert (steps[0], steps[-1]) == (training[0], training[-1])
    assert min(total, 24) <= len(steps) <= 50
