"""A workspace, recordings and jobs that are the same in every run."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from tui_helpers import circle

from evbench.events.writers import write_recording
from evbench.jobs.store import Store
from evbench.workspace import Workspace, open_workspace

STARTED = 1_700_000_000.0


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """An empty workspace whose shown name does not change from run to run."""
    return open_workspace(tmp_path / "lab" / "workspace")


@pytest.fixture
def store(workspace: Workspace) -> Store:
    return Store(workspace)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with a good recording, one of two classes, and a file that is none."""
    folder = tmp_path / "shapes"
    (folder / "train").mkdir(parents=True)
    write_recording(circle(), folder / "train" / "circle.dat")
    stream = circle(1500, 48)
    write_recording(stream[stream.t < 230_000], folder / "train" / "half.dat")
    (folder / "train" / "noise.dat").write_bytes(b"no events here, only text")
    return folder


def add_job(store: Store, recipe: str, state: str, finished: int, **columns: Any) -> int:
    """A run with five stages of which `finished` are done, 12 s each; the next one has failed or is under way."""
    names = [("dataset", ""), ("train", "fp32-voxel"), ("train", "qat-int8"), ("export", "qat-int8"), ("report", "")]
    job = store.add_job("run", recipe, {"board": "virtual-h743"})
    store.plan_stages(job, names)
    for number, (name, approach) in enumerate(names):
        begin = STARTED + 12 * number
        if number < finished:
            store.change_stage(job, name, approach, state="done", started=begin, finished=begin + 12, progress=1.0)
        elif number == finished and state in ("failed", "running"):
            store.change_stage(job, name, approach, state=state, progress=0.4, message="epoch 4 of 10")
    ended = None if state == "running" else STARTED + 12 * finished + 5
    stage = names[min(finished, len(names) - 1)][0]
    store.change_job(job, state=state, started=STARTED, finished=ended, stage=stage, **columns)
    return job


@pytest.fixture
def jobs(store: Store) -> list[int]:
    """A finished, a failed and a running job with curves and logs, oldest first."""
    done = add_job(store, "objects-voxel-qat", "done", 5)
    failed = add_job(store, "nmnist-voxel-qat", "failed", 1, error="The disk is full. Free some space.")
    running = add_job(store, "objects-voxel-qat", "running", 2)
    for job in (done, running):
        for approach, speed in (("fp32-voxel", 40), ("qat-int8", 60)):
            loss = [(f"{approach}/loss", step, 0.1 + 1.5 * math.exp(-step / speed), STARTED) for step in range(200)]
            accuracy = [(f"{approach}/validation_accuracy", e, 1 - 0.6 * math.exp(-e / 3), STARTED) for e in range(8)]
            store.add_metrics(job, [*loss, *accuracy])
    log = "".join(f"step {step} loss {0.1 + 1.5 * math.exp(-step / 60):.3f}\n" for step in range(120))
    store.workspace.log(running).write_text(log)
    store.workspace.log(failed).write_text("reading recordings\nThe disk is full.\n")
    return [done, failed, running]


@pytest.fixture
def profile_result() -> dict[str, Any]:
    """What `evbench profile --json` says of a small network."""
    macs = {"stem": 460_800, "block1.depthwise": 147_456, "block1.pointwise": 524_288, "pool": 0, "head": 640}
    layers = []
    for index, (name, count) in enumerate(macs.items()):
        cycles = round(count * (1.5 if "depthwise" in name else 0.8)) or 9_000
        layers.append(
            {
                "index": index,
                "name": name,
                "kind": "Conv2d" if index < 3 else "GlobalAveragePool" if name == "pool" else "Linear",
                "macs": count,
                "cycles": cycles,
                "cycles_per_mac": cycles / count if count else None,
                "ms": cycles / 480_000,
                "skipped": {"stem": 0.88, "block1.depthwise": 0.62}.get(name),
            }
        )
    total = sum(layer["cycles"] for layer in layers)
    return {
        "board": "virtual-h743",
        "modelled": True,
        "core_hz": 480_000_000,
        "build_id": "3f9c21aa50b1",
        "layers": layers,
        "total_cycles": total,
        "latency_ms": total / 480_000,
        "flash_bytes": 131_072,
        "ram_bytes": 199_680,
        "stack_bytes": 1432,
        "logits": [1.5, -0.25, 4.0],
    }


@pytest.fixture
def profile_job(store: Store, profile_result: dict[str, Any]) -> int:
    """A finished profile job with its measurement."""
    job = store.add_job("profile", "bundled model", {"board": "virtual-h743"})
    store.plan_stages(job, [("build", ""), ("flash", ""), ("profile", "")])
    for number, name in enumerate(("build", "flash", "profile")):
        begin = STARTED + 2 * number
        store.change_stage(job, name, "", state="done", started=begin, finished=begin + 2, progress=1.0)
    store.change_job(job, state="done", started=STARTED, finished=STARTED + 6)
    store.add_profile_run(job, "virtual-h743", "bundled model", profile_result)
    return job
