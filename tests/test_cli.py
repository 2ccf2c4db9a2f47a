"""Commands as a user types them: what they print, what programs read, and how mistakes end."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from evbench import cli
from evbench.events.stream import EventStream, SensorGeometry
from evbench.events.writers import write_recording
from evbench.graph.execute import execute
from evbench.graph.importer import import_onnx
from evbench.jobs.models import random_inputs
from evbench.jobs.store import Store
from evbench.resources import resource
from evbench.workspace import open_workspace
from tests.graph.onnx_networks import mobile_network, quantised


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Evbench = Callable[..., Done]


@pytest.fixture
def evbench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Evbench:
    """Runs a command line in this process, in a folder and workspace of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EVBENCH_WORKSPACE", raising=False)

    def run(*arguments: str | Path) -> Done:
        monkeypatch.setattr(sys, "argv", ["evbench", *map(str, arguments)])
        code: Any = 0
        try:
            cli.main()
        except SystemExit as exit_:
            code = exit_.code or 0
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    return run


@pytest.fixture
def recording() -> Path:
    return sorted(resource("assets", "recordings").glob("*.dat"))[0]


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text('[dataset]\nname = "simulated-bars"\n\n[train]\nepochs = 3\n')
    return path


def refused(done: Done, code: int, *parts: str) -> None:
    """A mistake ends in its exit code and one line on standard error, without a traceback."""
    assert done.code == code, done
    assert done.out == ""
    assert done.err.count("\n") == 1
    assert done.err.startswith("evbench: ")
    for part in parts:
        assert part in done.err


def test_the_version_is_printed(evbench: Evbench) -> None:
    assert evbench("--version").out.startswith("evbench 0.")


def test_help_lists_the_commands_and_what_exit_codes_mean(evbench: Evbench) -> None:
    done = evbench("--help")
    commands = "demo run report profile parity build export events voxel datasets jobs boards doctor serve tensors"
    for word in commands.split():
        assert word in done.out
    assert "Exit codes" in done.out


def test_help_needs_none_of_the_heavy_libraries() -> None:
    heavy = ("torch", "numpy", "pydantic", "textual", "onnx", "unicorn", "sqlite3", "psutil")
    code = f"import sys, evbench.cli; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_no_command_opens_the_workbench_on_the_workspace(
    evbench: Evbench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from evbench.tui import app

    opened: list[tuple[Path, Path | None]] = []
    monkeypatch.setattr(app, "run", lambda workspace, data: opened.append((workspace.root, data)))
    assert evbench("--workspace", tmp_path / "w", "--data", tmp_path).code == 0
    assert opened == [(tmp_path / "w", tmp_path)]


def test_events_info_as_json_has_the_promised_keys(evbench: Evbench, recording: Path) -> None:
    info = evbench("events", "info", recording, "--json").json
    assert list(info) == ["format", "sensor", "events", "on", "off", "t_first_us", "t_last_us", "monotonic", "warnings"]
    assert info["events"] == info["on"] + info["off"] > 0
    assert info["monotonic"] is True


def test_datasets_list_says_what_each_set_needs(evbench: Evbench) -> None:
    entries = {entry["name"]: entry for entry in evbench("datasets", "list", "--json").json["datasets"]}
    assert list(entries["dvs128-gesture"]) == ["name", "what", "split", "files", "ready"]
    assert "DvsGesture.tar.gz" in entries["dvs128-gesture"]["files"]
    shown = evbench("datasets", "list").out
    assert all(name in shown for name in entries)
    assert "evbench downloads nothing" in shown


def test_events_info_for_people_shows_the_counts(evbench: Evbench, recording: Path) -> None:
    count = evbench("events", "info", recording, "--json").json["events"]
    assert f"{count:,}" in evbench("events", "info", recording).out


def test_events_convert_keeps_every_event(evbench: Evbench, recording: Path, tmp_path: Path) -> None:
    before = evbench("events", "info", recording, "--json").json
    done = evbench("events", "convert", recording, tmp_path / "copy.aedat")
    assert f"{before['events']:,} events" in done.out
    after = evbench("events", "info", tmp_path / "copy.aedat", "--json").json
    assert (after["events"], after["on"]) == (before["events"], before["on"])


