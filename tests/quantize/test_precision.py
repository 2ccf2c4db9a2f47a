"""Networks in which layers compute in 8 bits, on 16 bits and in float32: what becomes of them, and that all agree."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_networks import NETWORKS, SHAPE, Residual, Separable, counts, train

from evbench.errors import ModelError, ProfileError
from evbench.graph.execute import execute
from evbench.graph.model import Conv2d, IntegerGraph, Linear
from evbench.graph.onnx import OnnxSession
from evbench.graph.validate import validate
from evbench.parity import ReferenceExecution, compare
from evbench.profiles import Precision, QuantizeSettings, load_recipe
from evbench.quantize.execution import TorchExecution
from evbench.quantize.lower import lower
from evbench.quantize.program import PreparedProgram, convert, load_prepared, prepare, save_prepared
from evbench.quantize.sensitivity import parts_of, round_only

ASSIGNMENTS: list[tuple[str, dict[str, Precision]]] = [
    ("separable", {"stem": "int16", "head": "fp32"}),
    ("separable", {"depthwise": "fp32", "pointwise": "fp32"}),
    ("residual", {"conv": "int16"}),
    ("residual", {"stem": "fp32", "conv": "int16"}),
    ("residual", {"add": "fp32"}),
    ("pooled", {"first": "int16", "hidden": "fp32"}),
    ("branched", {"multiplied": "fp32", "concat": "fp32"}),
    ("branched", {"stem": "fp16", "grouped": "fp16", "head": "fp16"}),
]


def assigned(name: str, layers: dict[str, Precision]) -> PreparedProgram:
    torch.manual_seed(0)
    settings = QuantizeSettings(observer="minmax", layers=layers)
    return prepare(NETWORKS[name](), SHAPE, settings).calibrate([counts(seed=1), counts(seed=2)])


def outline(graph: IntegerGraph) -> list[str]:
    return [f"{op.kind} {op.name} <- {', '.join(op.inputs)} {graph.tensors[op.output].dtype}" for op in graph.operators]


@pytest.mark.parametrize(("name", "layers"), ASSIGNMENTS)
def test_every_execution_of_a_mixed_network_agrees(name: str, layers: dict[str, Precision]) -> None:
    program = assigned(name, layers)
    converted, batch = convert(program), counts(seed=3)
    with torch.no_grad():
        assert torch.equal(converted(batch), program(batch))
    graph = lower(converted, name)
    validate(graph)
    sessions = [OnnxSession(graph, optimised=True), OnnxSession(graph, optimised=False)]
    unjudged = OnnxSession(graph, optimised=True, keep_int8=False)
    executions = [ReferenceExecution(graph), *sessions, TorchExecution(converted), unjudged]
    report = compare(graph, executions, batch.numpy())
    assert report.passed, report.to_json()
    assert all(pair.fault is None for pair in report.pairs)
    if not {"fp32", "fp16"} & set(layers.values()):
        assert report.pairs[0].exact


def test_a_16_bit_layer_widens_what_it_reads_and_narrows_what_int8_layers_write() -> None:
    assert outline(lower(convert(assigned("separable", {"depthwise": "int16"})), "n")) == [
        "Conv2d stem.0 <- input u8",
        "Rescale stem.0.int16 <- stem.0 s16",
        "Conv2d depthwise.0 <- stem.0.int16 s16",
        "Conv2d pointwise.0 <- depthwise.0 s16",
        "Rescale pointwise.0.int8 <- pointwise.0 u8",
        "GlobalAveragePool head.pool <- pointwise.0.int8 u8",
        "Linear head.linear <- head.pool f32",
    ]


def test_float_layers_pass_floats_on_and_integer_layers_read_them_on_their_grid() -> None:
    graph = lower(convert(assigned("separable", {"stem": "fp32", "depthwise": "fp32"})), "n")
    assert outline(graph) == [
        "Conv2d stem.0 <- input f32",
        "Conv2d depthwise.0 <- stem.0 f32",
        "Rescale depthwise.0.int8 <- depthwise.0 u8",
        "Conv2d pointwise.0 <- depthwise.0.int8 u8",
        "GlobalAveragePool head.pool <- pointwise.0 u8",
        "Linear head.linear <- head.pool f32",
    ]
    weights = [op.weight.dtype for op in graph.operators if isinstance(op, Conv2d | Linear)]
    assert weights == [np.float32, np.float32, np.int8, np.int8]
    assert graph.has_float_layers
    assert not graph.is_float


def test_16_bits_bring_logits_nearer_to_those_of_exact_activations() -> None:
    def distance(layers: dict[str, Precision]) -> float:
        program, batch = assigned("separable", layers), counts(seed=1)  # calibrated on it: nothing is clipped
        parts = parts_of(program)
        with torch.no_grad():
            rounded = round_only(program, parts)(batch)
            only_weights = round_only(program, [part for part in parts if part.what == "weights"])(batch)
            return float((rounded - only_weights).abs().max())

    wide: dict[str, Precision] = {"stem": "int16", "depthwise": "int16", "pointwise": "int16", "head.pool": "int16"}
    assert distance(wide) < distance({}) / 2


def test_the_widest_key_gives_way_to_the_longest() -> None:
    graph = lower(convert(assigned("separable", {"head": "fp32", "head.pool": "int8"})), "n")
    assert outline(graph)[-3:] == [
        "GlobalAveragePool head.pool <- pointwise.0 u8",
        "Rescale head.pool.fp32 <- head.pool f32",
        "Linear head.linear <- head.pool.fp32 f32",
    ]


def test_float_layers_learn_and_their_weights_stay_unrounded() -> None:
    program = prepare(Residual(), SHAPE, QuantizeSettings(layers={"conv": "fp32"}))
    train(program, steps=4)
    graph = lower(convert(program), "n")
    with torch.no_grad():
        expected = program(counts(seed=3)).numpy()
    np.testing.assert_allclose(execute(graph, counts(seed=3).numpy())["head.linear"], expected, atol=1e-5)


def test_precisions_are_saved_with_a_program(tmp_path) -> None:
    program = assigned("separable", {"depthwise": "int16", "head": "fp32"})
    save_prepared(program, tmp_path / "p.safetensors")
    with torch.no_grad():
        again = load_prepared(Separable(), tmp_path / "p.safetensors")(counts(seed=3))
        assert torch.equal(again, program(counts(seed=3)))


@pytest.mark.parametrize(
    ("name", "layers", "what"),
    [
        ("separable", {"head.linear": "int16"}, "Logits are float32 already.*'head.linear'.*layer before it"),
        ("branched", {"multiplied": "int16"}, "no kernel on 16-bit activations.*'concat'"),
        ("separable", {"pointwize": "fp32"}, "no layer 'pointwize'.*Did you mean pointwise"),
        ("pooled", {"pool": "int16"}, "no layer 'pool' that could have a precision of its own"),
    ],
)
def test_what_has_no_kernel_is_refused_with_its_layer(name: str, layers: dict[str, Precision], what: str) -> None:
    with pytest.raises(ModelError, match=what):
        prepare(NETWORKS[name](), SHAPE, QuantizeSettings(layers=layers))


def test_a_recipe_names_precisions_and_a_wrong_one_is_refused_with_its_line(tmp_path) -> None:
    text = '[dataset]\nname = "simulated-bars"\n[quantize.layers]\n"blocks.3.pointwise" = "int16"\nhead = "fp32"\n'
    (tmp_path / "mine.toml").write_text(text)
    assert load_recipe(tmp_path / "mine.toml").quantize.layers == {"blocks.3.pointwise": "int16", "head": "fp32"}
    (tmp_path / "mine.toml").write_text(text.replace('"fp32"', '"fp8"'))
    with pytest.raises(ProfileError, match=r"quantize.layers.head .*line 5"):
        load_recipe(tmp_path / "mine.toml")


def test_weights_in_half_precision_take_half_the_bytes_and_every_execution_rounds_them_alike() -> None:
    graphs = {
        precision: lower(convert(assigned("separable", {"pointwise": precision, "head": precision})), "n")
        for precision in ("fp32", "fp16")
    }
    pairs = zip(*(graph.operators for graph in graphs.values()), strict=True)
    for whole, half in pairs:
        if isinstance(whole, Conv2d | Linear) and whole.weight.dtype == np.float32:
            assert isinstance(half, Conv2d | Linear)
            assert half.weight.dtype == np.float16
            np.testing.assert_array_equal(half.weight, whole.weight.astype(np.float16))
    saved = graphs["fp16"].half_bytes
    assert list(saved) == ["pointwise.0", "head.linear"]
    assert sum(saved.values()) == graphs["fp32"].weight_bytes - graphs["fp16"].weight_bytes
