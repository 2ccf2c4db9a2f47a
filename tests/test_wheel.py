"""The installed wheel carries everything a first run needs and works away from the checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an empty venv that holds the wheel; dependencies are lent by the running environment."""
    place = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(place), str(CHECKOUT)],
        check=True,
        capture_output=True,
    )
    (wheel,) = place.glob("*.whl")
    venv = place / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    python = venv / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", "--no-index", str(wheel)], check=True)
    query = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(subprocess.run([python, "-c", query], check=True, capture_output=True, text=True).stdout.strip())
    (site / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return venv / "bin"


def run(command: Path, folder: Path, *arguments: str) -> str:
    """What a command prints when it runs in `folder`, at home there, and without this checkout on its path."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"HOME": str(folder)}
    done = subprocess.run(
        [command, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_runs_from_another_folder(installed: Path, tmp_path: Path) -> None:
    assert run(installed / "evbench", tmp_path, "--version").startswith("evbench ")
    place = "import evbench.errors; print(evbench.errors.__file__)"
    assert str(installed.parent) in run(installed / "python", tmp_path, "-c", place)


def test_the_wheel_profiles_the_bundled_model(installed: Path, tmp_path: Path) -> None:
    profile = json.loads(run(installed / "evbench", tmp_path, "profile", "--json"))
    assert profile["modelled"] is True
    assert profile["total_cycles"] == sum(layer["cycles"] for layer in profile["layers"])
    assert profile["latency_ms"] > 0


def test_the_wheel_exports_sources_with_their_licence(installed: Path, tmp_path: Path) -> None:
    run(installed / "evbench", tmp_path, "export", "--c", "model")
    assert "Apache License" in (tmp_path / "model" / "LICENSE").read_text()
