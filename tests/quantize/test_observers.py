"""Observers: the range they average, the grid they propose, the rounding and its gradient."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from evbench.profiles import QuantizeSettings
from evbench.quantize.histogram import histogram_of
from evbench.quantize.observers import (
    CountsObserver,
    EmaObserver,
    HistogramObserver,
    LearnedObserver,
    RangeObserver,
    RoundToGrid,
)
from evbench.quantize.observers import observer_for as observer_by_recipe
from evbench.quantize.ranges import mse_range

OBSERVERS = ("minmax", "ema-minmax", "mse", "percentile", "nonzero-percentile", "zero-aware", "kl", "lsq")
ROBUST = ("nonzero-percentile", "zero-aware", "kl")


def unsigned(averaging_constant: float = 0.01) -> EmaObserver:
    return EmaObserver(torch.uint8, 0, 255, torch.per_tensor_affine, averaging_constant).train()


def signed() -> EmaObserver:
    return EmaObserver(torch.int8, -128, 127, torch.per_tensor_symmetric).train()


def observer_for(name: str, *, calibrating: bool = True, signed: bool = False) -> RangeObserver:
    grid = (torch.int8, -128, 127, torch.per_tensor_symmetric)
    make = observer_by_recipe(QuantizeSettings.model_validate({"observer": name}))
    observer = make(*grid) if signed else make(torch.uint8, 0, 255, torch.per_tensor_affine)
    observer.calibrating = calibrating
    return observer.train(not calibrating)


def sparse(seed: int, zeros: float = 0.99) -> torch.Tensor:
    """[8, 1000] with an active mode around 5 that ends near 9."""
    generator = torch.Generator().manual_seed(seed)
    values = 5 + torch.randn(8, 1000, generator=generator)
    return values * (torch.rand(8, 1000, generator=generator) >= zeros)


@pytest.mark.parametrize("name", OBSERVERS)
def test_no_observer_takes_an_all_zero_first_batch_for_a_range(name: str) -> None:
    observer = observer_for(name)
    assert torch.equal(observer(torch.zeros(4, 20)), torch.zeros(4, 20))
    assert observer.scale_value().item() == 1.0
    values = torch.linspace(0.001, 25.5, 20_000)
    observer(values)
    assert observer.scale_value().item() == pytest.approx(0.1, rel=0.01)
    assert (observer.batches.item(), observer.empty_batches.item()) == (2, 1)


@pytest.mark.parametrize("name", OBSERVERS)
@pytest.mark.parametrize("calibrating", [True, False])
def test_99_percent_zeros_leave_every_observer_the_range_of_the_active_mode(name: str, calibrating: bool) -> None:
    observer = observer_for(name, calibrating=calibrating)
    for seed in range(20):
        observer(sparse(seed))
    largest = max(sparse(seed).max().item() for seed in range(20))
    assert 0.75 * largest < observer.range_value().item() <= largest


@pytest.mark.parametrize("name", OBSERVERS)
def test_one_outlier_is_ignored_by_the_robust_observers_and_moves_the_others(name: str) -> None:
    observer = observer_for(name)
    for seed in range(20):
        batch = sparse(seed, zeros=0.5)
        if seed == 10:
            batch[0, 0] = 1e4
        observer(batch)
    reach = observer.range_value().item()
    assert reach < 12 if name in (*ROBUST, "percentile") else reach > 100


@pytest.mark.parametrize("name", OBSERVERS)
def test_a_signed_tensor_has_the_range_of_its_larger_side(name: str) -> None:
    observer = observer_for(name, signed=True)
    observer(torch.cat([torch.linspace(-25.4, 0, 20_000), torch.linspace(0, 3, 2_000)]))
    assert observer.scale_value().item() == pytest.approx(0.2, rel=0.01)


@pytest.mark.parametrize("name", OBSERVERS)
@pytest.mark.parametrize("bad", [math.inf, math.nan])
def test_no_observer_learns_from_a_batch_that_is_not_finite(name: str, bad: float) -> None:
    observer = observer_for(name)
    observer(torch.linspace(0.001, 25.5, 20_000))
    before = observer.range_value().item()
    observer(torch.tensor([1.0, bad]))
    assert observer.range_value().item() == before
    assert observer.empty_batches.item() == 0


@pytest.mark.parametrize("name", OBSERVERS)
def test_an_observer_goes_on_bit_for_bit_from_its_saved_state(name: str) -> None:
    unbroken = observer_for(name, calibrating=False)
    for seed in range(6):
        unbroken(sparse(seed))
    resumed = observer_for(name, calibrating=False)
    resumed.load_state_dict(unbroken.state_dict())
    for seed in range(6, 20):
        assert torch.equal(unbroken(sparse(seed)), resumed(sparse(seed)))
    for key, value in unbroken.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[key]), key


def test_in_training_a_histogram_forgets_ranges_of_long_ago_and_in_calibration_it_does_not() -> None:
    ranges = {}
    for calibrating in (True, False):
        observer = HistogramObserver(
            torch.uint8, 0, 255, torch.per_tensor_affine, rule="nonzero-percentile", averaging_constant=0.1
        ).train(not calibrating)
        observer.calibrating = calibrating
        for top in [100.0] * 3 + [10.0] * 100:
            observer(torch.linspace(0, top, 1000))
        ranges[calibrating] = observer.range_value().item()
    assert ranges[True] == pytest.approx(100.0, rel=0.05)
    assert ranges[False] == pytest.approx(10.0, rel=0.05)


def test_in_training_a_range_is_found_at_every_eighth_batch_once_it_is_warm() -> None:
    observer = observer_for("zero-aware", calibrating=False)
    for number in range(1, 25):
        before = observer.range_value().item()
        observer(torch.full((4, 4), float(number)))
        assert (observer.range_value().item() > before) == (number <= 8 or number % 8 == 0), number


def test_the_first_batch_alone_gives_the_range() -> None:
    observer = unsigned()
    observer(torch.tensor([0.0, 3.0, 51.0]))
    scale, zero_point = observer.calculate_qparams()
    assert scale.item() == pytest.approx(51.0 / 255)
    assert zero_point.item() == 0


def test_warm_up_averages_instead_of_trusting_an_outlier_in_the_first_batch() -> None:
    observer = unsigned()
    observer(torch.tensor([100.0]))
    for _ in range(50):
        observer(torch.tensor([10.0]))
    assert observer.range_value().item() == pytest.approx(11.4, abs=0.05)


def test_a_warm_observer_moves_by_a_hundredth_and_forgets_half_in_69_batches() -> None:
    observer = unsigned()
    for _ in range(2000):
        observer(torch.tensor([10.0]))
    observer(torch.tensor([110.0]))
    assert observer.range_value().item() == pytest.approx(11.0, abs=0.01)
    for _ in range(69):
        observer(torch.tensor([10.0]))
    assert observer.range_value().item() == pytest.approx(10.5, abs=0.01)


def test_an_all_zero_first_batch_neither_collapses_the_range_nor_counts_later() -> None:
    observer = unsigned()
    assert torch.equal(observer(torch.zeros(4, 2)), torch.zeros(4, 2))
    assert observer.calculate_qparams()[0].item() == 1.0
    observer(torch.tensor([25.5]))
    assert observer.calculate_qparams()[0].item() == pytest.approx(0.1)
    assert observer.batches.item() == 2


@pytest.mark.parametrize("bad", [math.inf, math.nan])
def test_a_batch_that_is_not_finite_does_not_poison_the_range(bad: float) -> None:
    observer = signed()
    observer(torch.tensor([-12.7]))
    observer(torch.tensor([1.0, bad]))
    assert observer.calculate_qparams()[0].item() == pytest.approx(0.1)


def test_a_signed_range_is_symmetric_around_the_larger_side() -> None:
    observer = signed()
    observer(torch.tensor([-25.4, 3.0]))
    assert observer.calculate_qparams()[0].item() == pytest.approx(0.2)


def test_evaluation_rounds_but_does_not_observe() -> None:
    observer = unsigned()
    observer(torch.tensor([255.0]))
    observer.eval()
    assert observer(torch.tensor([1000.0, 7.4, 2.5])).tolist() == [255.0, 7.0, 2.0]
    assert observer.range_value().item() == pytest.approx(255.0)


def test_calibration_observes_in_evaluation_and_leaves_values_alone() -> None:
    observer = unsigned().eval()
    observer.calibrating, observer.fake_quantize = True, False
    x = torch.tensor([0.123, 5.1])
    assert torch.equal(observer(x), x)
    assert observer.range_value().item() == pytest.approx(5.1)


def test_counts_are_kept_and_saturated_at_255_in_evaluation() -> None:
    observer = CountsObserver(torch.uint8, 0, 255, torch.per_tensor_affine).eval()
    assert observer(torch.tensor([0.0, 18.0, 300.0])).tolist() == [0.0, 18.0, 255.0]
    assert observer.calculate_qparams()[0].item() == 1.0


@pytest.mark.parametrize(("low", "high"), [(0, 255), (-128, 127)])
def test_rounding_to_the_grid_equals_torchs_own_kernel_in_value_and_gradient(low: int, high: int) -> None:
    torch.manual_seed(0)
    x = (torch.randn(4000) * 3).requires_grad_()
    y = x.detach().clone().requires_grad_()
    scale = float(torch.tensor(0.0173))
    ours = RoundToGrid.apply(x, scale, low, high)
    theirs = torch.fake_quantize_per_tensor_affine(y, scale, 0, low, high)
    weights = torch.randn(4000)
    (ours * weights).sum().backward()
    (theirs * weights).sum().backward()
    assert torch.equal(ours, theirs)
    assert torch.equal(x.grad, y.grad)
    assert (x.grad == 0).any()


def learned(scale: float) -> LearnedObserver:
    """An observer that has its start behind it, at `scale`."""
    observer = LearnedObserver(torch.uint8, 0, 255, torch.per_tensor_affine).train()
    observer.taken.fill_(8)
    with torch.no_grad():
        observer.log_scale.fill_(math.log(scale))
    return observer


def test_a_learned_scale_has_the_gradient_of_the_paper_times_itself() -> None:
    scale, observer = 0.1, learned(0.1)
    x = torch.tensor([[0.0, 0.24, 1.37, 25.4, 40.0]]).requires_grad_()
    weights = torch.tensor([[7.0, 1.0, -2.0, 3.0, 5.0]])
    (observer(x) * weights).sum().backward()
    paper = torch.tensor([0.0, 2 - 2.4, 14 - 13.7, 254 - 254.0, 255.0])
    expected = (paper * weights[0]).sum() / math.sqrt(5 * 255) * scale
    assert observer.log_scale.grad is not None
    assert observer.log_scale.grad.item() == pytest.approx(expected.item(), rel=1e-4)
    assert x.grad.tolist() == [[7.0, 1.0, -2.0, 3.0, 0.0]]


@pytest.mark.parametrize("start", [0.3, 3.0])
def test_a_learned_scale_finds_the_smallest_squared_error_from_either_side(start: float) -> None:
    torch.manual_seed(1)
    x = torch.distributions.Exponential(1.0).sample((16, 2000)) * (torch.rand(16, 2000) < 0.2)
    histogram = histogram_of(x.numpy())
    best = mse_range(histogram, 255) / 255
    observer = learned(start * best)
    optimiser = torch.optim.Adam(observer.parameters(), 0.02, betas=(0.9, 0.9))
    for step in range(250):
        optimiser.param_groups[0]["lr"] = 0.02 * (1 - step / 250)
        optimiser.zero_grad()
        (observer(x) - x).square().mean().backward()
        optimiser.step()
    found = observer.scale_value().item()
    errors = histogram.error(np.array([start * best, found, best]), 0, 255)
    assert errors[0] > 5 * errors[2]
    assert errors[1] < 1.1 * errors[2]


def test_a_learned_scale_starts_from_the_first_batches_that_say_something_and_then_moves_by_its_gradient_alone() -> (
    None
):
    observer = observer_for("lsq", calibrating=False)
    for _ in range(20):
        observer(torch.zeros(4, 10))
    assert observer.scale_value().item() == 1.0
    for seed in range(8):
        assert not observer.learning
        observer(sparse(seed))
    start = observer.scale_value().item()
    assert 6 / 255 < start < 10 / 255
    observer(100 * sparse(9))
    assert observer.scale_value().item() == start
    observer.frozen = True
    observer(sparse(10).requires_grad_()).sum().backward()
    assert observer.log_scale.grad is None
