"""Commands as a user types them: what they print, what programs read, and how mistakes end."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from evbench.jobs.store import Store
from evbench.workspace import open_workspace
from tests.commands.command_line import Evbench, refused


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
