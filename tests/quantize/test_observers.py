"""Observers: the range they average, the grid they propose, the rounding and its gradient."""

from __future__ import annotations

import math

import pytest
import torch

from evbench.quantize.observers import CountsObserver, EmaObserver, RoundToGrid


def unsigned(averaging_constant: float = 0.01) -> EmaObserver:
    return EmaObserver(torch.uint8, 0, 255, torch.per_tensor_affine, averaging_constant).train()


def signed() -> EmaObserver:
    return EmaObserver(torch.int8, -128, 127, torch.per_tensor_symmetric).train()


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
