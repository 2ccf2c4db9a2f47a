"""The penalty on dense activations: its values, its gradient, where it looks, and that it makes zeros."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from evbench.events.windowset import WindowSet
from evbench.profiles import TrainSettings
from evbench.quantize.program import prepare
from evbench.training.augment import Batches
from evbench.training.loop import train
from evbench.training.sparsity import Density, forward_with_density


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(4, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 64, 2))


def test_equal_active_elements_have_the_density_of_their_share() -> None:
    assert float(Density.apply(torch.tensor([0.0, 3.0, 0.0, 3.0]))) == pytest.approx(0.5)
    assert float(Density.apply(torch.ones(7, 3))) == pytest.approx(1.0)


def test_density_does_not_change_when_a_tensor_is_scaled() -> None:
    x = torch.rand(50)
    assert float(Density.apply(100 * x)) == pytest.approx(float(Density.apply(x)), rel=1e-5)


def test_a_tensor_of_zeros_has_no_density_and_no_gradient() -> None:
    x = torch.zeros(4, requires_grad=True)
    found = Density.apply(x)
    found.backward()
    assert found.item() == 0.0
    assert torch.equal(x.grad, torch.zeros(4))


def test_the_gradient_is_that_of_the_formula() -> None:
    assert torch.autograd.gradcheck(Density.apply, (torch.rand(2, 3, 4, dtype=torch.float64, requires_grad=True),))


class Functional(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.relu(x).flatten(1) + torch.relu(x).flatten(1) + x.relu().flatten(1)


@pytest.mark.parametrize("made", [nn.Sequential(nn.ReLU(), nn.Flatten()), Functional()])
def test_every_way_to_rectify_is_seen(made: nn.Module) -> None:
    x = torch.tensor([[-1.0, 2.0, -3.0, 2.0]])
    logits, density = forward_with_density(made, x)
    assert torch.equal(logits, made(x))
    assert float(density) == pytest.approx(0.5)


def test_a_program_with_fake_quantisation_is_seen_as_the_network_it_was_made_of(train_set: WindowSet) -> None:
    float_network = network().train()
    prepared = prepare(float_network, train_set.shape).fake_quantize(False)
    batch = Batches(train_set, 8)(np.arange(8))
    densities = [forward_with_density(made, batch)[1].item() for made in (float_network, prepared)]
    assert densities[0] == pytest.approx(densities[1], rel=1e-4)
    assert 0 < densities[0] < 1


def test_a_network_without_a_relu_has_no_density(train_set: WindowSet) -> None:
    linear = nn.Sequential(nn.Flatten(), nn.Linear(4 * 16 * 16, 2))
    assert forward_with_density(linear, Batches(train_set, 8)(np.arange(8)))[1].item() == 0.0


def zeros_after_training(windows: WindowSet, validation: WindowSet, sparsity: float, folder: Path) -> float:
    """The share of zeros behind the ReLU of a network trained with a weight on density."""
    trained = network()
    settings = TrainSettings(epochs=6, batch_size=16, learning_rate=1e-2, sparsity=sparsity)
    found = train(trained, windows, validation, settings, folder, lambda name, step, value: None)
    assert found.validation.window.value > 0.9
    batch = Batches(validation, len(validation))(np.arange(len(validation)))
    with torch.no_grad():
        return float((trained.eval()[:3](batch) == 0).float().mean())


def test_training_with_it_makes_more_activations_zero(
    train_set: WindowSet, validation_set: WindowSet, tmp_path: Path
) -> None:
    without = zeros_after_training(train_set, validation_set, 0.0, tmp_path / "without")
    with_it = zeros_after_training(train_set, validation_set, 10.0, tmp_path / "with")
    assert 1 - with_it < 0.75 * (1 - without)


def test_density_is_recorded_at_every_step(train_set: WindowSet, validation_set: WindowSet, tmp_path: Path) -> None:
    steps: list[int] = []

    def on_metric(name: str, step: int, value: float) -> None:
        if name == "density":
            steps.append(step)

    settings = TrainSettings(epochs=1, batch_size=16, sparsity=0.5)
    train(network(), train_set, validation_set, settings, tmp_path, on_metric)
    assert steps == list(range(6))
