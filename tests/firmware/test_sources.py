"""The C sources as others will use them: clean under both compilers, and the example of the README."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from evbench.compile.generate import generate
from evbench.compile.host import separate_memory
from evbench.compile.objects import Compilation, compile_objects
from evbench.compile.toolchain import Toolchain, find_toolchain
from evbench.errors import BuildError
from evbench.resources import resource
from tests.graph.networks import residual_graph

INCLUDES = (resource("firmware", "kernels"), resource("firmware", "runtime"))


@pytest.fixture(scope="module", params=["zig", "gcc"])
def toolchain(request: pytest.FixtureRequest) -> Toolchain:
    try:
        return find_toolchain(request.param)
    except BuildError as error:
        pytest.skip(str(error))


def compiled(toolchain: Toolchain, sources: list[Path], folder: Path, includes: tuple[Path, ...] = ()) -> list[Path]:
    """The objects of sources compiled for the board with every warning an error."""
    compilation = Compilation(toolchain.compiler, toolchain.identity, tuple(sources), (*INCLUDES, *includes))
    return compile_objects(compilation, folder / "objects", folder)


def test_every_kernel_compiles_for_the_board_without_a_warning(toolchain: Toolchain, tmp_path: Path) -> None:
    sources = sorted(resource("firmware", "kernels").glob("*.c"))
    assert len(compiled(toolchain, sources, tmp_path)) == len(sources) > 20


def test_a_kernels_file_has_the_name_of_its_function() -> None:
    headers = ("ev_kernels.h", "ev_sites.h")
    declarations = re.compile(r"^(?:void|int32_t) (ev_\w+)\(", re.MULTILINE)
    declared = {name for header in headers for name in declarations.findall((INCLUDES[0] / header).read_text())}
    assert declared == {path.stem for path in INCLUDES[0].glob("*.c")}


def test_the_readmes_example_compiles(toolchain: Toolchain, tmp_path: Path) -> None:
    graph = residual_graph(1, size=(32, 32), bins=2, width=4)
    generate(graph, separate_memory(graph), tmp_path)
    (example,) = re.findall(r"```c\n(.*?)```", resource("firmware", "README.md").read_text(), re.DOTALL)
    declaration = "int classify(const ev_event *events, uint32_t n);\n"
    (tmp_path / "example.c").write_text(example.replace("/* The class", declaration + "/* The class"))
    assert compiled(toolchain, [tmp_path / "example.c", tmp_path / "model.c"], tmp_path, (tmp_path,))


def test_no_source_needs_a_c_library() -> None:
    allowed = {"stdint.h", "stddef.h"}
    sources = resource("firmware").rglob("*.[ch]")
    named = {name for path in sources for name in re.findall(r"#include <(.+?)>", path.read_text())}
    assert named == allowed
