"""Each fault is planted and must be called by its name; a sound tensor raises no alarm."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from small_networks import SHAPE, Separable, counts

from evbench.profiles import QuantizeSettings
from evbench.quantize.alarms import alarms_of, oscillation, tensor_alarms
from evbench.quantize.lower import lower
from evbench.quantize.observers import EmaObserver
from evbench.quantize.program import convert, prepare
from evbench.quantize.statistics import (
    Collector,
    ModelStatistics,
    ObserverSettings,
    ScaleRecord,
    TensorStatistics,
    no_scales,
)
from evbench.quantize.watch import measure, observers_of, scales_of

RNG = np.random.default_rng(11)


def activation(values: np.ndarray, scale: float | None = None) -> TensorStatistics:
    scale = scale or float(values.max()) / 255
    collector = Collector("block", "activation", 0, 255, np.array([scale]), "ema-minmax")
    collector.add(values.astype(np.float32), (np.clip(np.rint(values / scale), 0, 255) * scale).astype(np.float32))
    return collector.finish(batches=4)


def sparse() -> np.ndarray:
    shape = (8, 6, 30, 30)
    return np.abs(RNG.normal(5, 1, shape)) * (RNG.random(shape) >= 0.8)


def kinds(tensor: TensorStatistics, scales: ScaleRecord | None = None) -> list[str]:
    return [alarm.kind for alarm in tensor_alarms(tensor, scales or no_scales())]


def test_a_sound_tensor_raises_no_alarm() -> None:
    steady = ScaleRecord(("block",), np.arange(40), np.linspace(0.02, 0.03, 40)[:, None])
    assert kinds(activation(sparse()), steady) == []


def test_a_range_below_half_of_the_active_values_has_collapsed() -> None:
    (alarm,) = tensor_alarms(activation(sparse(), scale=1.0 / 255), no_scales())
    assert alarm.kind == "collapse"
    assert "ends at 1," in alarm.sentence
    assert "zero-aware" in alarm.remedy


def test_some_percent_of_values_above_the_grid_are_saturation() -> None:
    (alarm,) = tensor_alarms(activation(sparse(), scale=6.5 / 255), no_scales())
    assert alarm.kind == "saturation"
    assert "of the values that are not zero lie above the grid" in alarm.sentence


def test_counts_above_255_are_saturation_of_the_input_and_ask_for_shorter_windows() -> None:
    values = np.full((1, 2, 4, 4), 300.0, np.float32)
    collector = Collector("input", "input", 0, 255, np.ones(1), "counts")
    collector.add(values, np.minimum(values, 255))
    (alarm,) = tensor_alarms(collector.finish(), no_scales())
    assert alarm.kind == "saturation"
    assert "windows shorter" in alarm.remedy


def test_an_outlier_that_owns_the_range_is_named_with_the_steps_left_to_the_others() -> None:
    values = sparse()
    values[0, 0, 0, 0] = 1000.0
    (alarm,) = tensor_alarms(activation(values), no_scales())
    assert alarm.kind == "outlier"
    assert alarm.sentence.startswith("1 outlier up to 1e+03 owns the range")
    assert "of 255 steps" in alarm.sentence


def test_an_outlier_weight_is_named_where_channels_share_a_grid_and_not_where_they_have_their_own() -> None:
    weight = RNG.normal(0, 0.1, (8, 400)).astype(np.float32)
    weight[3, 3] = 9.0
    for per_channel, expected in ((False, ["outlier"]), (True, [])):
        peaks = np.abs(weight).max(axis=1) if per_channel else np.abs(weight).max()[None]
        collector = Collector("head.weight", "weight", -127, 127, peaks / 127, "minmax")
        grid = (peaks / 127)[:, None]
        collector.add(weight, (np.rint(weight / grid) * grid).astype(np.float32))
        assert kinds(collector.finish()) == expected


def test_dead_channels_are_numbered() -> None:
    values = sparse()
    values[:, [1, 4]] = 0
    (alarm,) = tensor_alarms(activation(values), no_scales())
    assert alarm.kind == "dead"
    assert "2 of 6 channels" in alarm.sentence
    assert "(1, 4)" in alarm.sentence


def test_all_zero_batches_are_counted_and_a_scale_that_nothing_supports_is_called_a_guess() -> None:
    some = replace(activation(sparse()), empty_batches=1)
    (alarm,) = tensor_alarms(some, no_scales())
    assert alarm.kind == "empty"
    assert alarm.sentence.startswith("1 of 4 batches")
    (alarm,) = tensor_alarms(replace(some, empty_batches=4), no_scales())
    assert "guess" in alarm.sentence


def averaged(constant: float) -> np.ndarray:
    """Scales of an averaging observer whose batches have maxima that scatter by a third."""
    observer = EmaObserver(torch.uint8, 0, 255, torch.per_tensor_affine, constant).train()
    generator, scales = torch.Generator().manual_seed(0), []
    for _ in range(600):
        observer(10 * torch.exp(0.35 * torch.randn(1, generator=generator)))
        scales.append(observer.scale_value().item())
    return np.array(scales)


def test_scales_averaged_with_a_tenth_oscillate_and_with_a_hundredth_they_settle() -> None:
    fast, slow = averaged(0.1), averaged(0.01)
    fast_moves, slow_moves = oscillation(fast), oscillation(slow)
    assert fast_moves is not None
    assert slow_moves is not None
    assert fast_moves > 2 * slow_moves
    tensor = activation(sparse())
    assert kinds(tensor, ScaleRecord(("block",), np.arange(600), fast[:, None])) == ["oscillation"]
    assert kinds(tensor, ScaleRecord(("block",), np.arange(600), slow[:, None])) == []
    assert oscillation(fast[:10]) is None


def test_a_dead_channel_and_a_batch_of_zeros_are_named_where_they_begin() -> None:
    torch.manual_seed(2)
    network = Separable()
    with torch.no_grad():
        network.stem[1].weight[2] = 0
        network.stem[1].bias[2] = -1
    batches = [torch.zeros(8, *SHAPE, dtype=torch.uint8), counts(16, seed=1), counts(16, seed=2)]
    prepared = prepare(network, SHAPE, QuantizeSettings(observer="minmax")).calibrate(batches)
    statistics = ModelStatistics(measure(prepared, batches), ObserverSettings(), no_scales())
    found = {(alarm.kind, alarm.tensor) for alarm in alarms_of(statistics)}
    assert ("dead", "stem.0") in found
    assert ("dead", "stem.0.weight") in found
    assert [tensor for kind, tensor in found if kind == "empty"] == ["stem.0"]


def test_measuring_names_every_tensor_as_the_integer_graph_does_and_agrees_with_its_observer() -> None:
    torch.manual_seed(2)
    batches = [torch.zeros(8, *SHAPE, dtype=torch.uint8), counts(16, seed=1)]
    prepared = prepare(Separable(), SHAPE, QuantizeSettings(observer="minmax")).calibrate(batches)
    found = {tensor.name: tensor for tensor in measure(prepared, batches)}
    graph = lower(convert(prepared), "n")
    assert [name for name in found if not name.endswith(".weight")] == [
        tensor.name for tensor in graph.tensors.values() if not tensor.dtype.is_float
    ]
    for name, scale in scales_of(prepared).items():
        assert found[name].scale == pytest.approx(graph.tensors[name].scale)
        assert found[name].scale == scale
        assert found[name].batches == 2
    assert list(scales_of(prepared)) == list(observers_of(prepared))[1:]
    assert found["input"].zero_share == pytest.approx(float(sum((b == 0).sum() for b in batches)) / (24 * 576))
    assert found["stem.0.weight"].channel_peaks.shape == (6,)
