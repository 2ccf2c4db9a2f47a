"""What a person sees of a job that goes on."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from evbench.jobs import engine
from evbench.jobs.display import duration, job_details, model_size, parity_table, report_table, size
from evbench.jobs.follow import Follower, follow
from evbench.jobs.store import Store


def text_of(drawn: object) -> str:
    console = Console(file=StringIO(), width=200)
    console.print(drawn)
    output = console.file
    assert isinstance(output, StringIO)
    return output.getvalue()


def test_each_stage_and_epoch_is_told_once_and_the_running_one_moves(store: Store) -> None:
    job_id = store.add_job("run", "bars", {"board": "virtual-h743"})
    store.plan_stages(job_id, [("dataset", ""), ("train", "qat-int8")])
    told: list[str] = []
    shown: list[str] = []
    follower = Follower(store, job_id, told.append, shown.append)
    follower(store.job(job_id))
    store.change_stage(job_id, "dataset", "", state="done", started=1.0, finished=3.5, message="6 classes")
    store.change_stage(job_id, "train", "qat-int8", state="running", started=4.0, message="epoch 2/4, loss 0.5")
    store.add_metrics(job_id, [("qat-int8/loss", 9, 0.5, 4.0), ("qat-int8/validation_accuracy", 10, 0.75, 4.0)])
    follower(store.job(job_id))
    follower(store.job(job_id))
    store.change_stage(job_id, "train", "qat-int8", state="failed", message="The disk is full.")
    follower(store.job(job_id))
    assert [" ".join(line.split()) for line in told] == [
        "train qat-int8 epoch 1: validation 75.0 %",
        "dataset 6 classes [2.5 s]",
        "train qat-int8 The disk is full. [failed]",
    ]
    assert "epoch 2/4, loss 0.5" in shown[-2]


def test_what_a_resumed_job_did_before_is_not_told_again(store: Store) -> None:
    job_id = store.add_job("run", "bars", {})
    store.add_metrics(job_id, [("qat-int8/validation_accuracy", 10, 0.5, 1.0)])
    told: list[str] = []
    follower = Follower(store, job_id, told.append, told.append)
    store.add_metrics(job_id, [("qat-int8/validation_accuracy", 20, 0.75, 2.0)])
    follower(store.job(job_id))
    assert " ".join(told[0].split()) == "train qat-int8 epoch 2: validation 75.0 %"


def test_epochs_of_late_quantisation_are_numbered_on_from_those_it_takes_over(store: Store) -> None:
    job_id = store.add_job("run", "bars", {"recipe": {"quantize": {"from_epoch": 10}}})
    told: list[str] = []
    follower = Follower(store, job_id, told.append, told.append)
    store.add_metrics(job_id, [(f"{name}/validation_accuracy", 20, 0.5, 1.0) for name in ("fp32-voxel", "qat-int8")])
    follower(store.job(job_id))
    assert [line.split()[3] for line in told[:2]] == ["1:", "11:"]


@pytest.mark.usefixtures("fake_worker")
def test_following_on_a_log_prints_plain_lines(store: Store) -> None:
    job_id = store.add_job("run", "fake", {"epochs": 2, "board": "virtual-h743"})
    engine.start(store.workspace, job_id)
    out = StringIO()
    job = follow(store.workspace, job_id, Console(file=out, width=100))
    assert job.state == "done"
    lines = out.getvalue().splitlines()
    assert lines[0] == f"Job {job_id}: run fake on virtual-h743"
    assert any(line.startswith("train small") and "2 epochs" in line for line in lines)
    assert "\x1b" not in out.getvalue()


def test_the_report_marks_what_does_not_fit_and_what_is_modelled() -> None:
    row = {
        "approach": "fp32-frames",
        "network": "frame-resnet",
        "model_bytes": 4_200_000,
        "flash_bytes": 4_300_000,
        "ram_bytes": 400_000,
        "accuracy_window": 0.5,
        "accuracy_window_ci95": [0.45, 0.55],
        "accuracy_group": 0.6,
        "accuracy_recording": 0.7,
        "latency_ms": 1400.0,
        "n_windows": 480,
        "modelled": True,
        "fits": False,
        "board": "virtual-h743-qspi",
        "parity": False,
        "differing": ["ort-float"],
    }
    text = text_of(report_table({"recipe": "bars", "window_us": 50_000, "rows": [row]}))
    for part in (
        "fp32 frames",
        "4.20 MB",
        "50.0 % (45.0 to 55.0)",
        "latency, modelled",
        "no: virtual-h743-qspi",
        "480",
    ):
        assert part in text


def test_parity_names_the_first_layer_that_differs() -> None:
    pair = {"a": "reference", "b": "board", "elements": 1000, "differing": 3, "max_lsb": 2, "passed": False}
    worst = {"window": 1, "position": [0, 4, 5], "a": 7, "b": 9}
    pair |= {"max_logit_deviation": 0.25, "first_differing_layer": "stem.0", "judged": True, "ties": False}
    pair |= {"worst_element": worst, "fault": {"kind": "bias", "execution": "board", "text": "the bias is missing"}}
    text = text_of(parity_table({"windows": 4, "pairs": [pair], "passed": False}))
    for part in ("reference = board", "stem.0", "differs", "0.250000", "element (0, 4, 5)", "bias in board"):
        assert part in text


def test_a_failed_job_shows_its_reason(store: Store) -> None:
    job_id = store.add_job("run", "bars", {})
    store.change_job(job_id, state="failed", error="The disk is full. Free some space.")
    assert "The disk is full. Free some space." in text_of(job_details(store.job(job_id), []))


def test_sizes_and_durations_are_written_for_people() -> None:
    assert [size(500), size(80_000), size(4_300_000)] == ["500 B", "78 KiB", "4.10 MiB"]
    assert [model_size(66_000), model_size(4_210_000)] == ["66 kB", "4.21 MB"]
    assert [duration(None, None), duration(1.0, 3.5), duration(0.5, 125.5)] == ["", "2.5 s", "2 min 05 s"]
