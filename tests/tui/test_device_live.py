"""Playing a recording to a board on the Device pane: what keys ask of the player, and what is seen of its windows."""

from __future__ import annotations

from pathlib import Path

import pytest
from live_player import FakePlayer, at_window
from textual.pilot import Pilot
from textual.widgets import Input
from tui_helpers import press, settle, text_of, until

from evbench.jobs import live as playing
from evbench.jobs.live import Live
from evbench.tui.app import Workbench
from evbench.tui.state.queue import other_board
from evbench.tui.widgets.latency_plot import LatencyPlot
from evbench.workspace import Workspace


@pytest.fixture(autouse=True)
def players(monkeypatch: pytest.MonkeyPatch) -> list[FakePlayer]:
    """The players that the pane has made."""
    FakePlayer.made = []
    monkeypatch.setattr(playing, "LivePlayer", FakePlayer)
    return FakePlayer.made


async def play(pilot: Pilot[None], players: list[FakePlayer], live: Live) -> FakePlayer:
    """Start playing on the Device pane and let the player tell a state."""
    await settle(pilot)
    await press(pilot, "5", "space")
    players[-1].tell(live)
    await settle(pilot)
    return players[-1]


async def test_space_plays_a_bundled_recording_to_the_chosen_board_then_pauses(
    workspace: Workspace, players: list[FakePlayer]
) -> None:
    app = Workbench(workspace)
    async with app.run_test(size=(120, 40)) as pilot:
        player = await play(pilot, players, at_window(214))
        assert (player.wish.model, player.wish.board, player.wish.dense) == (None, "virtual-h743", False)
        assert player.wish.recording.is_file()
        assert player.wish.recording.name in text_of(app, "#target")
        await press(pilot, "space")
        assert player.asked == ["toggle"]
        player.tell(at_window(214, "paused"))
        await settle(pilot)
        assert "‖ bar-left.dat" in text_of(app, "#live")
    assert player.asked == ["toggle", "stop"]


