"""How fast windows reach a training: batches alone, training steps alone, and whole epochs with and without the cache.

`pytest tests/benchmarks --benchmark-enable --benchmark-only` measures on one thread, in processor time, on the objects
recordings; each figure stands beside a step of the fp32 voxel-dsc on a held batch in the same run. What should be
reached: making an augmented batch takes less than a tenth of a step, so that an epoch is as fast as its steps. An
ordinary run only looks at what comes out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evbench.events.datasets.catalogue import load_dataset
from evbench.events.datasets.labelled import Dataset
from evbench.events.windowset import WindowSet, build_windows
from evbench.networks.registry import create
from evbench.profiles import Recipe, load_recipe
from evbench.training.augment import Batches
from evbench.training.loop import train
from evbench.training.torch_setup import torch

measured = pytest.mark.benchmark(group="loading", timer=time.process_time, min_rounds=3)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return load_recipe("objects-voxel-qat", {"train.epochs": "1", "quantize.method": "ptq"})


@pytest.fixture(scope="module")
def objects(request: pytest.FixtureRequest, shared_data: Path, recipe: Recipe) -> Dataset:
    """All training recordings; one of them where nothing is measured."""
    dataset = load_dataset(recipe.dataset, shared_data / "dvs128-objects")
    count = None if request.config.getoption("benchmark_enable") else 1
    return replace(dataset, recordings=dataset.of("train")[:count])


@pytest.fixture(scope="module")
def windows(objects: Dataset, recipe: Recipe) -> WindowSet:
    return build_windows(objects, recipe.representation, "train")


@pytest.fixture(scope="module")
def held_steps(windows: WindowSet, recipe: Recipe) -> Callable[[], float]:
    """As many training steps as an epoch has, all on one batch that is made beforehand; returns the last loss."""
    size = recipe.train.batch_size
    network = create("voxel-dsc", windows.shape[0], 5, windows.shape[1:]).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.Adam(network.parameters(), recipe.train.learning_rate)
    batch, labels = Batches(windows, size)(np.arange(size)), torch.from_numpy(windows.labels[:size])

    def steps() -> float:
        for _ in range(len(windows) // size):
            loss = torch.nn.functional.cross_entropy(network(batch), labels)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        return float(loss.item())

    return steps


@pytest.fixture(scope="module")
def step_rate(held_steps: Callable[[], float], windows: WindowSet, recipe: Recipe) -> float:
    """Samples a second of steps alone, the best of three epochs."""

    def once() -> float:
        begin = time.process_time()
        held_steps()
        return time.process_time() - begin

    return len(windows) // recipe.train.batch_size * recipe.train.batch_size / min(once() for _ in range(3))


def tell(benchmark, samples: int, step_rate: float) -> None:
    """Keeps samples a second, best round, and how many times as fast as steps alone that is."""
    if benchmark.stats:
        rate = samples / benchmark.stats["min"]
        benchmark.extra_info["samples_per_second"] = round(rate)
        benchmark.extra_info["steps_alone_per_second"] = round(step_rate)
        benchmark.extra_info["times_steps_alone"] = round(rate / step_rate, 2)


@measured
@pytest.mark.parametrize("augment", ["dense", "augmented"])
def test_batches_alone(benchmark, request, windows, recipe, augment):
    batches, size = Batches(windows, recipe.train.batch_size), recipe.train.batch_size
    rng = np.random.default_rng(0)
    order = rng.permutation(len(windows))[: len(windows) // size * size].reshape(-1, size)
    chosen = recipe.train.augment if augment == "augmented" else ()

    def all_batches() -> float:
        return sum(float(batches(rows, chosen, rng)[0, 0, 0, 0]) for rows in order)

    assert benchmark(all_batches) >= 0.0
    np.testing.assert_array_equal(batches(order[0]).numpy(), windows.dense(order[0]))
    if benchmark.stats:
        tell(benchmark, order.size, request.getfixturevalue("step_rate"))


@measured
def test_steps_alone(benchmark, windows, held_steps, recipe):
    first = held_steps()
    assert benchmark(held_steps) < first
    if benchmark.stats:
        size = recipe.train.batch_size
        benchmark.extra_info["samples_per_second"] = round(len(windows) // size * size / benchmark.stats["min"])


@measured
@pytest.mark.parametrize("cache", ["with cache", "without cache"])
def test_an_epoch(benchmark, request, tmp_path, objects, windows, recipe, cache):
    """Without the cache, the epoch reads the recording and makes its voxel grids anew; validation is one window."""
    end = int(windows.offsets[1])
    single = replace(
        windows,
        offsets=windows.offsets[:2],
        index=windows.index[:end],
        count=windows.count[:end],
        labels=windows.labels[:1],
        recording=windows.recording[:1],
        t0=windows.t0[:1],
    )
    runs = iter(range(1_000_000))

    def epoch() -> float:
        made = windows if cache == "with cache" else build_windows(objects, recipe.representation, "train")
        network = create("voxel-dsc", windows.shape[0], 5, windows.shape[1:]).to(memory_format=torch.channels_last)
        found = train(network, made, single, recipe.train, tmp_path / str(next(runs)), lambda *_: None)
        return float(found.history[0]["loss"])

    assert 0.0 < benchmark(epoch) < 2.0
    if benchmark.stats:
        size = recipe.train.batch_size
        tell(benchmark, len(windows) // size * size, request.getfixturevalue("step_rate"))
