"""Checkpoints survive damage and run no code."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from evbench.errors import ModelError
from evbench.training.checkpoint import (
    Checkpoint,
    latest_checkpoint,
    load_checkpoint,
    load_weights,
    save_checkpoint,
    save_weights,
)


def checkpoint(epoch: int) -> Checkpoint:
    weights = {"w": torch.full((2, 3), float(epoch))}
    return Checkpoint(epoch, weights, {"state": {}, "param_groups": []}, 1, 0.75, 0.5, [{"loss": 0.25}])


class Bomb:
    """Unpickling this leaves a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.path,)


def test_what_was_saved_is_read_back(tmp_path: Path) -> None:
    read = load_checkpoint(save_checkpoint(checkpoint(3), tmp_path))
    assert (read.epoch, read.best_epoch, read.best_accuracy, read.best_loss) == (3, 1, 0.75, 0.5)
    assert read.history == [{"loss": 0.25}]
    assert torch.equal(read.weights["w"], torch.full((2, 3), 3.0))


def test_the_last_two_epochs_are_kept(tmp_path: Path) -> None:
    for epoch in range(1, 12):
        save_checkpoint(checkpoint(epoch), tmp_path)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["epoch-0010.pt", "epoch-0011.pt"]


def test_a_damaged_newest_checkpoint_falls_back_to_the_one_before(tmp_path: Path) -> None:
    save_checkpoint(checkpoint(1), tmp_path)
    newest = save_checkpoint(checkpoint(2), tmp_path)
    newest.write_bytes(newest.read_bytes()[:100])
    found = latest_checkpoint(tmp_path)
    assert found is not None
    assert found.epoch == 1


def test_a_folder_without_checkpoints_has_none(tmp_path: Path) -> None:
    assert latest_checkpoint(tmp_path / "nowhere") is None


@pytest.mark.parametrize("save", [torch.save, lambda content, path: Path(path).write_bytes(pickle.dumps(content))])
def test_opening_a_strangers_checkpoint_runs_no_code(save: object, tmp_path: Path) -> None:
    evidence = tmp_path / "ran"
    path = tmp_path / "epoch-0001.pt"
    assert callable(save)
    save({"epoch": Bomb(evidence)}, path)
    with pytest.raises(ModelError, match="opened safely"):
        load_checkpoint(path)
    assert not evidence.exists()


def test_a_file_of_other_content_is_no_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "epoch-0001.pt"
    torch.save({"something": torch.zeros(3)}, path)
    with pytest.raises(ModelError, match="not a checkpoint"):
        load_checkpoint(path)


def test_weights_in_any_memory_order_are_saved(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    value = torch.arange(2 * 3 * 4 * 4.0).reshape(2, 3, 4, 4).contiguous(memory_format=torch.channels_last)
    save_weights({"a": value, "tied": value}, path)
    assert torch.equal(load_weights(path)["a"], value)


@pytest.mark.parametrize("content", [None, b"", b"not safetensors at all"])
def test_weights_that_cannot_be_read_are_explained(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match="cannot be read"):
        load_weights(path)
