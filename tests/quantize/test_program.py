"""Preparing, training, converting, lowering and reading back small networks, end to end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from small_networks import NETWORKS, SHAPE, Separable, counts, train

from evbench.errors import ModelError, WorkspaceError
from evbench.graph.execute import execute
from evbench.graph.model import Conv2d, DType, Linear
from evbench.profiles import QuantizeSettings
from evbench.quantize.execution import TorchExecution
from evbench.quantize.lower import lower
from evbench.quantize.observers import EmaObserver
from evbench.quantize.program import ConvertedProgram, PreparedProgram, convert, load_prepared, prepare, save_prepared
from evbench.quantize.watch import scales_of


@pytest.fixture(scope="module", params=sorted(NETWORKS))
def network_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def trained(network_name: str) -> PreparedProgram:
    torch.manual_seed(1)
    return train(prepare(NETWORKS[network_name](), SHAPE))


@pytest.fixture(scope="module")
def converted(trained: PreparedProgram) -> ConvertedProgram:
    return convert(trained)


def test_fake_quant_in_evaluation_gives_exactly_the_logits_of_the_converted_program(
    trained: PreparedProgram, converted: ConvertedProgram
) -> None:
    batch = counts(64, seed=77)
    assert torch.equal(trained(batch), converted(batch))


def test_the_graph_in_integers_agrees_with_torch_on_every_tensor(converted: ConvertedProgram) -> None:
    graph, batch = lower(converted, "small"), counts(200, seed=78).numpy()
    integers, floats = execute(graph, batch), TorchExecution(converted).run(batch)
    assert list(floats) == list(integers)
    for name, expected in integers.items():
        actual = floats[name]
        assert (actual.dtype, actual.shape) == (expected.dtype, expected.shape)
        if graph.tensors[name].dtype.is_float:
            np.testing.assert_allclose(actual, expected, atol=0.01)
        else:
            difference = np.abs(actual.astype(np.int64) - expected)
            assert difference.max() <= 1, name
            assert np.count_nonzero(difference) <= 1e-4 * difference.size, name


def test_given_tensors_replace_what_later_layers_read(converted: ConvertedProgram) -> None:
    batch = counts(4, seed=3).numpy()
    execution = TorchExecution(converted)
    free = execution.run(batch)
    names = [name for name, tensor in free.items() if tensor.dtype != np.float32]
    same = execution.run(batch, given={name: free[name] for name in names})
    assert all(np.array_equal(same[name], free[name]) for name in free)
    zeros = execution.run(batch, given={name: np.zeros_like(free[name]) for name in names})
    assert np.array_equal(zeros[names[1]], execution.run(np.zeros_like(batch))[names[1]])
    assert np.ptp(list(zeros.values())[-1], axis=0).max() == 0


def test_the_graph_holds_int8_weights_int32_biases_and_float32_scales(converted: ConvertedProgram) -> None:
    graph = lower(converted, "small", {"classes": "[]"})
    assert graph.metadata == {"classes": "[]"}
    for operator in graph.operators:
        if isinstance(operator, Conv2d | Linear):
            assert (operator.weight.dtype, operator.bias.dtype) == (np.int8, np.int32)
            assert operator.weight_scale.dtype == np.float32
            assert operator.weight_scale.shape == operator.bias.shape
            assert operator.weight.min() >= -127
    for tensor in graph.tensors.values():
        assert tensor.zero_point == 0
        assert tensor.scale == float(np.float32(tensor.scale))


def test_a_saved_program_reads_back_to_the_same_graph(
    network_name: str, trained: PreparedProgram, tmp_path: Path
) -> None:
    path = tmp_path / "torch.safetensors"
    save_prepared(trained, path)
    restored = load_prepared(NETWORKS[network_name](), path)
    assert lower(convert(restored), "small").digest == lower(convert(trained), "small").digest
    assert list(tmp_path.iterdir()) == [path]


def test_every_observed_tensor_has_an_observer_of_its_own(trained: PreparedProgram) -> None:
    calls = [
        node.target
        for node in trained.program.graph.nodes
        if node.op == "call_module" and isinstance(trained.program.get_submodule(str(node.target)), EmaObserver)
    ]
    assert len(calls) >= 3
    assert len(calls) == len(set(calls))


def test_converting_leaves_the_prepared_program_usable(trained: PreparedProgram, converted: ConvertedProgram) -> None:
    again = convert(trained)
    assert lower(again, "small").digest == lower(converted, "small").digest


def test_post_training_quantisation_stays_close_to_the_float_network() -> None:
    torch.manual_seed(5)
    network = Separable().eval()
    prepared = prepare(network, SHAPE).calibrate(counts(32, seed=seed) for seed in range(8))
    batch = counts(64, seed=50)
    with torch.no_grad():
        expected = network(batch.float())
        actual = convert(prepared)(batch)
    assert not prepared.training
    assert (actual - expected).abs().max() < 0.05 * expected.abs().max()
    assert not torch.equal(actual, expected)


def test_calibration_changes_no_weight_and_no_batch_norm_statistic() -> None:
    prepared = prepare(Separable(), SHAPE)
    before = {name: tensor.clone() for name, tensor in prepared.state_dict().items() if "post_process" not in name}
    prepared.calibrate([counts()])
    after = prepared.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


def test_calibrating_on_windows_without_events_first_gives_the_same_ranges() -> None:
    torch.manual_seed(6)
    network = NETWORKS["pooled"]()
    for layer in network.children():
        if getattr(layer, "bias", None) is not None:
            torch.nn.init.zeros_(layer.bias)
    empty = torch.zeros(8, *SHAPE, dtype=torch.uint8)
    plain = prepare(network, SHAPE).calibrate([counts()])
    late = prepare(network, SHAPE).calibrate([empty, counts()])
    assert lower(convert(plain), "n").digest == lower(convert(late), "n").digest


def test_a_program_that_saw_only_empty_windows_converts_to_finite_numbers() -> None:
    empty = torch.zeros(8, *SHAPE, dtype=torch.uint8)
    converted = convert(prepare(Separable(), SHAPE).calibrate([empty]))
    assert torch.isfinite(converted(counts())).all()
    assert all(np.isfinite(tensor.scale) and tensor.scale > 0 for tensor in lower(converted, "n").tensors.values())


def test_a_program_that_never_saw_data_cannot_be_converted() -> None:
    with pytest.raises(ModelError, match="never shown data"):
        convert(prepare(Separable(), SHAPE).calibrate([]))


def test_without_fake_quantisation_a_prepared_program_is_the_float_network() -> None:
    torch.manual_seed(7)
    network = Separable()
    prepared = prepare(network, SHAPE).fake_quantize(False)
    batch = counts()
    torch.testing.assert_close(prepared.eval()(batch), network.eval()(batch.float()))
    prepared.train()(batch)
    network.train()(batch.float())
    torch.testing.assert_close(prepared.eval()(batch), network.eval()(batch.float()))


def test_the_head_has_one_weight_scale_unless_asked_for_one_per_class() -> None:
    for per_channel, scales in ((False, 1), (True, 3)):
        torch.manual_seed(8)
        prepared = prepare(Separable(), SHAPE, QuantizeSettings(per_channel_head=per_channel)).calibrate([counts()])
        head = lower(convert(prepared), "n").operators[-1]
        assert isinstance(head, Linear)
        assert len(set(head.weight_scale.tolist())) == scales


def test_convolutions_have_one_weight_scale_per_channel_unless_asked_for_one_per_tensor(tmp_path: Path) -> None:
    for weights, several in (("per-channel", True), ("per-tensor", False)):
        torch.manual_seed(8)
        settings = QuantizeSettings.model_validate({"weights": weights})
        save_prepared(prepare(Separable(), SHAPE, settings).calibrate([counts()]), tmp_path / "p.safetensors")
        prepared = load_prepared(Separable(), tmp_path / "p.safetensors")
        batch = counts()
        assert torch.equal(convert(prepared)(batch), prepared.eval()(batch))
        convolutions = [op for op in lower(convert(prepared), "n").operators if isinstance(op, Conv2d)]
        assert convolutions
        assert all((len(set(op.weight_scale.tolist())) > 1) == several for op in convolutions)


@pytest.mark.parametrize("observer", ["minmax", "mse", "percentile", "nonzero-percentile", "zero-aware", "kl", "lsq"])
def test_every_observer_of_a_recipe_calibrates_trains_and_reads_back(observer: str, tmp_path: Path) -> None:
    torch.manual_seed(9)
    settings = QuantizeSettings.model_validate({"observer": observer, "percentile": 99.5})
    calibrated = prepare(Separable(), SHAPE, settings).calibrate([counts()])
    prepared = train(calibrated, steps=2)
    save_prepared(prepared, tmp_path / "p.safetensors")
    restored = load_prepared(Separable(), tmp_path / "p.safetensors")
    assert restored.settings["observer"] == observer
    assert restored.settings["percentile"] == 99.5
    batch = counts(8, seed=4)
    assert torch.equal(prepared(batch), restored(batch))
    assert torch.equal(prepared(batch), convert(restored)(batch))


def test_the_recipes_averaging_constant_reaches_every_observer_and_the_saved_file(tmp_path: Path) -> None:
    prepared = prepare(Separable(), SHAPE, QuantizeSettings(averaging_constant=0.25))
    save_prepared(prepared, tmp_path / "p.safetensors")
    restored = load_prepared(Separable(), tmp_path / "p.safetensors")
    for program in (prepared, restored):
        constants = {m.averaging_constant for m in program.modules() if isinstance(m, EmaObserver)}
        assert constants == {0.25}


def test_frozen_ranges_and_norms_stay_while_training_goes_on_and_follow_the_data_again_afterwards() -> None:
    torch.manual_seed(11)
    prepared = train(prepare(Separable(), SHAPE), steps=3)

    def state(words: tuple[str, ...]) -> dict[str, torch.Tensor]:
        return {name: value.clone() for name, value in prepared.state_dict().items() if name.endswith(words)}

    norms, ranges = ("running_mean", "running_var"), (".average", ".batches")
    for frozen in (ranges, norms):
        prepared.freeze(ranges=frozen is ranges, norm=frozen is norms)
        before, weights = {words: state(words) for words in (norms, ranges)}, state(("weight",))
        train(prepared, steps=2)
        for words, kept in before.items():
            same = [torch.equal(value, kept[name]) for name, value in state(words).items()]
            assert all(same) if words is frozen else not any(same), words
        assert not any(torch.equal(value, weights[name]) for name, value in state(("norm.weight",)).items())


def test_learned_scales_are_trained_exported_and_kept_where_they_are_frozen() -> None:
    torch.manual_seed(12)
    prepared = prepare(Separable(), SHAPE, QuantizeSettings(observer="lsq"))
    started = scales_of(train(prepared, steps=8))
    moved = scales_of(train(prepared, steps=4))
    assert all(moved[name] != scale for name, scale in started.items())
    prepared.freeze(ranges=True, norm=False)
    assert scales_of(train(prepared, steps=2)) == moved
    graph = lower(convert(prepared), "n")
    assert {name: graph.tensors[name].scale for name in moved} == pytest.approx(moved)


@pytest.mark.parametrize("damage", ["missing", "truncated", "foreign", "another network"])
def test_a_file_that_is_no_prepared_program_of_this_network_is_refused(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "torch.safetensors"
    if damage != "missing":
        save_prepared(prepare(Separable(), SHAPE), path)
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:-20])
    if damage == "foreign":
        path.write_bytes(b"not safetensors")
    network = NETWORKS["pooled"]() if damage == "another network" else Separable()
    with pytest.raises(ModelError, match=r"torch\.safetensors"):
        load_prepared(network, path)


def test_a_program_that_cannot_be_written_says_where(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match=r"torch\.safetensors"):
        save_prepared(prepare(Separable(), SHAPE), tmp_path / "no such folder" / "torch.safetensors")


def test_inputs_are_counts_and_logits_stay_float32(converted: ConvertedProgram) -> None:
    graph = lower(converted, "small")
    counts_in = graph.tensors["input"]
    assert (counts_in.dtype, counts_in.scale, counts_in.zero_point, counts_in.shape) == (DType.U8, 1.0, 0, SHAPE)
    assert graph.tensors[graph.outputs[0]].dtype is DType.F32
    assert isinstance(graph.operators[-1], Linear)
