"""Playing a recording to a board in real time: which window is due, what is told, and how it ends."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from evbench.boards.frames import Layer, Result, Voxelising
from evbench.boards.session import RunResult
from evbench.compile.sparse import choose
from evbench.errors import BoardError
from evbench.graph.card import CARD
from evbench.jobs import live as playing
from evbench.jobs.live import Live, LivePlayer, LiveWish, Pace, Skipping, budget_of, computing_everything, parity_words
from evbench.jobs.models import open_model
from evbench.jobs.recorded import stream_of
from evbench.jobs.stages import hardware
from evbench.jobs.store import Store
from evbench.profiles import Budget
from evbench.resources import resource
from evbench.workspace import open_workspace

RECORDING = resource("assets", "recordings") / "bar-left.dat"
WINDOW_S = 0.05
CYCLES = 480_000


class Clock:
    """Time that passes only when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Waiting(threading.Event):
    """An event whose waiting is the passing of time."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def wait(self, timeout: float | None = None) -> bool:
        self._clock.now += timeout or 0.0
        return self.is_set()


def test_a_window_is_due_when_the_last_of_its_events_has_come() -> None:
    clock = Clock()
    pace = Pace(WINDOW_S, clock)
    assert pace.wait_for(0, Waiting(clock)) == 0
    assert clock.now == pytest.approx(0.05)
    assert pace.wait_for(1, Waiting(clock)) == 1
    assert clock.now == pytest.approx(0.10)


def test_who_is_late_goes_on_with_the_newest_complete_window() -> None:
    clock = Clock()
    pace = Pace(WINDOW_S, clock)
    clock.now = 0.26
    assert pace.wait_for(1, Waiting(clock)) == 4
    assert clock.now == 0.26


def test_a_pause_makes_nothing_due() -> None:
    clock = Clock()
    pace = Pace(WINDOW_S, clock)
    clock.now = 0.02
    pace.pause()
    clock.now = 10.0
    pace.resume()
    assert pace.wait_for(0, Waiting(clock)) == 0
    assert clock.now == pytest.approx(10.03)


class Board:
    """A session that takes `seconds` of the clock for a window and may lose its board."""

    port, virtual = "/dev/ttyX", None

    def __init__(self, clock: Clock, seconds: float, lost_at: int | None = None) -> None:
        self._clock, self._seconds, self._lost_at = clock, seconds, lost_at
        self.windows: list[int] = []
        self.on_window = lambda count: None

    def require(self, build: object) -> Any:
        return SimpleNamespace(counts_cycles=True, core_hz=480_000_000, name="fake")

    def forget_stream(self) -> None:
        self.forgotten = list(self.windows)

    def run_window(self, window: Any, bins: int) -> RunResult:
        if len(self.windows) == self._lost_at:
            raise BoardError("The board is gone", where="/dev/ttyX", remedy="Plug it in")
        self.windows.append(window.first)
        self._clock.now += self._seconds
        self.on_window(len(self.windows))
        layers = tuple(Layer(index, CYCLES, 0, 0, 0, 0, 0) for index in range(13))
        made = Voxelising(100, 20, 10, 600)
        cycles = CYCLES * len(self.windows)
        return RunResult(layers, Result(cycles, cycles, 700, 8, made, np.arange(6, dtype=np.float32)))


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Plays to a board until it has run so many windows; returns what was told."""

    def run(board: Board, clock: Clock, windows: int, at: dict[int, str] | None = None) -> list[Live]:
        told: list[Live] = []
        store = Store(open_workspace(tmp_path))
        build = SimpleNamespace(build_id="ab" * 16, flash_bytes=1000, ram_bytes=2000)
        fitted = SimpleNamespace(build=build, board=SimpleNamespace(id="fake"))
        monkeypatch.setattr(hardware, "fit", lambda graph, profile, workspace: fitted)
        monkeypatch.setattr(playing.HeldBoard, "flash", lambda held, profile, build, tell: board)
        player = LivePlayer(store, LiveWish(None, "virtual-h743", RECORDING), told.append, clock)
        player._stopping = Waiting(clock)

        def on_window(count: int) -> None:
            if at and count in at:
                getattr(player, at[count])()
            if count == windows:
                player.stop()

        board.on_window = on_window
        player.run()
        return told

    return run


