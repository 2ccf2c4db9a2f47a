"""What starts quickly must not import what starts slowly."""

from __future__ import annotations

import subprocess
import sys

import pytest

ROOMS_WITHOUT_TORCH = (
    "evbench.cli",
    "evbench.tui.app",
    "evbench.events.datasets.catalogue",
    "evbench.graph.execute",
    "evbench.compile.build",
    "evbench.boards.session",
    "evbench.quantize.alarms",
    "evbench.jobs.store",
    "evbench.jobs.engine",
    "evbench.jobs.studies.job",
)


@pytest.mark.parametrize("room", ROOMS_WITHOUT_TORCH)
def test_importing_a_room_does_not_import_torch(room: str) -> None:
    code = f"import sys, {room}; print(sorted({{'torch', 'torchao', 'tonic'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_only_the_process_of_a_virtual_board_imports_unicorn() -> None:
    rooms = "evbench.boards.explain, evbench.boards.run_image, evbench.jobs.explain, evbench.jobs.timing_bench"
    code = f"import sys, {rooms}; sys.exit('unicorn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
