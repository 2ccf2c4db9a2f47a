"""What a training step with quantisation costs, as a multiple of an fp32 step in the same run.

`pytest tests/benchmarks/test_quantised_step_speed.py --benchmark-enable --benchmark-only` measures voxel-dsc on sparse
batches of 64 voxel grids, on one thread, in processor time, and prints the ratio of every observer. What should be
reached: at most twice an fp32 step. Eight steps are one round, since some observers look at one batch of eight. An
ordinary run only looks at whether the loss falls.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from evbench.networks.registry import create
from evbench.profiles import QuantizeSettings
from evbench.quantize.program import prepare
from evbench.training.torch_setup import torch

STEPS = 8
CHANNELS, CLASSES = 10, 11
OBSERVERS = ("minmax", "ema-minmax", "mse", "percentile", "nonzero-percentile", "zero-aware", "kl", "lsq")


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def batch(request: pytest.FixtureRequest) -> tuple[torch.Tensor, torch.Tensor]:
    """Counts, one cell of a hundred occupied as in a 50 ms window, and labels; fewer where nothing is measured."""
    windows, side = (64, 128) if request.config.getoption("benchmark_enable") else (4, 32)
    generator = torch.Generator().manual_seed(0)
    occupied = torch.rand(windows, CHANNELS, side, side, generator=generator) < 0.01
    counts = (occupied * torch.randint(1, 4, occupied.shape, generator=generator)).float()
    labels = torch.randint(CLASSES, (windows,), generator=generator)
    return counts.contiguous(memory_format=torch.channels_last), labels


def round_of(network: torch.nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> Callable[[], list[float]]:
    """Eight training steps on one batch; returns their losses."""
    optimizer = torch.optim.Adam(network.train().parameters(), 3e-3)

    def steps() -> list[float]:
        losses = []
        for _ in range(STEPS):
            loss = torch.nn.functional.cross_entropy(network(batch[0]), batch[1])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            losses.append(float(loss.item()))
        return losses

    return steps


def voxel_dsc(size: tuple[int, int]) -> torch.nn.Module:
    torch.manual_seed(0)
    return create("voxel-dsc", CHANNELS, CLASSES, size).to(memory_format=torch.channels_last)


@pytest.mark.benchmark(group="quantised step", timer=time.process_time, min_rounds=3)
@pytest.mark.parametrize(("observer", "frozen"), [*((name, False) for name in OBSERVERS), ("ema-minmax", True)])
def test_a_quantised_step(benchmark, batch, observer, frozen):
    shape = tuple(batch[0].shape[1:])
    float_steps = round_of(voxel_dsc(shape[1:]), batch)
    program = prepare(voxel_dsc(shape[1:]), shape, QuantizeSettings.model_validate({"observer": observer}))
    rounded_steps = round_of(program, batch)
    first = rounded_steps()  # observers are warm after eight batches
    program.freeze(ranges=frozen, norm=frozen)
    assert benchmark(rounded_steps)[-1] < first[0]
    if benchmark.stats:
        rounds = []
        for _ in range(3):
            begin = time.process_time()
            float_steps()
            rounds.append(time.process_time() - begin)
        ratio = benchmark.stats["min"] / min(rounds)
        benchmark.extra_info["times_fp32_step"] = round(ratio, 2)
        print(f"{observer}{' frozen' if frozen else ''}: {ratio:.2f} of an fp32 step")
        assert ratio <= 2.0