def test_bad_recordings_end_in_one_sentence_each(evbench: Evbench, recording: Path, tmp_path: Path) -> None:
    refused(evbench("events", "info", tmp_path / "missing.dat"), 4, "missing.dat")
    empty = tmp_path / "empty.dat"
    empty.write_bytes(b"")
    refused(evbench("events", "info", empty), 4, "empty.dat")
    alien = tmp_path / "alien.dat"
    alien.write_bytes(b"\x00PNG" * 100)
    refused(evbench("events", "info", alien), 4, "alien.dat")
    refused(evbench("events", "convert", recording, tmp_path / "copy.xyz"), 4, "copy.xyz")


def test_a_truncated_recording_is_read_as_far_as_it_goes_with_a_warning(
    evbench: Evbench, recording: Path, tmp_path: Path
) -> None:
    cut = tmp_path / "cut.dat"
    cut.write_bytes(recording.read_bytes()[:-3])
    info = evbench("events", "info", cut, "--json").json
    assert info["events"] > 0
    assert info["warnings"]


def test_playing_without_a_terminal_says_what_to_do_instead(evbench: Evbench, recording: Path) -> None:
    refused(evbench("events", "play", recording), 1, "Playing needs a terminal", "evbench voxel FILE --png")


def test_voxel_describes_and_draws_a_window(evbench: Evbench, recording: Path) -> None:
    stats = evbench("voxel", recording, "--window", "1", "--json").json
    assert stats["window"] == 1
    assert np.sum(stats["counts_per_bin"]) == stats["events"]
    drawn = evbench("voxel", recording, "--window", "1").out
    assert f"window 1 of {stats['windows']}" in drawn
    assert "▀" in drawn


@pytest.mark.parametrize(
    ("kind", "shape"), [("voxel", [2, 5]), ("bilinear", [2, 5]), ("frame", [2, 1]), ("time-surface", [2, 1])]
)
def test_voxel_draws_every_representation_and_writes_it(
    evbench: Evbench, recording: Path, tmp_path: Path, kind: str, shape: list[int]
) -> None:
    found = evbench("voxel", recording, "--as", kind, "--json").json
    assert (found["representation"], found["shape"]) == (kind, [*shape, 128, 128])
    done = evbench("voxel", recording, "--as", kind, "--png", "window.png")
    assert kind in done.out
    assert "▀" in done.out
    assert (tmp_path / "window.png").read_bytes().startswith(b"\x89PNG")


def test_voxel_says_what_each_filter_kept_and_which_pixels_were_hot(evbench: Evbench, recording: Path) -> None:
    words = ["--filter", "hot-pixels factor=8", "--filter", 'background-activity keep_within="10 ms"']
    found = evbench("voxel", recording, "--window", "3", *words, "--json").json
    hot, background = found["filters"]
    assert hot["events_before"] == evbench("events", "info", recording, "--json").json["events"]
    assert hot["hot_pixels"]
    assert hot["events_before"] > hot["events_after"] == background["events_before"] > background["events_after"]
    assert found["events"] < evbench("voxel", recording, "--window", "3", "--json").json["events"]
    out = evbench("voxel", recording, "--window", "3", *words).out
    x, y = hot["hot_pixels"][0]
    assert f"{len(hot['hot_pixels'])} hot, masked: ({x}, {y})" in out
    assert f"{background['events_after']:,} of {background['events_before']:,} events kept" in out


