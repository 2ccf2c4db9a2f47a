from __future__ import annotations

import numpy as np
import pytest
from fake_board import LOGITS, FakeBoard
from hypothesis import given
from hypothesis import strategies as st

from evbench.boards.frames import Type
from evbench.boards.link import Link
from evbench.boards.ports import open_port
from evbench.boards.session import BoardSession, open_board, pack_events
from evbench.errors import BoardError
from evbench.profiles import load_board

BINS, HEIGHT, WIDTH = 2, 6, 7


def window(*counts: tuple[int, int, int, int]) -> np.ndarray:
    """A voxel grid with (channel, y, x, count) entries."""
    grid = np.zeros((2 * BINS, HEIGHT, WIDTH), np.uint8)
    for channel, y, x, count in counts:
        grid[channel, y, x] = count
    return grid


@pytest.fixture
def board():
    with FakeBoard(grid=2 * BINS * HEIGHT * WIDTH) as made:
        yield made


@pytest.fixture
def session(board):
    link = Link(open_port(board.port, 921_600, 0.02), timeout=0.2)
    with BoardSession(load_board("nucleo-h743zi2"), link) as opened:
        yield opened


class Image:
    """As much of a build as the session looks at."""

    build_id, graph_digest = "22" * 16, "11" * 32


def test_hello_says_who_the_board_is(session):
    hello = session.hello()
    assert (hello.build_id, hello.graph_digest) == (Image.build_id, Image.graph_digest)
    assert (hello.core_hz, hello.counts_cycles, hello.name) == (480_000_000, True, "fake")


def test_a_board_with_the_build_that_was_asked_for_is_accepted(session):
    assert session.require(Image()).name == "fake"


@pytest.mark.parametrize(("attribute", "value"), [("graph_digest", "33" * 32), ("build_id", "44" * 16)])
def test_a_board_with_another_build_is_refused_until_it_is_flashed(session, attribute, value):
    image = Image()
    setattr(image, attribute, value)
    with pytest.raises(BoardError, match=r"runs build 22222222, you asked for .*Flash first"):
        session.require(image)


def test_a_board_that_speaks_another_protocol_is_refused(board, session):
    board.version = 9
    with pytest.raises(BoardError, match="another protocol"):
        session.hello()


def test_a_sparse_window_is_sent_as_events_and_run(board, session):
    run = session.run_window(window((0, 1, 2, 3), (3, 5, 6, 1)), BINS)
    assert board.events == [2 | 1 << 8] * 3 + [6 | 5 << 8 | 1 << 16 | 1 << 17]
    assert [layer.cycles for layer in run.layers] == [100, 200]
    assert run.result.logits.tolist() == list(LOGITS)


def test_a_dense_window_is_sent_as_bytes_channel_last(board, session):
    dense = np.arange(2 * BINS * HEIGHT * WIDTH, dtype=np.uint8).reshape(2 * BINS, HEIGHT, WIDTH)
    session.run_window(dense, BINS)
    assert bytes(board.memory) == dense.transpose(1, 2, 0).tobytes()
    assert board.events == []


@pytest.mark.parametrize("trouble", ["nak", "mute"])
def test_a_window_whose_events_were_disturbed_begins_anew_so_that_nothing_counts_twice(board, session, trouble):
    board.trouble[Type.EVENTS] = [trouble]
    session.run_window(window((0, 1, 2, 3)), BINS)
    assert board.events == [2 | 1 << 8] * 3
    assert [frame.type for frame in board.seen].count(Type.BEGIN) == 2


def test_a_window_that_never_arrives_is_reported(board, session):
    board.trouble[Type.EVENTS] = ["nak"] * 9
    with pytest.raises(BoardError, match="link to the board is disturbed"):
        session.run_window(window((0, 1, 2, 3)), BINS)


def test_a_window_without_events_runs(session):
    assert session.run_window(window(), BINS).result.logits.tolist() == list(LOGITS)


def test_a_tensor_longer_than_a_frame_is_dumped_in_pieces(session):
    data = session.dump(5, 3000)
    assert data == bytes((5 + i) & 0xFF for i in range(3000))


def test_layers_run_one_by_one_with_a_look_in_between(session):
    seen: list[int] = []
    result = session.run_layer_by_layer(window((0, 1, 2, 3)), BINS, 2, seen.append)
    assert seen == [-1, 0, 1]
    assert result.logits.tolist() == list(LOGITS)


@given(st.data())
def test_packed_events_build_the_grid_that_they_came_from(data):
    bins = data.draw(st.integers(1, 5))
    height, width = data.draw(st.tuples(st.integers(1, 20), st.integers(1, 20)))
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    grid = np.where(rng.random((2 * bins, height, width)) < 0.02, rng.integers(1, 9, 1), 0).astype(np.uint8)
    events = pack_events(grid, bins)
    if events is None:
        assert int(grid.sum()) * 4 > grid.size
        return
    rebuilt = np.zeros_like(grid)
    x, y, on, time_bin = events & 0xFF, events >> 8 & 0xFF, events >> 16 & 1, events >> 17
    np.add.at(rebuilt, (on * bins + time_bin, y, x), 1)
    assert (rebuilt == grid).all()


def test_a_grid_that_does_not_fit_packed_events_is_not_packed():
    assert pack_events(np.zeros((4, 300, 10), np.uint8), 2) is None
    assert pack_events(np.zeros((5, 10, 10), np.uint8), 2) is None


def test_a_port_that_does_not_exist_is_named_when_a_board_is_opened():
    with pytest.raises(BoardError, match="does not exist"):
        open_board(load_board("nucleo-h743zi2"), "/dev/ttyNONE")
