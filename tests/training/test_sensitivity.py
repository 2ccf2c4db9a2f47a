"""Every part's rounding is measured by itself, the worst is ranked first, and an interrupted measurement goes on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from evbench.events.windowset import WindowSet
from evbench.profiles import QuantizeSettings
from evbench.quantize.observers import MinMaxObserver
from evbench.quantize.program import PreparedProgram, prepare
from evbench.quantize.sensitivity import Part, parts_of, round_only
from evbench.quantize.watch import observers_of
from evbench.training.loop import compute_logits
from evbench.training.sensitivity import measure_sensitivity
from tests.quantize.small_networks import NETWORKS, SHAPE, Residual, counts
from tests.training.conftest import corner_windows


@pytest.fixture(scope="module")
def windows() -> WindowSet:
    return corner_windows(8, seed=4, shape=SHAPE)


def calibrated(network: torch.nn.Module) -> PreparedProgram:
    return prepare(network, SHAPE, QuantizeSettings(observer="minmax")).calibrate([counts(seed=1), counts(seed=2)])


@pytest.fixture(scope="module")
def program() -> PreparedProgram:
    torch.manual_seed(0)
    return calibrated(Residual())


@pytest.mark.parametrize("name", NETWORKS)
def test_rounding_no_part_is_the_float_network_and_every_part_the_integer_one(name: str) -> None:
    torch.manual_seed(0)
    program, batch = calibrated(NETWORKS[name]()), counts(seed=3)
    with torch.no_grad():
        whole = program.fake_quantize(True).eval()(batch)
        exact = program.fake_quantize(False).eval()(batch)
        assert torch.equal(round_only(program, parts_of(program))(batch), whole)
        assert torch.equal(round_only(program, ())(batch), exact)


def test_parts_are_the_weights_and_the_activation_of_each_layer_but_input_and_logits(
    program: PreparedProgram,
) -> None:
    found = [str(part) for part in parts_of(program)]
    assert found == [
        "weights of stem.0",
        "activations of stem.0",
        "weights of conv",
        "activations of conv",
        "activations of add",
        "activations of head.pool",
        "weights of head.linear",
    ]


def test_rounding_the_weights_of_one_layer_leaves_the_tensors_before_it_alone(program: PreparedProgram) -> None:
    seen: dict[str, torch.Tensor] = {}
    hooks = [
        observer.register_forward_hook(lambda module, given, made, name=name: seen.update({name: given[0].clone()}))
        for name, observer in observers_of(program).items()
    ]
    with torch.no_grad():
        round_only(program, ())(counts(seed=3))
        before = dict(seen)
        round_only(program, {Part("conv", "weights")})(counts(seed=3))
    for hook in hooks:
        hook.remove()
    assert torch.equal(seen["stem.0"], before["stem.0"])
    assert not torch.equal(seen["conv"], before["conv"])


def test_a_layer_whose_range_has_collapsed_ranks_first_and_the_rest_without_it_is_good_again(
    windows: WindowSet,
) -> None:
    torch.manual_seed(1)
    program = calibrated(Residual())
    observer = observers_of(program)["conv"]
    assert isinstance(observer, MinMaxObserver)
    observer.largest.fill_(0.02 * float(observer.largest))
    found = measure_sensitivity(program, windows, {}, lambda key, cost, share: None)
    worst = found["parts"][0]
    assert (worst["layer"], worst["what"], worst["rank"]) == ("conv", "activations", 1)
    assert worst["only"]["logit_rms"] > 3 * found["parts"][1]["only"]["logit_rms"]
    assert worst["all_but"]["logit_rms"] < found["quantised"]["logit_rms"] / 3
    assert found["float"]["logit_max"] == 0.0


def test_costs_are_those_of_the_logits(program: PreparedProgram, windows: WindowSet) -> None:
    found = measure_sensitivity(program, windows, {}, lambda key, cost, share: None)
    exact = compute_logits(round_only(program, ()), windows)
    rounded = compute_logits(round_only(program, parts_of(program)), windows)
    assert found["quantised"]["logit_max"] == pytest.approx(float(np.abs(rounded - exact).max()))
    assert found["quantised"]["correct"] == int((rounded.argmax(1) == windows.labels).sum())


def test_an_interrupted_measurement_goes_on_where_it_was(program: PreparedProgram, windows: WindowSet) -> None:
    known: dict[str, Any] = {}

    def stop_after_five(key: str, cost: Any, share: float) -> None:
        known[key] = cost
        if len(known) == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure_sensitivity(program, windows, {}, stop_after_five)
    anew: list[str] = []
    resumed = measure_sensitivity(program, windows, known, lambda key, cost, share: anew.append(key))
    assert resumed == measure_sensitivity(program, windows, {}, lambda key, cost, share: None)
    assert len(anew) == 2 + 2 * len(parts_of(program)) - 5
    assert not known.keys() & set(anew)
