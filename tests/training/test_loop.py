"""Training learns, goes on bit for bit after a stop, chooses on validation and fails with one sentence."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from evbench.errors import ModelError
from evbench.events.windowset import WindowSet
from evbench.profiles import TrainSettings
from evbench.training.checkpoint import latest_checkpoint
from evbench.training.loop import VALIDATION, evaluate, learning_rate, train

SETTINGS = TrainSettings(epochs=4, batch_size=16, learning_rate=1e-2, augment=("shift",), seed=3)


class StoppedError(Exception):
    """Stands for a process that dies."""


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(4, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.1), nn.Flatten(), nn.Linear(8 * 64, 2)
    )


def ignore(name: str, step: int, value: float) -> None:
    pass


def test_a_small_network_learns_the_corner_task(
    train_set: WindowSet, validation_set: WindowSet, tmp_path: Path
) -> None:
    trained = train(network(), train_set, validation_set, SETTINGS, tmp_path, ignore)
    assert trained.validation.window.value > 0.9
    assert len(trained.history) == 4


def test_a_stopped_training_ends_bit_for_bit_like_an_unbroken_one(
    train_set: WindowSet, validation_set: WindowSet, tmp_path: Path
) -> None:
    unbroken = network()
    train(unbroken, train_set, validation_set, SETTINGS, tmp_path / "unbroken", ignore)

    def die_in_the_third_epoch(name: str, step: int, value: float) -> None:
        if step == 14:
            raise StoppedError

    with pytest.raises(StoppedError):
        train(network(), train_set, validation_set, SETTINGS, tmp_path / "broken", die_in_the_third_epoch)
    resumed = network()
    steps: list[int] = []
    trained = train(
        resumed, train_set, validation_set, SETTINGS, tmp_path / "broken", lambda name, step, value: steps.append(step)
    )
    assert min(steps) == 12
    assert len(trained.history) == 4
    for name, value in unbroken.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_the_weights_left_behind_are_those_of_the_epoch_best_on_validation(
    train_set: WindowSet, validation_set: WindowSet, tmp_path: Path
) -> None:
    puzzling = replace(validation_set, labels=np.where(np.arange(32) % 4, validation_set.labels, 0))
    settings = SETTINGS.model_copy(update={"epochs": 6, "learning_rate": 0.05})
    trained_network = network()
    trained = train(trained_network, train_set, puzzling, settings, tmp_path, ignore)
    ranks = [(figures["validation_accuracy"], -figures["validation_loss"]) for figures in trained.history]
    assert trained.epoch < 6
    assert trained.epoch == 1 + ranks.index(max(ranks))
    assert evaluate(trained_network, puzzling).window.value == max(ranks)[0]


def test_metrics_come_from_the_first_step_on(train_set: WindowSet, validation_set: WindowSet, tmp_path: Path) -> None:
    seen: list[tuple[str, int]] = []
    settings = SETTINGS.model_copy(update={"epochs": 1})
    train(network(), train_set, validation_set, settings, tmp_path, lambda name, step, _: seen.append((name, step)))
    assert seen[:2] == [("loss", 0), ("learning_rate", 0)]
    assert seen[-2:] == [("validation_accuracy", 6), ("validation_loss", 6)]


def test_a_network_with_epochs_behind_it_goes_on_at_the_next(
    train_set: WindowSet, validation_set: WindowSet, tmp_path: Path
) -> None:
    begun: list[int] = []
    trained = train(
        network(),
        train_set,
        validation_set,
        SETTINGS,
        tmp_path,
        ignore,
        epochs=3,
        before_epoch=begun.append,
        first_epoch=1,
    )
    assert begun == [1, 2]
    assert trained.epoch in (2, 3)
    assert len(trained.history) == 2


def test_fewer_windows_than_a_batch_make_one_batch(train_set: WindowSet, tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"epochs": 1, "batch_size": 500})
    steps: list[int] = []
    train(network(), train_set, train_set, settings, tmp_path, lambda name, step, _: steps.append(step))
    assert steps == [0, 0, 1, 1, 1]


def test_the_learning_rate_rises_and_falls_back_to_nearly_nothing() -> None:
    rates = [learning_rate(step, 100, 0.5) for step in range(100)]
    assert rates.index(max(rates)) in (9, 10)
    assert max(rates) == 0.5
    assert rates[0] == pytest.approx(0.05)
    assert rates[-1] < 0.001


def test_a_training_that_diverges_says_so(train_set: WindowSet, validation_set: WindowSet, tmp_path: Path) -> None:
    class Diverges(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(2))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.mean((1, 2, 3))[:, None] * self.weight * float("inf")

    with pytest.raises(ModelError, match="diverged"):
        train(Diverges(), train_set, validation_set, SETTINGS, tmp_path, ignore)


def test_a_checkpoint_of_another_network_is_refused(
    train_set: WindowSet, validation_set: WindowSet, tmp_path: Path
) -> None:
    train(network(), train_set, validation_set, SETTINGS, tmp_path, ignore, epochs=1)
    other = nn.Sequential(nn.Flatten(), nn.Linear(4 * 256, 2))
    with pytest.raises(ModelError, match="another network"):
        train(other, train_set, validation_set, SETTINGS, tmp_path, ignore)
    assert latest_checkpoint(tmp_path) is not None


def test_an_epochs_accuracy_on_both_splits_can_be_watched(
    train_set: WindowSet, validation_set: WindowSet, tmp_path: Path
) -> None:
    seen: dict[str, list[float]] = {}
    settings = SETTINGS.model_copy(update={"epochs": 2})
    trained = train(
        network(),
        train_set,
        validation_set,
        settings,
        tmp_path,
        lambda name, step, value: seen.setdefault(name, []).append(value),
    )
    assert seen["accuracy"] == [figures["accuracy"] for figures in trained.history]
    assert all(0 <= share <= 1 for share in seen["accuracy"])
    newest = json.loads((tmp_path / VALIDATION).read_text())
    assert newest["epoch"] == 2
    assert newest["window"]["value"] == seen["validation_accuracy"][-1]
    assert sum(map(sum, newest["confusion"]["window"])) == 32
