"""The bound of the stack from machine code: right where the need is known, never below what a board has used."""

from __future__ import annotations

from pathlib import Path

import pytest

from evbench.boards.session import open_board
from evbench.compile.build import build_firmware
from evbench.compile.linker import STACK_BYTES, linker_script
from evbench.compile.objects import Compilation, compile_objects
from evbench.compile.stack import EXCEPTION_FRAME, stack_bound
from evbench.compile.toolchain import Toolchain, find_toolchain
from evbench.errors import BuildError
from evbench.graph.model import IntegerGraph
from evbench.profiles import BoardProfile
from tests.graph.networks import residual_graph, sparse_windows

HEAD = """
#define NOINLINE __attribute__((noinline, used))
void ev_reset(void);
void handler(void);
NOINLINE void use(volatile char *bytes);
NOINLINE void use(volatile char *bytes) { bytes[0] = 1; }
__attribute__((section(".vectors"), used)) static const void *const vectors[] = {0, (void *)ev_reset, (void *)handler};
void handler(void) { volatile char room[64]; use(room); }
"""


@pytest.fixture(scope="module", params=["zig", "gcc"])
def toolchain(request: pytest.FixtureRequest) -> Toolchain:
    try:
        return find_toolchain(request.param)
    except BuildError as error:
        pytest.skip(str(error))


def linked(toolchain: Toolchain, board: BoardProfile, source: str, folder: Path) -> Path:
    (folder / "program.c").write_text(HEAD + source)
    (folder / "script.ld").write_text(linker_script(board))
    compilation = Compilation(toolchain.compiler, toolchain.identity, (folder / "program.c",))
    objects = compile_objects(compilation, folder / "objects", folder)
    toolchain.link(objects, folder / "script.ld", folder / "program.elf", folder)
    return folder / "program.elf"


def test_the_deepest_path_and_the_largest_handler_make_the_bound(
    toolchain: Toolchain, board: BoardProfile, tmp_path: Path
) -> None:
    source = """
    NOINLINE static void shallow(void) { volatile char room[200]; use(room); use(room); }
    NOINLINE static void inner(void) { volatile char room[1000]; use(room); use(room); }
    NOINLINE static void deep(void) { volatile char room[40]; inner(); use(room); }
    void ev_reset(void) { for (;;) { shallow(); deep(); } }
    """
    bound = stack_bound(linked(toolchain, board, source, tmp_path))
    assert bound.path == ("ev_reset", "deep", "inner", "use")
    assert bound.exception == "handler"
    least = 1000 + 40 + EXCEPTION_FRAME + 64
    assert least <= bound.bytes <= least + 5 * 40  # registers saved by five functions


def test_a_call_through_a_pointer_may_reach_every_function_whose_address_is_held(
    toolchain: Toolchain, board: BoardProfile, tmp_path: Path
) -> None:
    source = """
    static void large(void) { volatile char room[3000]; use(room); }
    static void small(void) { volatile char room[8]; use(room); }
    void (*volatile chosen)(void) = small;
    void (*const others[])(void) = {large, small};
    void ev_reset(void) { for (volatile int i = 0;; i++) { if (i == 9) { chosen = others[i & 1]; } chosen(); } }
    """
    bound = stack_bound(linked(toolchain, board, source, tmp_path))
    assert bound.path == ("ev_reset", "large", "use")
    assert bound.bytes >= 3000


def test_weights_that_look_like_addresses_lead_to_no_call(
    toolchain: Toolchain, board: BoardProfile, tmp_path: Path
) -> None:
    source = """
    NOINLINE static void large(void) { volatile char room[3000]; use(room); }
    static void small(void) { volatile char room[8]; use(room); }
    void (*volatile chosen)(void) = small;
    __attribute__((used)) const void *const ev_weights[] = {(void *)large, 0, (void *)ev_reset};
    __attribute__((used)) const void *ev_fast_weights[] = {(void *)large};
    void ev_reset(void) { for (;;) { chosen(); } }
    """
    bound = stack_bound(linked(toolchain, board, source, tmp_path))
    assert bound.path == ("ev_reset", "small", "use")
    assert bound.bytes < 3000


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("volatile char b[9]; use(b); return n < 2 ? 1 : n * f(n - 1) + f(n - 2);", "circle"),
        ("volatile char b[n]; use(b); return b[n - 1];", "variable size"),
    ],
)
def test_code_without_a_bound_is_refused(
    body: str, what: str, toolchain: Toolchain, board: BoardProfile, tmp_path: Path
) -> None:
    program = f"NOINLINE static int f(int n) {{ {body} }}\n"
    program += "volatile int n; void ev_reset(void) { for (;;) { n = f(n); } }"
    with pytest.raises(BuildError, match=what) as caught:
        stack_bound(linked(toolchain, board, program, tmp_path))
    assert "f" in caught.value.where


@pytest.mark.parametrize("profile", ["board", "gcc_board"])
def test_no_board_has_used_more_than_the_bound_and_the_bound_fits_the_stack(
    profile: str, request: pytest.FixtureRequest, small_graph: IntegerGraph, builds: Path, tmp_path: Path
) -> None:
    board: BoardProfile = request.getfixturevalue(profile)
    for graph in (small_graph, residual_graph(2, size=(32, 32), bins=2, width=6)):
        build = build_firmware(graph, board, builds)
        with open_board(board, cache=tmp_path) as session:
            session.flash(build)
            (window,) = sparse_windows(4, 1, graph.tensors["input"].shape)  # type: ignore[arg-type]
            used = session.run_window(window, 2).result.stack_bytes
        assert 0 < used <= stack_bound(build.elf).bytes - EXCEPTION_FRAME
        assert stack_bound(build.elf).bytes <= STACK_BYTES
