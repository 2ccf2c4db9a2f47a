"""All four approaches turn windows into model directories whose graphs answer like the network that was trained."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from evbench.errors import ModelError
from evbench.events.windowset import WindowSet
from evbench.graph.execute import execute
from evbench.graph.file import load_graph
from evbench.profiles import DatasetSettings, NetworkSettings, QuantizeSettings, Recipe, Representation, TrainSettings
from evbench.quantize.movement import load_movement
from evbench.quantize.statistics import load_scales, load_statistics
from evbench.training.approach import (
    APPROACHES,
    Approach,
    ApproachResult,
    export_approach,
    input_kind,
    needs_base,
    train_approach,
)
from evbench.training.evaluate import accuracy

CLASSES = ("upper left", "lower right")


class Tiny(nn.Module):
    """A network that trains in a moment."""

    def __init__(self, in_channels: int, classes: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)
        )
        self.linear = nn.Linear(8 * (size[0] // 4) * (size[1] // 4), classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(torch.flatten(self.stem(x), 1))


RECIPE = Recipe(
    id="corners",
    dataset=DatasetSettings(name="folder"),
    representation=Representation(bins=2, size=(16, 16)),
    network=NetworkSettings(name=f"{__name__}:Tiny", frames=f"{__name__}:Tiny"),
    train=TrainSettings(epochs=6, frames_epochs=2, batch_size=16, learning_rate=1e-2),
)


def ignore(name: str, step: int, value: float) -> None:
    pass


@pytest.fixture(scope="module")
def results(
    train_set: WindowSet,
    validation_set: WindowSet,
    test_set: WindowSet,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[Approach, ApproachResult]:
    root = tmp_path_factory.mktemp("approaches")
    found: dict[Approach, ApproachResult] = {}
    for approach in APPROACHES:
        base = root / "fp32-voxel" / "trained" if needs_base(approach, RECIPE) else None
        trained = root / approach / "trained"
        train_approach(approach, RECIPE, train_set, validation_set, CLASSES, trained, ignore, base=base)
        found[approach] = export_approach(approach, RECIPE, trained, test_set, CLASSES, root / approach / "model")
    return found


@pytest.mark.parametrize("approach", APPROACHES)
def test_every_approach_learns_and_exports_a_graph_that_is_right_as_often(
    approach: Approach, results: dict[Approach, ApproachResult], test_set: WindowSet
) -> None:
    result = results[approach]
    graph = load_graph(result.directory / "graph.safetensors")
    logits = execute(graph, test_set.dense(slice(None)))[graph.outputs[0]].reshape(len(test_set), -1)
    assert accuracy(logits, test_set.labels, test_set.recording).window == result.accuracy.window
    assert result.accuracy.window.value > 0.8
    assert graph.is_float == approach.startswith("fp32")


def test_integer_models_are_a_quarter_of_the_float_ones(results: dict[Approach, ApproachResult]) -> None:
    assert results["qat-int8"].model_bytes < 0.4 * results["fp32-voxel"].model_bytes
    assert results["qat-int8"].macs == results["fp32-voxel"].macs


def test_the_card_says_what_a_reader_needs(results: dict[Approach, ApproachResult]) -> None:
    card = json.loads((results["ptq-int8"].directory / "model.json").read_text())
    assert card["approach"] == "ptq-int8"
    assert card["method"] == "ptq"
    assert card["classes"] == list(CLASSES)
    assert (card["bins"], card["window_us"], card["size"]) == (2, 50_000, [16, 16])
    assert card["recipe"]["id"] == "corners"
    assert card["metrics"]["accuracy"]["window"]["total"] == 32
    assert card["digest"] == load_graph(results["ptq-int8"].directory / "graph.safetensors").digest


def test_a_model_directory_holds_the_promised_files(results: dict[Approach, ApproachResult]) -> None:
    names = {path.name for path in results["qat-int8"].directory.iterdir()}
    promised = {"graph.safetensors", "model.onnx", "model.json", "check.npz", "torch.safetensors", "statistics.npz"}
    assert names == promised
    assert "torch.safetensors" not in {path.name for path in results["fp32-voxel"].directory.iterdir()}


@pytest.mark.parametrize("approach", ["ptq-int8", "qat-int8"])
def test_an_integer_model_has_statistics_of_every_tensor_and_its_scales_over_training(
    approach: Approach, results: dict[Approach, ApproachResult], train_set: WindowSet
) -> None:
    directory = results[approach].directory
    statistics, graph = load_statistics(directory / "statistics.npz"), load_graph(directory / "graph.safetensors")
    names = [tensor.name for tensor in statistics.tensors]
    assert names == ["input", "stem.0.weight", "stem.0", "linear.weight"]
    stem = statistics.tensors[2]
    assert stem.scale == pytest.approx(graph.tensors["stem.0"].scale)
    assert stem.window_peaks.shape == (64,)
    assert stem.batches > 0
    assert stem.sqnr is not None
    assert 20 < stem.sqnr < 70
    steps = len(train_set) // 16 * 6
    assert statistics.scales.steps.tolist() == ([] if approach == "ptq-int8" else list(range(0, steps, 10)))
    looks = statistics.movement.of("stem.0")
    assert looks["steps"] == ([] if approach == "ptq-int8" else list(range(steps)))
    if approach == "qat-int8":
        assert len(set(statistics.scales.of("stem.0").tolist())) > 1
        assert looks["scale"][-1] == pytest.approx(statistics.scales.of("stem.0")[-1])
        assert np.sum(looks["shares"], axis=1) == pytest.approx(1.0, abs=1e-2)
        assert statistics.movement.windows == 16


def test_scales_are_metrics_while_a_network_is_trained_with_quantisation(
    train_set: WindowSet, validation_set: WindowSet, tmp_path: Path
) -> None:
    seen: list[tuple[str, int]] = []

    def stop_in_the_third_epoch(name: str, step: int, value: float) -> None:
        seen.append((name, step))
        if step == 15:
            raise InterruptedError

    def remember(name: str, step: int, value: float) -> None:
        seen.append((name, step))

    short = RECIPE.model_copy(update={"train": RECIPE.train.model_copy(update={"epochs": 4})})
    arguments = ("qat-int8", short, train_set, validation_set, CLASSES)
    train_approach(*arguments, tmp_path / "unbroken", ignore)
    with pytest.raises(InterruptedError):
        train_approach(*arguments, tmp_path / "broken", stop_in_the_third_epoch)
    train_approach(*arguments, tmp_path / "broken", remember)
    assert [step for name, step in seen if name == "scale/stem.0"] == [0, 10, 20]
    unbroken, resumed = (load_scales(tmp_path / name / "scales.npz") for name in ("unbroken", "broken"))
    assert resumed.steps.tolist() == [0, 10, 20]
    assert np.array_equal(unbroken.scales, resumed.scales)
    looks, again = (load_movement(tmp_path / name / "movement.npz") for name in ("unbroken", "broken"))
    assert again.steps.tolist() == list(range(24))
    assert np.array_equal(looks.shares, again.shares)
    assert np.array_equal(looks.figures, again.figures)


def test_the_graph_carries_what_the_board_session_needs(results: dict[Approach, ApproachResult]) -> None:
    metadata = load_graph(results["fp32-voxel"].directory / "graph.safetensors").metadata
    assert json.loads(metadata["classes"]) == list(CLASSES)
    assert metadata["window_us"] == "50000"
    assert json.loads(metadata["size"]) == [16, 16]


def test_training_again_in_a_finished_directory_gives_the_same_weights(
    train_set: WindowSet, validation_set: WindowSet, tmp_path: Path
) -> None:
    first = train_approach("qat-int8", RECIPE, train_set, validation_set, CLASSES, tmp_path, ignore)
    weights = (tmp_path / "weights.safetensors").read_bytes()
    steps: list[int] = []
    second = train_approach(
        "qat-int8", RECIPE, train_set, validation_set, CLASSES, tmp_path, lambda name, step, value: steps.append(step)
    )
    assert steps == []
    assert (tmp_path / "weights.safetensors").read_bytes() == weights
    assert second["history"] == first["history"]


def test_late_quantisation_goes_on_where_the_float_training_was_by_then(
    train_set: WindowSet, validation_set: WindowSet, tmp_path: Path
) -> None:
    late = RECIPE.model_copy(update={"quantize": QuantizeSettings(from_epoch=4)})
    losses: dict[str, dict[int, float]] = {"fp32-voxel": {}, "qat-int8": {}}
    for approach, base in (("fp32-voxel", None), ("qat-int8", tmp_path / "fp32-voxel")):

        def remember(name: str, step: int, value: float, seen: dict[int, float] = losses[approach]) -> None:
            seen.update({step: value} if name == "loss" else {})

        directory = tmp_path / approach
        record = train_approach(approach, late, train_set, validation_set, CLASSES, directory, remember, base=base)
    assert list(losses["qat-int8"]) == list(range(24, 36))
    assert losses["qat-int8"][24] == pytest.approx(losses["fp32-voxel"][24], rel=0.05)
    assert losses["qat-int8"][24] < 0.5 * losses["fp32-voxel"][0]
    assert len(record["history"]) == 2
    assert record["epoch"] > 4
    assert record["validation"]["window"]["value"] > 0.8
    with pytest.raises(ModelError, match="Train fp32-voxel first"):
        train_approach("qat-int8", late, train_set, validation_set, CLASSES, tmp_path / "alone", ignore)


@pytest.mark.parametrize(("part", "frozen"), [(0.5, True), (1.0, False)])
def test_ranges_stay_after_the_part_of_training_that_the_recipe_names(
    part: float, frozen: bool, train_set: WindowSet, validation_set: WindowSet, tmp_path: Path
) -> None:
    settings = QuantizeSettings(freeze_ranges=part, freeze_norm=part)
    recipe = RECIPE.model_copy(update={"quantize": settings})
    train_approach("qat-int8", recipe, train_set, validation_set, CLASSES, tmp_path, ignore)
    scales = load_scales(tmp_path / "scales.npz")
    assert scales.steps.tolist() == [0, 10, 20, 30]
    at = scales.of("stem.0")
    assert len(set(at[:3])) == 3
    assert (at[2] == at[3]) == frozen


def test_post_training_quantisation_without_a_network_says_what_is_missing(
    train_set: WindowSet, validation_set: WindowSet, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match="Train fp32-voxel first"):
        train_approach("ptq-int8", RECIPE, train_set, validation_set, CLASSES, tmp_path, ignore)


def test_only_the_first_row_reads_frames() -> None:
    assert [input_kind(approach) for approach in APPROACHES] == ["frame", "voxel", "voxel", "voxel"]


def test_two_trainings_with_one_seed_are_equal(train_set: WindowSet, validation_set: WindowSet, tmp_path: Path) -> None:
    for name in ("one", "two"):
        train_approach("fp32-voxel", RECIPE, train_set, validation_set, CLASSES, tmp_path / name, ignore)
    one, two = ((tmp_path / name / "weights.safetensors").read_bytes() for name in ("one", "two"))
    assert np.array_equal(np.frombuffer(one, np.uint8), np.frombuffer(two, np.uint8))