def test_voxel_looks_as_a_recipe_does(evbench: Evbench, recording: Path, tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(
        '[dataset]\nname = "simulated-bars"\n[representation]\nbins = 2\nwindow = "20 ms"\nsize = [32, 64]\n'
        'filters = [{ name = "mirror" }, { name = "downsample", size = [64, 64] }]\n'
    )
    found = evbench("voxel", recording, "--recipe", "small.toml", "--filter", "polarity-merge", "--json").json
    assert (found["shape"], found["duration_us"]) == ([2, 2, 32, 64], 20_000)
    assert [step["name"] for step in found["filters"]] == ["mirror", "downsample", "polarity-merge"]
    assert sum(off for off, _ in found["counts_per_bin"]) == 0
    assert evbench("voxel", recording, "--recipe", "small.toml", "--bins", "3", "--json").json["shape"][1] == 3


def test_voxel_refuses_a_filter_that_is_none(evbench: Evbench, recording: Path) -> None:
    refused(evbench("voxel", recording, "--filter", "hot-pixel"), 3, "--filter 'hot-pixel'", 'mean "hot-pixels"')
    refused(evbench("voxel", recording, "--filter", "downsample size=[500,500]"), 3, "does not suit the recording")


def test_voxel_refuses_windows_that_are_not_there(evbench: Evbench, recording: Path, tmp_path: Path) -> None:
    refused(evbench("voxel", recording, "--window", "9999"), 4, "no window 9999", "Choose from 0 to")
    refused(evbench("voxel", recording, "--length", "50 MB"), 3, "'50 MB' is not a duration")
    refused(evbench("voxel", recording, "--length", "0 ms"), 3, "not longer than zero")
    quiet = tmp_path / "quiet.dat"
    stream = EventStream.from_arrays([10, 400_000], [1, 2], [1, 2], [1, 0], SensorGeometry(16, 16))
    write_recording(stream, quiet)
    refused(evbench("voxel", quiet, "--window", "2"), 4, "Window 2 has no events")


def test_boards_are_listed(evbench: Evbench) -> None:
    ids = [board["id"] for board in evbench("boards", "list", "--json").json["boards"]]
    assert "virtual-h743" in ids
    assert "480 MHz" in evbench("boards", "list").out


def test_wrong_recipes_are_refused_with_their_line(evbench: Evbench, recipe: Path) -> None:
    recipe.write_text(recipe.read_text().replace("epochs", "epoch"))
    refused(evbench("run", recipe), 3, "line 5", 'Did you mean "epochs"')
    recipe.write_text('[dataset]\nname = "simulated-bars"\n[representation]\nwindow = "50 MB"\n')
    refused(evbench("run", recipe), 3, "line 4", "not a duration")
    refused(evbench("run", "bars-voxel-qta"), 3, "no recipe", 'Did you mean "bars-voxel-qat"')
    refused(evbench("run", "bars-voxel-qat", "--set", "train.epoch=1"), 3, "--set train.epoch=1")
    refused(evbench("run", "bars-voxel-qat", "--board", "nothing"), 3, "no board profile")


def test_a_setting_without_a_value_is_wrong_usage(evbench: Evbench) -> None:
    done = evbench("run", "bars-voxel-qat", "--set", "train.epochs")
    assert done.code == 2
    assert "has no '='" in done.err


def test_missing_data_is_refused_before_anything_runs(evbench: Evbench, tmp_path: Path) -> None:
    refused(evbench("run", "bars-voxel-qat", "--data", tmp_path / "nothing"), 4, "nothing does not exist")
    assert evbench("jobs", "list", "--json").json == {"jobs": []}


def test_a_wrong_model_path_is_refused(evbench: Evbench, tmp_path: Path) -> None:
    refused(evbench("profile", tmp_path / "nothing"), 5, "does not exist")
    refused(evbench("profile", tmp_path), 5, "not a model folder")
    broken = tmp_path / "graph.safetensors"
    broken.write_bytes(b"not a graph")
    refused(evbench("profile", broken), 5, "graph.safetensors")


def test_a_port_belongs_to_a_real_board(evbench: Evbench) -> None:
    refused(evbench("profile", "--port", "/dev/ttyNONE"), 7, "virtual-h743 is a virtual board", "--port /dev/ttyNONE")


def test_jobs_that_do_not_exist_are_refused(evbench: Evbench) -> None:
    for command in ("show", "logs", "cancel", "resume"):
        refused(evbench("jobs", command, "7"), 8, "no job 7")
    refused(evbench("report", "7"), 8, "no job 7")
    refused(evbench("report"), 8, "no finished run")


def test_jobs_are_listed_and_shown_for_programs(evbench: Evbench, tmp_path: Path) -> None:
    store = Store(open_workspace(tmp_path / ".evbench"))
    job_id = store.add_job("run", "bars-voxel-qat", {"board": "virtual-h743"})
    store.plan_stages(job_id, [("dataset", ""), ("train", "qat-int8")])
    assert [job["recipe"] for job in evbench("jobs", "list", "--json").json["jobs"]] == ["bars-voxel-qat"]
    shown = evbench("jobs", "show", job_id, "--json").json
    assert shown["state"] == "queued"
    assert [stage["name"] for stage in shown["stages"]] == ["dataset", "train"]
    assert "bars-voxel-qat" in evbench("jobs", "list").out
    assert "qat-int8" in evbench("jobs", "show", job_id).out
    assert evbench("jobs", "cancel", job_id).code == 0
    assert evbench("jobs", "show", job_id, "--json").json["state"] == "cancelled"


def test_doctor_says_what_is_missing_and_what_to_do(evbench: Evbench, monkeypatch: pytest.MonkeyPatch) -> None:
    from evbench.jobs import doctor

    monkeypatch.setattr(doctor, "_LIBRARIES", {"no-such-library": "nothing"})
    done = evbench("doctor", "--json")
    assert done.code == 1
    missing = next(check for check in done.json["checks"] if check["name"] == "no-such-library")
    assert (missing["ok"], missing["found"]) == (False, "not installed")
    assert "pip install no-such-library" in missing["remedy"]
    assert "missing no-such-library" in evbench("doctor").out


def test_an_unwritable_workspace_is_one_sentence(
    evbench: Evbench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def denied(*_: Any, **__: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "w"))

    monkeypatch.setattr(Path, "mkdir", denied)
    refused(evbench("--workspace", tmp_path / "w", "jobs", "list"), 9, "cannot be written", "--workspace")


def test_unexpected_errors_show_a_traceback_only_with_debug(
    evbench: Evbench, monkeypatch: pytest.MonkeyPatch, recording: Path
) -> None:
    from evbench.events import recording as room

    def broken(path: Path) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(room, "open_recording", broken)
    refused(evbench("events", "info", recording), 1, "failed unexpectedly", "--debug")
    with pytest.raises(ZeroDivisionError):
        evbench("--debug", "events", "info", recording)


def test_serving_without_the_extra_says_how_to_install_it(evbench: Evbench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "textual_serve.server", None)
    refused(evbench("serve"), 1, "pip install 'evbench[serve]'")


def test_datasets_make_writes_simulated_gestures_and_says_so(evbench: Evbench, tmp_path: Path) -> None:
    made = evbench("datasets", "make", "simulated-gestures", "--subjects", "3", "--seconds", "0.1", "--json").json
    assert made["simulated"] is True
    assert made["recordings"] == len(list(Path(made["folder"]).rglob("*.dat"))) == 33
    again = evbench("datasets", "make", "simulated-gestures", "--subjects", "3", "--seconds", "0.1")
    assert "33 simulated recordings" in again.out
    refused(evbench("datasets", "make", "imagenet"), 4, "simulated-gestures")
    refused(evbench("datasets", "make", "simulated-gestures", "--subjects", "99", "--to", tmp_path / "x"), 4, "3 to 29")


def test_export_writes_sources_and_refuses_a_folder_with_files_of_others(evbench: Evbench, tmp_path: Path) -> None:
    done = evbench("export", "--c", tmp_path / "model", "--json")
    assert done.code == 0
    assert {"model.c", "model.h", "weights.c", "CMakeLists.txt", "README.md"} <= set(done.json["files"])
    (tmp_path / "model" / "mine.c").touch()
    refused = evbench("export", "--c", tmp_path / "model")
    assert (refused.code, "mine.c" in refused.err) == (6, True)


def test_a_quantised_onnx_file_is_profiled_on_random_inputs_and_gives_the_references_logits(
    evbench: Evbench, tmp_path: Path
) -> None:
    path = quantised(mobile_network(1), tmp_path)
    profile = evbench("profile", path, "--json").json
    graph = import_onnx(path)
    output = graph.tensors[graph.outputs[0]]
    stored = execute(graph, random_inputs(graph, len(profile["windows"])))[output.name].astype(np.float32)
    logits = (stored - np.float32(output.zero_point)) * np.float32(output.scale)
    assert [window["logits"] for window in profile["windows"]] == logits.tolist()
    assert profile["inputs"] == "random"
    assert len(profile["layers"]) == len(graph.operators)


def test_parity_takes_the_onnx_file_itself_as_one_of_the_executions(evbench: Evbench, tmp_path: Path) -> None:
    report = evbench("parity", quantised(mobile_network(2), tmp_path), "--windows", "3", "--json").json
    assert {pair["b"] for pair in report["pairs"]} == {"ort", "ort-float", "ort-uint8", "onnx-file", "host", "board"}
    assert report["passed"]
    assert report["vnni"] in (True, False, None)
    uint8 = next(pair for pair in report["pairs"] if pair["b"] == "ort-uint8")
    assert not uint8["judged"]
    if report["vnni"]:
        assert uint8["differing"] == 0


def test_a_float_onnx_file_is_refused(evbench: Evbench, tmp_path: Path) -> None:
    onnx.save(mobile_network(1), tmp_path / "float.onnx")
    refused(evbench("profile", tmp_path / "float.onnx"), 5, "not quantised", "quantize_static")


def test_build_divides_the_memory_and_bounds_the_stack(evbench: Evbench) -> None:
    done = evbench("build", "--json").json
    assert all(sum(region["parts"].values()) == region["used"] for region in done["regions"])
    assert len(done["layers"]) > 5
    assert 0 < done["stack"]["bytes"] < done["stack_reserved"]
    shown = evbench("build").out
    assert "stack" in shown
    assert all(layer["name"] in shown for layer in done["layers"])


def test_audit_shows_targets_side_by_side_and_fails_where_a_layer_does(evbench: Evbench) -> None:
    done = evbench("audit", "--target", "evbench", "--target", "cmsis-nn", "--json")
    assert done.code == 1
    own, arm = done.json["targets"]
    assert (own["target"], own["passed"], own["counts"]["supported"]) == ("evbench", True, 13)
    failed = {layer["name"]: layer for layer in arm["layers"] if layer["status"] == "fails"}
    assert failed.keys() == {"head.pool", "head.linear"}
    assert arm["sources"][failed["head.linear"]["source"]]["url"].startswith("https://")
    shown = evbench("audit", "--target", "cmsis-nn")
    assert "int8 logits" in " ".join(shown.out.split())


def test_audit_passes_where_nothing_fails_and_refuses_unknown_targets(evbench: Evbench) -> None:
    assert evbench("audit", "--target", "tflite-micro").code == 0
    wrong = evbench("audit", "--target", "tflite")
    assert wrong.code == 3
    assert "tflite-micro" in wrong.err


def test_audit_of_a_file_says_why_evbench_cannot_import_it(evbench: Evbench, tmp_path: Path) -> None:
    onnx.save(mobile_network(), tmp_path / "float.onnx")
    done = evbench("audit", "float.onnx", "--target", "evbench", "--json")
    assert done.code == 1
    assert "not quantised" in done.json["targets"][0]["refused"]


def test_audit_of_a_recipe_needs_no_training(evbench: Evbench, tmp_path: Path) -> None:
    text = resource("profiles", "recipes", "bars-voxel-qat.toml").read_text()
    (tmp_path / "small.toml").write_text(text.replace("size = [128, 128]", "size = [32, 32]"))
    done = evbench("audit", "small.toml", "--target", "evbench", "--target", "st-edge-ai", "--json")
    assert done.code == 0
    assert "untrained" in done.json["subject"]
    assert done.json["targets"][1]["counts"] == {"supported": 12, "float": 1, "fails": 0, "unknown": 0}


def test_a_model_that_reads_no_events_gets_no_kernels_that_skip(evbench: Evbench, tmp_path: Path) -> None:
    layers = evbench("build", quantised(mobile_network(3), tmp_path), "--json").json["layers"]
    assert [layer["kernel"] for layer in layers][:2] == ["ev_conv2d_u8s8", "ev_depthwise_u8s8"]


def test_tensors_of_the_bundled_model_are_listed_with_what_quantisation_costs_them(evbench: Evbench) -> None:
    found = evbench("tensors", "--json").json
    by_name = {tensor["name"]: tensor for tensor in found["tensors"]}
    assert by_name["input"]["zero_share"] > 0.95
    assert by_name["input"]["sqnr_db"] is None
    assert by_name["head.linear.weight"]["kind"] == "weight"
    assert all(tensor["scale"] > 0 for tensor in found["tensors"])
    shown = evbench("tensors").out
    assert all(name in shown for name in by_name)
    assert "Ashman" in shown


def test_one_tensor_is_drawn_with_the_range_of_every_observer(evbench: Evbench) -> None:
    shown = evbench("tensors", "--tensor", "stem.0").out
    for word in ("kl", "mse", "zero-aware", "ema-minmax", "nonzero-percentile", "log scale", "in use"):
        assert word in shown
    refused(evbench("tensors", "--tensor", "stem"), 5, "no tensor 'stem'", "Did you mean stem.0?")


def test_tensors_of_what_is_no_model_are_refused(evbench: Evbench, tmp_path: Path) -> None:
    refused(evbench("tensors", tmp_path / "none"), 5, "is not a model folder")
    refused(evbench("tensors", tmp_path), 5, "has no statistics", "Export the model again")
    refused(evbench("tensors", "7"), 8, "7")