async def test_every_window_moves_bars_title_class_and_latency(workspace: Workspace, players: list[FakePlayer]) -> None:
    app = Workbench(workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        player = await play(pilot, players, at_window(214))
        layers = text_of(app, "#layers")
        assert "window 214 of 389, 803 events" in layers
        assert "88 %" in next(line for line in layers.splitlines() if "stem" in line)
        assert "modelled ±10 %" in layers
        status = text_of(app, "#live")
        assert all(words in status for words in ("4.50 ms", "of 20.0 ms", "7.25 ms  3 dropped", "38.7/event"))
        assert "/dev/pts/7 · 3f9c21aa" in text_of(app, "#target")
        assert "predicts clockwise" in text_of(app, "#prediction")
        assert "4.25" in text_of(app, "#prediction")
        player.tell(at_window(215, logits=(9.0, 0.0, 0.0), events=12))
        await settle(pilot)
        assert "window 215 of 389, 12 events" in text_of(app, "#layers")
        assert "predicts left" in text_of(app, "#prediction")


async def test_a_real_board_looks_the_same_but_for_the_word_modelled(
    workspace: Workspace, players: list[FakePlayer]
) -> None:
    app = Workbench(workspace)
    async with app.run_test(size=(120, 40)) as pilot:
        player = await play(pilot, players, at_window(214))
        before = text_of(app, "#device-columns")
        player.tell(at_window(214, modelled=False))
        await settle(pilot)
        after = text_of(app, "#device-columns")
        assert "modelled" in before
        assert "modelled" not in after
        changed = [
            (one, other) for one, other in zip(before.splitlines(), after.splitlines(), strict=True) if one != other
        ]
        assert all("modelled" in one for one, _ in changed)


async def test_building_and_flashing_are_seen_before_the_first_window(
    workspace: Workspace, players: list[FakePlayer]
) -> None:
    app = Workbench(workspace)
    async with app.run_test() as pilot:
        await play(pilot, players, Live("preparing", "write", 0.5, recording="bar-left.dat", build_id="ab" * 16))
        assert "write" in text_of(app, "#live")
        assert "███" in text_of(app, "#live")


async def test_a_lost_board_is_told_in_a_sentence_and_space_tries_again(
    workspace: Workspace, players: list[FakePlayer]
) -> None:
    app = Workbench(workspace)
    async with app.run_test(size=(120, 40)) as pilot:
        player = await play(pilot, players, at_window(214))
        gone = "The board is gone. Its serial port reports an error. Check power and cable."
        player.tell(at_window(214, "failed", note=gone, port=""))
        await until(pilot, lambda: "✗ The board is gone" in text_of(app, "#live"))
        assert "/dev/pts/7" not in text_of(app, "#target")
        await press(pilot, "space")
        assert len(players) == 2
        assert players[1].wish == player.wish


async def test_e_shows_latency_against_event_rate_and_the_plot_grows(
    workspace: Workspace, players: list[FakePlayer]
) -> None:
    app = Workbench(workspace)
    async with app.run_test(size=(120, 40)) as pilot:
        player = await play(pilot, players, at_window(20))
        await press(pilot, "e")
        plot = app.query_one(LatencyPlot)
        assert plot.display
        assert plot.has_focus
        assert not app.query_one("#layers").display
        assert "20 windows" in text_of(app, "#latency-plot")
        player.tell(at_window(60))
        await settle(pilot)
        assert "60 windows" in text_of(app, "#latency-plot")
        assert "limit 20 ms" in text_of(app, "#latency-plot")
        await press(pilot, "p", "e")
        assert player.asked == ["parity"]
        assert app.query_one("#layers").display


async def test_p_compares_on_the_window_being_played_and_says_so_where_none_is(
    workspace: Workspace, players: list[FakePlayer]
) -> None:
    app = Workbench(workspace)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await press(pilot, "5", "p")
        assert any("space plays" in shown.message for shown in app._notifications)
        player = await play(pilot, players, at_window(3))
        await press(pilot, "p")
        assert player.asked == ["parity"]
        player.tell(at_window(3, parity="0 LSB (reference, ort, host, board)"))
        await settle(pilot)
        assert "0 LSB" in text_of(app, "#live")


async def test_d_plays_again_with_every_site_computed(workspace: Workspace, players: list[FakePlayer]) -> None:
    app = Workbench(workspace)
    async with app.run_test(size=(120, 40)) as pilot:
        first = await play(pilot, players, at_window(3))
        await press(pilot, "d")
        assert first.asked == ["stop"]
        assert [player.wish.dense for player in players] == [False, True]
        players[1].tell(at_window(1, dense=True))
        await settle(pilot)
        assert "every site" in text_of(app, "#live")
        first.tell(at_window(99))
        await settle(pilot)
        assert "window 1 of" in text_of(app, "#layers")


async def test_v_changes_between_a_virtual_and_a_real_board(workspace: Workspace, players: list[FakePlayer]) -> None:
    app = Workbench(workspace)
    async with app.run_test(size=(120, 40)) as pilot:
        await play(pilot, players, at_window(3))
        await press(pilot, "v")
        real = other_board("virtual-h743")
        await until(pilot, lambda: real in text_of(app, "#target"))
        assert players[-1].wish.board == real != "virtual-h743"
        await press(pilot, "v")
        await until(pilot, lambda: players[-1].wish.board == "virtual-h743")


async def test_o_plays_the_recording_that_is_named(workspace: Workspace, players: list[FakePlayer], data: Path) -> None:
    app = Workbench(workspace)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await press(pilot, "5", "o")
        chosen = data / "train" / "circle.dat"
        app.screen.query_one(Input).value = str(chosen)
        await press(pilot, "enter")
        assert [player.wish.recording for player in players] == [chosen]


async def test_f5_gives_the_board_to_the_measurement(
    workspace: Workspace, players: list[FakePlayer], monkeypatch: pytest.MonkeyPatch
) -> None:
    from evbench.jobs import engine

    monkeypatch.setattr(engine, "start", lambda workspace, job_id: None)
    app = Workbench(workspace)
    async with app.run_test(size=(120, 40)) as pilot:
        player = await play(pilot, players, at_window(3))
        await press(pilot, "f5")
        assert player.asked == ["stop"]
        await until(pilot, lambda: not app.query_one("#live").display)
