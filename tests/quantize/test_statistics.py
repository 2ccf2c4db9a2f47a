"""Statistics say what the values say, survive a file, and are read without torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from evbench.errors import ModelError
from evbench.quantize.statistics import (
    Collector,
    ModelStatistics,
    ObserverSettings,
    ScaleRecord,
    TensorStatistics,
    load_scales,
    load_statistics,
    no_scales,
    save_scales,
    save_statistics,
)

RNG = np.random.default_rng(5)


def activation(values: np.ndarray, scale: float, observer: str = "minmax") -> TensorStatistics:
    """Statistics of values [N, C, H, W] on a u8 grid, in two batches."""
    collector = Collector("block", "activation", 0, 255, np.array([scale]), observer)
    for part in np.array_split(values.astype(np.float32), 2):
        collector.add(part, (np.clip(np.rint(part / scale), 0, 255) * scale).astype(np.float32))
    return collector.finish(batches=2)


def sparse(zeros: float = 0.9, shape: tuple[int, ...] = (8, 4, 40, 40)) -> np.ndarray:
    return np.abs(RNG.normal(5, 1, shape)) * (RNG.random(shape) >= zeros)


def test_zero_share_clip_share_and_what_is_lost_are_counted() -> None:
    values = np.array([0, 0, 0, 0, 0.001, 0.004, 1.0, 2.55, 2.6, 3.0]).reshape(1, 1, 2, 5)
    found = activation(np.concatenate([values, values]), 0.01)
    assert found.zero_share == 0.4
    assert found.clip_share == pytest.approx(2 / 6)
    assert found.lost_share == pytest.approx(2 / 6)
    assert found.range == pytest.approx(2.55)


def test_the_signal_to_noise_ratio_is_that_of_the_values_zeros_or_not() -> None:
    values = sparse()
    scale = values.max() / 255
    error = values - np.clip(np.rint(values / scale), 0, 255) * scale
    expected = 10 * np.log10(np.sum(values**2) / np.sum(error**2))
    found = activation(values, scale)
    assert found.sqnr == pytest.approx(expected, abs=0.02)
    assert found.sqnr_active == pytest.approx(expected, abs=0.02)
    assert found.bimodality == pytest.approx(5 * np.sqrt(2), rel=0.05)


def test_an_outlier_hides_from_the_overall_ratio_and_shows_in_that_of_the_active_mode() -> None:
    values = sparse(zeros=0.5)
    values[0, 0, 0, 0] = 5000.0
    found = activation(values, 5000.0 / 255)
    active = np.minimum(values, 10)
    error = active - np.rint(active / found.scale) * found.scale
    assert found.sqnr_active == pytest.approx(10 * np.log10(np.sum(active**2) / np.sum(error**2)), abs=0.1)
    assert found.sqnr is not None
    assert found.sqnr > found.sqnr_active + 10


def test_counts_on_a_grid_of_ones_lose_nothing_and_have_no_noise() -> None:
    values = RNG.integers(0, 5, (2, 3, 8, 8)).astype(np.float32)
    collector = Collector("input", "input", 0, 255, np.ones(1), "counts")
    collector.add(values, values)
    assert collector.finish().sqnr is None
    assert collector.finish().costs(ObserverSettings()) == []


def test_every_observers_range_and_cost_is_proposed_from_the_stored_histogram() -> None:
    values = sparse(zeros=0.99, shape=(16, 4, 64, 64))
    values[0, 0, 0, 0] = 500.0
    found = activation(values, 500.0 / 255, "minmax")
    costs = {cost.observer: cost for cost in found.costs(ObserverSettings(batch_size=2))}
    assert set(costs) == {
        "minmax", "ema-minmax", "mse", "percentile", "nonzero-percentile", "zero-aware", "kl",
    }  # fmt: skip
    assert costs["minmax"].range == 500.0
    assert costs["minmax"].clip_share == 0.0
    assert costs["minmax"].sqnr_active == pytest.approx(found.sqnr_active, abs=0.3)
    assert costs["zero-aware"].range < 11
    assert costs["zero-aware"].sqnr_active > costs["minmax"].sqnr_active + 20
    assert costs["percentile"].clip_share == pytest.approx(0.01, rel=0.1)
    batches = values.reshape(8, -1).max(axis=1)
    weights = 0.99 ** np.arange(7, -1, -1)
    assert costs["ema-minmax"].range == pytest.approx(np.average(batches, weights=weights), rel=1e-6)


def test_weights_have_a_range_per_channel_and_noise_on_their_own_grids() -> None:
    weight = (RNG.normal(0, 1, (4, 3, 3, 3)) * np.array([1, 2, 4, 0])[:, None, None, None]).astype(np.float32)
    peaks = np.abs(weight).reshape(4, -1).max(axis=1)
    scales = np.maximum(peaks / 127, 1e-9)
    per_channel = scales[:, None, None, None]
    rounded = (np.rint(weight / per_channel) * per_channel).astype(np.float32)
    collector = Collector("stem.weight", "weight", -127, 127, scales, "minmax")
    collector.add(weight, rounded)
    found = collector.finish()
    assert np.allclose(found.channel_peaks, peaks)
    assert (found.clip_share, found.zero_share, found.bimodality) == (0.0, 0.25, None)
    expected = 10 * np.log10(np.sum(weight**2.0) / np.sum((weight - rounded) ** 2.0))
    assert found.sqnr == pytest.approx(expected, abs=0.02)


def test_statistics_are_the_same_after_a_file(tmp_path: Path) -> None:
    record = ScaleRecord(("block",), np.array([0, 10]), np.array([[0.5], [0.25]]))
    before = ModelStatistics(
        (activation(sparse(), 0.04), activation(sparse(), 0.02)), ObserverSettings(0.1, 99.9, 4), record
    )
    path = tmp_path / "statistics.npz"
    save_statistics(before, path)
    after = load_statistics(path)
    assert [path] == list(tmp_path.iterdir())
    assert after.settings == ObserverSettings(0.1, 99.9, 4)
    assert after.scales.of("block").tolist() == [0.5, 0.25]
    for old, new in zip(before.tensors, after.tensors, strict=True):
        assert np.array_equal(old.histogram.counts, new.histogram.counts)
        assert (old.sqnr, old.sqnr_active, old.bimodality) == (new.sqnr, new.sqnr_active, new.bimodality)
        assert old.costs(ObserverSettings()) == new.costs(ObserverSettings())
        assert (old.name, old.observer, old.batches, old.clip_share) == (new.name, new.observer, 2, new.clip_share)


@pytest.mark.parametrize("damage", ["missing", "truncated", "foreign"])
def test_a_file_that_holds_no_statistics_is_refused_by_name(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "statistics.npz"
    if damage == "foreign":
        np.savez(path, other=np.zeros(3))
    if damage == "truncated":
        save_statistics(ModelStatistics((activation(sparse(), 0.04),), ObserverSettings(), no_scales()), path)
        path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ModelError, match=r"statistics\.npz.*Export the model again"):
        load_statistics(path)


def test_a_training_that_resumes_replaces_the_scales_it_repeats(tmp_path: Path) -> None:
    record = no_scales(("a", "b"))
    for step in (0, 10, 20):
        record = record.with_step(step, [step + 1.0, 2.0])
    save_scales(record, tmp_path / "scales.npz")
    resumed = load_scales(tmp_path / "scales.npz").with_step(10, [7.0, 2.0])
    assert resumed.steps.tolist() == [0, 10]
    assert resumed.of("a").tolist() == [1.0, 7.0]
    assert resumed.of("c").size == 0
    assert load_scales(tmp_path / "none.npz").steps.size == 0
