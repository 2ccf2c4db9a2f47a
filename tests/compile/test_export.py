"""The exported folder builds alone, here and for the board, computes the reference's logits, spares others' files."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from evbench.compile.export import export_c
from evbench.errors import BuildError
from evbench.graph.execute import execute
from evbench.graph.model import IntegerGraph
from evbench.profiles import BoardProfile
from tests.graph.networks import odd_graph, residual_graph, sparse_windows

RUNNER = """
#include <stdio.h>
#include "model.h"

static float logits[EV_MODEL_OUTPUTS];

/* Windows on standard input, their logits on standard output. */
int main(void) {
    uint8_t *input = ev_model_input();
    uint32_t size = ev_model_tensors[ev_model.input].bytes;
    while (fread(input, 1, size, stdin) == size) {
        if (ev_model_run(input, logits, 0, 0) != EV_OK) {
            return 1;
        }
        fwrite(logits, sizeof *logits, EV_MODEL_OUTPUTS, stdout);
    }
    return 0;
}
"""
PROJECT = """
cmake_minimum_required(VERSION 3.16)
project(somebodys C)
add_subdirectory(network)
add_executable(runner runner.c)
target_link_libraries(runner PRIVATE ev_model)
"""


def needs(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")


def build(source: Path, *options: str) -> Path:
    """Configure and build a CMake project with every warning an error; returns the build folder."""
    folder = source.with_name(f"{source.name}-build")
    configure = ["cmake", "-S", source, "-B", folder, "-DCMAKE_C_FLAGS=-Werror", *options]
    for command in (configure, ["cmake", "--build", folder]):
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.parametrize("make", [lambda: residual_graph(3, size=(32, 32), bins=2, width=4), lambda: odd_graph(2)])
def test_a_project_that_adds_the_folder_computes_the_logits_of_the_reference(
    make: object, board: BoardProfile, tmp_path: Path
) -> None:
    needs("cmake", "cc")
    graph: IntegerGraph = make()  # type: ignore[operator]
    export_c(graph, board, tmp_path / "project" / "network")
    (tmp_path / "project" / "runner.c").write_text(RUNNER)
    (tmp_path / "project" / "CMakeLists.txt").write_text(PROJECT)
    runner = build(tmp_path / "project") / "runner"
    batch = sparse_windows(5, 4, graph.tensors["input"].shape)  # type: ignore[arg-type]
    stored = np.ascontiguousarray(np.moveaxis(batch, 1, -1)).tobytes()
    found = subprocess.run([runner], input=stored, capture_output=True, check=True).stdout
    assert found == execute(graph, batch)[graph.outputs[0]].tobytes()


def test_the_folder_builds_alone_on_a_workstation(
    small_graph: IntegerGraph, board: BoardProfile, tmp_path: Path
) -> None:
    needs("cmake", "cc")
    export_c(small_graph, board, tmp_path / "network")
    example = subprocess.run([build(tmp_path / "network", "-DEV_USE_REGIONS=ON") / "ev_example"])
    assert 0 <= example.returncode < 4


def test_the_folder_builds_alone_for_a_cortex_m7(
    small_graph: IntegerGraph, board: BoardProfile, tmp_path: Path
) -> None:
    needs("cmake", "arm-none-eabi-gcc")
    export_c(small_graph, board, tmp_path / "network")
    options = ("-DCMAKE_TOOLCHAIN_FILE=cortex-m7.cmake", "-DEV_USE_REGIONS=ON")
    image = (build(tmp_path / "network", *options) / "ev_example.elf").read_bytes()
    assert image.startswith(b"\x7fELF")
    assert int.from_bytes(image[18:20], "little") == 40  # EM_ARM


def test_a_second_export_replaces_the_first(small_graph: IntegerGraph, board: BoardProfile, tmp_path: Path) -> None:
    export_c(small_graph, board, tmp_path / "network")
    other = residual_graph(3, size=(32, 32), bins=2, width=4)
    files = export_c(other, board, tmp_path / "network")
    assert json.loads((tmp_path / "network" / "evbench.json").read_text())["digest"] == other.digest
    assert sorted(path for path in (tmp_path / "network").rglob("*") if path.is_file()) == sorted(files)


@pytest.mark.parametrize("name", ["notes.txt", "model.c", "kernels/ev_conv2d_u8s8.c"])
def test_a_folder_with_a_file_of_somebody_else_stays_as_it_is(
    name: str, small_graph: IntegerGraph, board: BoardProfile, tmp_path: Path
) -> None:
    export_c(small_graph, board, tmp_path / "network")
    (tmp_path / "network" / name).write_text("mine")
    with pytest.raises(BuildError, match="not what evbench exported") as caught:
        export_c(small_graph, board, tmp_path / "network")
    assert name in caught.value.where
    assert (tmp_path / "network" / name).read_text() == "mine"


def test_a_failing_export_leaves_nothing_behind(
    small_graph: IntegerGraph, board: BoardProfile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[Path] = []

    def fail_at_the_third(path: Path, content: bytes) -> int:
        written.append(path)
        if len(written) == 3:
            raise OSError(28, "No space left on device")
        return len(content)

    monkeypatch.setattr(Path, "write_bytes", fail_at_the_third)
    with pytest.raises(BuildError, match="No space left"):
        export_c(small_graph, board, tmp_path / "network")
    assert list(tmp_path.iterdir()) == []


def test_the_readme_states_what_the_memory_plan_needs(
    small_graph: IntegerGraph, board: BoardProfile, tmp_path: Path
) -> None:
    export_c(small_graph, board, tmp_path / "network")
    text = (tmp_path / "network" / "README.md").read_text()
    assert "uint8 [32][32][4], event counts" in text
    assert all(operator.name in text for operator in small_graph.operators)
    assert "| arena, dtcm | DTCM |" in text
