"""Batches equal the dense windows, and augmentation does what its names say."""

from __future__ import annotations

import numpy as np
import torch

from evbench.events.windowset import WindowSet
from evbench.training.augment import Batches, Voxels, augment, gather

SHAPE = (4, 16, 16)


def one_voxel(channel: int = 1, y: int = 3, x: int = 5, items: int = 64) -> Voxels:
    def every(value: int) -> np.ndarray:
        return np.full(items, value, np.int64)

    return Voxels(np.arange(items), every(channel), every(y), every(x), np.ones(items, np.float32))


def test_a_batch_equals_the_dense_windows(train_set: WindowSet) -> None:
    rows = np.array([5, 0, 77])
    batch = Batches(train_set, 8)(rows)
    assert batch.is_contiguous(memory_format=torch.channels_last)
    np.testing.assert_array_equal(batch.numpy(), train_set.dense(rows).astype(np.float32))


def test_nothing_of_one_batch_is_left_in_the_next(train_set: WindowSet) -> None:
    batches = Batches(train_set, 8)
    batches(np.arange(8), ("shift",), np.random.default_rng(0))
    rows = np.array([20, 21])
    np.testing.assert_array_equal(batches(rows).numpy(), train_set.dense(rows).astype(np.float32))


def test_a_window_without_events_is_a_batch_of_zeros() -> None:
    empty = WindowSet(
        offsets=np.zeros(2, np.int64),
        index=np.zeros(0, np.uint32),
        count=np.zeros(0, np.uint8),
        labels=np.zeros(1, np.int64),
        recording=np.zeros(1, np.int32),
        t0=np.zeros(1, np.int64),
        shape=SHAPE,
    )
    assert not Batches(empty, 1)(np.array([0]), ("shift", "affine"), np.random.default_rng(0)).any()


def test_the_same_generator_gives_the_same_batch(train_set: WindowSet) -> None:
    kinds = ("shift", "flip", "reverse", "affine")
    first, second = (Batches(train_set, 8)(np.arange(8), kinds, np.random.default_rng(4)).clone() for _ in range(2))
    assert torch.equal(first, second)


def test_a_shift_moves_by_at_most_an_eighth() -> None:
    moved = augment(one_voxel(), SHAPE, 64, ("shift",), np.random.default_rng(0))
    assert set(np.unique(moved.x)) == {3, 4, 5, 6, 7}
    assert set(np.unique(moved.y)) == {1, 2, 3, 4, 5}
    assert (moved.channel == 1).all()


def test_a_flip_mirrors_left_and_right_only() -> None:
    moved = augment(one_voxel(), SHAPE, 64, ("flip",), np.random.default_rng(0))
    assert set(np.unique(moved.x)) == {5, 10}
    assert set(np.unique(moved.y)) == {3}


def test_reversing_swaps_polarity_and_the_order_of_bins() -> None:
    moved = augment(one_voxel(channel=1), SHAPE, 64, ("reverse",), np.random.default_rng(0))
    assert set(np.unique(moved.channel)) == {1, 2}


def test_an_affine_change_keeps_the_centre_where_it_is() -> None:
    shape = (4, 17, 17)
    moved = augment(one_voxel(y=8, x=8), shape, 64, ("affine",), np.random.default_rng(0))
    assert set(np.unique(moved.x)) == {8}
    corner = augment(one_voxel(y=8, x=14), shape, 64, ("affine",), np.random.default_rng(0))
    assert len(np.unique(corner.x)) > 1
    assert len(np.unique(corner.y)) > 1


def test_what_leaves_the_grid_is_dropped_from_its_own_window() -> None:
    moved = augment(one_voxel(x=15), SHAPE, 64, ("shift",), np.random.default_rng(0))
    assert 0 < len(moved.item) < 64
    assert moved.x.max() <= 15
    assert len(np.unique(moved.item)) == len(moved.item)


def test_gathering_keeps_the_order_of_the_rows(train_set: WindowSet) -> None:
    voxels = gather(train_set, np.array([3, 1]))
    first = train_set.offsets[4] - train_set.offsets[3]
    assert (voxels.item[:first] == 0).all()
    assert (voxels.item[first:] == 1).all()