def test_playing_tells_layers_latency_and_logits_of_the_newest_window(play: Any) -> None:
    clock = Clock()
    board = Board(clock, seconds=0.001)
    told = play(board, clock, 8)
    assert [state.phase for state in told][:3] == ["preparing"] * 3
    last = [state for state in told if state.phase == "playing"][-1]
    assert (last.model, last.board, last.port, last.build_id) == ("bundled model", "fake", "/dev/ttyX", "ab" * 16)
    assert len(last.layers) == 13
    assert last.latency_ms == last.worst_ms == pytest.approx(last.total_cycles / 480_000)
    assert last.logits == (0.0, 1.0, 2.0, 3.0, 4.0, 5.0)
    assert (last.given, last.events, last.voxelising_cycles) == (20, 10, 600)
    assert last.dropped == 0
    assert 0 < last.layers[0].skipped < 1
    assert told[-1].phase == "ended"
    assert len(told[-1].points) == 7


def test_windows_follow_each_other_and_begin_again_at_the_end(play: Any) -> None:
    clock = Clock()
    board = Board(clock, seconds=0.001)
    told = play(board, clock, 25)
    windows = max(state.windows for state in told)
    assert windows == 19
    steps = np.diff(board.windows[1:])
    assert set(steps[: windows - 1]) == {50_000}
    assert board.forgotten == board.windows[:1] == board.windows[1:2]  # run once before, without being counted
    assert board.windows[1 + windows] == board.windows[1]


def test_a_board_slower_than_real_time_drops_windows_and_they_are_counted(play: Any) -> None:
    clock = Clock()
    board = Board(clock, seconds=0.125)
    told = play(board, clock, 6)
    assert told[-1].dropped >= 4
    assert set(np.diff(board.windows[2:6])) <= {100_000, 150_000}


def test_listeners_are_told_ten_times_a_second_at_most(play: Any) -> None:
    clock = Clock()
    told = play(Board(clock, seconds=0.001), clock, 30)
    assert sum(state.phase == "playing" for state in told) <= 10 * clock.now + 3


def test_a_pause_lasts_until_it_is_ended_and_drops_nothing(play: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    board = Board(clock, seconds=0.001)
    monkeypatch.setattr(LivePlayer, "_wait_to_go_on", lambda player, *_: (setattr(clock, "now", 99.0), player.toggle()))
    told = play(board, clock, 8, {4: "toggle"})
    assert "paused" in [state.phase for state in told]
    assert told[-1].dropped == 0
    assert len(board.windows) == 8


def test_a_lost_board_ends_playing_with_a_sentence(play: Any) -> None:
    clock = Clock()
    told = play(Board(clock, 0.001, lost_at=5), clock, 100)
    assert told[-1].phase == "failed"
    assert told[-1].note == "The board is gone. /dev/ttyX. Plug it in."
    assert not told[-1].active
    assert told[-1].port == ""


def test_a_network_that_computes_everything_skips_nowhere_and_has_the_same_weights() -> None:
    graph = open_model(None).graph
    dense = computing_everything(graph)
    assert choose(graph).skipping
    assert not choose(dense).skipping
    assert dense.operators == graph.operators
    window = stream_of(open_model(None), RECORDING).window(500_000)
    assert set(Skipping(dense).shares(window).values()) == {None}


def test_the_budget_is_that_of_the_recipe_on_the_models_card(tmp_path: Path) -> None:
    assert budget_of(None) == budget_of(tmp_path) == Budget()
    (tmp_path / CARD).write_text(json.dumps({"recipe": {"budget": {"latency": "3 ms"}}}))
    assert budget_of(tmp_path).latency == 3000


def test_parity_is_told_in_a_line() -> None:
    pair = {"a": "reference", "b": "board", "judged": True, "max_lsb": 0, "first_differing_layer": None}
    other = {**pair, "b": "ort", "max_lsb": 2, "first_differing_layer": "stem"}
    unjudged = {**other, "b": "ort-uint8", "judged": False, "max_lsb": 9}
    assert parity_words({"pairs": [pair, unjudged], "passed": True}) == "0 LSB (reference, board)"
    assert parity_words({"pairs": [pair, other], "passed": False}) == "2 LSB at stem (reference, ort)"
