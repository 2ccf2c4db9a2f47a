"""A trained program in other precisions keeps its weights and ranges, and is what the search expects it to be."""

from __future__ import annotations

import pytest
import torch
from small_networks import NETWORKS, SHAPE, counts, train

from evbench.graph.hybrid import compose
from evbench.graph.model import IntegerGraph, Rescale
from evbench.profiles import Precision, QuantizeSettings
from evbench.quantize.hybrid import with_precisions
from evbench.quantize.lower import lower
from evbench.quantize.observers import RangeObserver
from evbench.quantize.program import capture_for, convert, prepare
from evbench.quantize.sensitivity import round_only
from evbench.quantize.watch import observers_of

SHORT: dict[str, Precision] = {"u8": "int8", "s8": "int8", "s16": "int16", "f32": "fp32"}


def changes(graph: IntegerGraph) -> list[tuple[Precision, Precision, int]]:
    found = []
    for operator in graph.operators:
        if isinstance(operator, Rescale):
            given, made = graph.tensors[operator.inputs[0]], graph.tensors[operator.output]
            found.append((SHORT[given.dtype], SHORT[made.dtype], made.size))
    return sorted(found)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", ["separable", "residual", "pooled"])
def test_a_composition_is_what_lowering_makes(name: str, seed: int) -> None:
    torch.manual_seed(0)
    network = NETWORKS[name]()
    base = prepare(network, SHAPE, QuantizeSettings(observer="minmax")).calibrate([counts()])
    captured = capture_for(network, SHAPE, QuantizeSettings())
    graph = lower(convert(base), name)
    generator = torch.Generator().manual_seed(seed)
    layers: dict[str, Precision] = {}
    for operator in graph.operators[:-1]:
        choice = int(torch.randint(3, (1,), generator=generator))
        if operator.kind != "MaxPool2d" and choice:
            layers[operator.name] = ("int16", "fp32")[choice - 1]  # type: ignore[assignment]
    made = lower(convert(with_precisions(base, captured, layers)), name)
    found = compose(graph, layers)
    assert sorted((c.given, c.made, c.elements) for c in found.changes) == changes(made)
    for operator in made.operators:
        if operator.name in found.modes and operator.output not in graph.outputs:
            expected = "f32" if found.modes[operator.name] == "fp32" else None
            wide = "s16" if found.modes[operator.name] == "int16" else expected
            assert made.tensors[operator.output].dtype in ((wide,) if wide else ("u8", "s8")), operator.name


def test_weights_statistics_and_ranges_are_those_of_the_program() -> None:
    torch.manual_seed(0)
    network = NETWORKS["residual"]()
    base, captured = train(prepare(network, SHAPE)), capture_for(network, SHAPE, QuantizeSettings())
    same = with_precisions(base, captured, {})
    hybrid = with_precisions(base, captured, {"stem": "int16", "conv": "fp32"})
    batch = counts(seed=3)
    with torch.no_grad():
        assert torch.equal(same(batch), base(batch))
        exact = round_only(base, ())(batch)
        assert torch.allclose(round_only(hybrid, ())(batch), exact, atol=1e-5)
    ranges = {name: float(observer.range_value()) for name, observer in observers_of(base).items() if name != "input"}
    found = {name: float(observer.range_value()) for name, observer in observers_of(hybrid).items() if name != "input"}
    assert found["stem.0"] == ranges["stem.0"]
    assert found["conv.int8"] == ranges["conv"]


@pytest.mark.parametrize("observer", ["mse", "lsq"])
def test_a_range_is_the_same_on_a_finer_grid(observer: str) -> None:
    torch.manual_seed(0)
    network = NETWORKS["separable"]()
    settings = QuantizeSettings(observer=observer)  # type: ignore[arg-type]
    base = prepare(network, SHAPE, settings).calibrate([counts()])
    made = with_precisions(base, capture_for(network, SHAPE, settings), {"stem": "int16"})
    narrow, wide = observers_of(base)["stem.0"], observers_of(made)["stem.0"]
    assert isinstance(narrow, RangeObserver)
    assert isinstance(wide, RangeObserver)
    assert float(wide.range_value()) == pytest.approx(float(narrow.range_value()))
    assert float(wide.scale_value()) == pytest.approx(float(narrow.scale_value()) * 255 / 32767)
