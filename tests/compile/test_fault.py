"""A program error on the board reaches the host as registers, and the board answers again afterwards."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from evbench.boards.session import open_board
from evbench.compile import build as building
from evbench.errors import BoardError
from evbench.graph.model import IntegerGraph
from evbench.profiles import BoardProfile
from evbench.resources import resource
from tests.graph.networks import sparse_windows


def test_a_read_of_memory_that_is_not_there_is_reported_and_the_board_restarts(
    small_graph: IntegerGraph, board: BoardProfile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(resource("firmware"), tmp_path / "firmware")
    server = tmp_path / "firmware" / "runtime" / "ev_server.c"
    sound = server.read_text()
    broken = sound.replace(
        "    ev_window_begin();\n", "    ev_window_begin();\n    (void)*(volatile int *)0x60000000;\n"
    )
    assert broken != sound
    server.write_text(broken)
    monkeypatch.setattr(building, "resource", lambda *parts: tmp_path.joinpath(*parts))
    build = building.build_firmware(small_graph, board, tmp_path / "builds")
    with open_board(board) as session:
        session.flash(build)
        with pytest.raises(BoardError, match="crashed") as caught:
            session.run_window(sparse_windows(1, 1, (4, 32, 32))[0], 2)
        assert "60000000" in str(caught.value).lower()
        assert session.hello().build_id == build.build_id
