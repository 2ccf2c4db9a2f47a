from __future__ import annotations

from typing import Any

import pytest
from tensors import RANKED, add_model, add_training, look, set_parity, statistics
from textual.pilot import Pilot
from textual.widgets import ContentSwitcher
from tui_helpers import press, settle, text_of, until

from evbench.errors import ModelError
from evbench.jobs import engine
from evbench.jobs.quantisation import detail, over_training, overview
from evbench.jobs.store import Store
from evbench.tui import histogram, movement
from evbench.tui.app import Workbench
from evbench.tui.dialogs import ChoiceDialog
from evbench.tui.messages import Visit
from evbench.tui.panes.quantise import QuantisePane
from evbench.tui.state import ranking as ranking_state
from evbench.tui.widgets.tensor_table import TensorTable
from evbench.workspace import Workspace


def picture_title(app: Workbench) -> str:
    return str(app.query_one("#tensor-picture").border_title)


async def shown(pilot: Pilot[None], words: str = "range") -> Workbench:
    """Go to the pane and wait for its picture."""
    app = pilot.app
    assert isinstance(app, Workbench)
    await settle(pilot)
    await press(pilot, "4")
    await until(pilot, lambda: words in text_of(app, "#tensor-picture"))
    return app


async def test_the_newest_model_of_the_workspace_is_listed_with_what_rounding_does(
    workspace: Workspace, store: Store
) -> None:
    add_model(store)
    async with Workbench(workspace).run_test(size=(120, 40)) as pilot:
        app = await shown(pilot)
        table = app.query_one(TensorTable)
        assert table.border_title == "activations · objects-voxel-qat qat-int8"
        lines = text_of(app, "#tensors").splitlines()
        known = {row["name"]: row for row in overview("m", statistics())["tensors"]}
        for name, sqnr in (("input", "∞"), ("stem", f"{known['stem']['sqnr_db']:.1f} dB"), ("block", "")):
            line = next(line for line in lines if f"│{name} " in line)
            assert f"{100 * known[name]['zero_share']:.1f} %" in line
            assert sqnr in line
            assert ("▲" in line) == bool(known[name]["flags"])


async def test_arrows_choose_the_tensor_whose_ranges_and_alarms_are_seen(workspace: Workspace, store: Store) -> None:
    add_model(store)
    async with Workbench(workspace).run_test(size=(120, 40)) as pilot:
        app = await shown(pilot)
        await press(pilot, "down")
        await until(pilot, lambda: "zero-aware" in text_of(app, "#tensor-picture"))
        assert picture_title(app).startswith("stem  u8  zero 90.")
        drawn = text_of(app, "#tensor-picture")
        for cost in detail("m", statistics(), "stem")["observers"]:
            assert cost["observer"] in drawn
        alarms = " ".join(text_of(app, "#alarms").replace("│", " ").split())
        assert "1 outlier up to 1e+03 owns the range" in alarms
        assert 'Set quantize.observer = "zero-aware"' in alarms
        await press(pilot, "down")
        await until(pilot, lambda: picture_title(app).startswith("block"))
        assert "nothing is wrong" in text_of(app, "#alarms")
        assert "alarms on stem" in text_of(app, "#alarms")


async def test_a_click_chooses_a_tensor_too(workspace: Workspace, store: Store) -> None:
    add_model(store)
    async with Workbench(workspace).run_test(size=(120, 40)) as pilot:
        app = await shown(pilot)
        await pilot.click("#tensors", offset=(4, 4))
        await settle(pilot)
        assert picture_title(app).startswith("block")


async def test_w_shows_the_weights_of_the_layer_by_channel_and_goes_back(workspace: Workspace, store: Store) -> None:
    add_model(store)
    async with Workbench(workspace).run_test(size=(120, 40)) as pilot:
        app = await shown(pilot)
        await press(pilot, "down", "w")
        await until(pilot, lambda: "output channels" in text_of(app, "#tensor-picture"))
        assert picture_title(app).startswith("stem.weight  s8")
        drawn = text_of(app, "#tensor-picture")
        assert "8 output channels" in drawn
        assert "largest weights 0.00 to" in drawn
        assert "×" in drawn
        assert "1 of 8 output channels have only weights of zero (2)" in text_of(app, "#alarms")
        await press(pilot, "down", "down", "w")
        await until(pilot, lambda: picture_title(app).startswith("input"))


async def test_t_follows_the_tensor_through_training_and_says_where_there_was_none(
    workspace: Workspace, store: Store
) -> None:
    add_model(store)
    async with Workbench(workspace).run_test(size=(120, 40)) as pilot:
        app = await shown(pilot)
        await press(pilot, "t")
        assert "No training is known of this tensor" in text_of(app, "#tensor-picture")
        await press(pilot, "down")
        await until(pilot, lambda: "of 240" in text_of(app, "#tensor-picture"))
        drawn = text_of(app, "#tensor-picture")
        found = over_training("m", statistics(), "stem")
        assert f"{100 * found['zero_share'][0]:.1f} % → {100 * found['zero_share'][-1]:.1f} %" in drawn
        assert "step 240" in drawn
        await press(pilot, "t")
        assert "zero-aware" in text_of(app, "#tensor-picture")


async def test_a_training_under_way_is_seen_moving(workspace: Workspace, store: Store) -> None:
    job, folder = add_training(store)
    app = Workbench(workspace)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await press(pilot, "4")
        await until(pilot, lambda: "has not looked" in text_of(app, "#no-tensors"))
        look(folder, 4)
        await until(pilot, lambda: "step 61 of 240" in text_of(app, "#tensor-picture"))
        assert "bars-voxel-qat qat-int8, in training" in str(app.query_one(TensorTable).border_title)
        await press(pilot, "down")
        assert picture_title(app).startswith("block")
        look(folder, 9)
        await until(pilot, lambda: "step 161 of 240" in text_of(app, "#tensor-picture"))
        assert picture_title(app).startswith("block")
        await press(pilot, "w")
        assert any("once a training has ended" in notice.message for notice in app._notifications)
        await press(pilot, "l")
        assert "once a training ended" in text_of(app, "#no-ranking")
        await press(pilot, "r")
        assert any("once a training has ended" in notice.message for notice in app._notifications)
        store.change_stage(job, "train", "qat-int8", state="done")
        await press(pilot, "l", "p")
        assert any("No parity check" in notice.message for notice in app._notifications)


async def test_m_chooses_another_model(workspace: Workspace, store: Store) -> None:
    add_model(store)
    async with Workbench(workspace).run_test(size=(120, 40)) as pilot:
        app = await shown(pilot)
        await press(pilot, "m")
        assert isinstance(app.screen, ChoiceDialog)
        assert "bundled model" in text_of(app, ".dialog")
        await press(pilot, "down", "enter")
        await until(pilot, lambda: "bundled model" in str(app.query_one(TensorTable).border_title))
        await until(pilot, lambda: "stem.0" in text_of(app, "#tensors"))


async def test_a_model_whose_statistics_are_damaged_says_so_and_which_keys_help(
    workspace: Workspace, store: Store
) -> None:
    add_model(store)
    next(workspace.artifacts.rglob("statistics.npz")).write_bytes(b"no archive")
    app = Workbench(workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await press(pilot, "4")
        await until(pilot, lambda: "cannot be read" in text_of(app, "#no-tensors"))
        assert "m   chooses another model" in text_of(app, "#no-tensors")
        await press(pilot, "w", "t", "l", "enter", "m", "down", "enter")
        await until(pilot, lambda: "stem.0" in text_of(app, "#tensors"))


async def test_l_ranks_layers_and_enter_goes_to_the_tensor(
    workspace: Workspace, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_model(store)
    monkeypatch.setattr(ranking_state, "sensitivity_of", lambda store, model: RANKED)
    async with Workbench(workspace).run_test(size=(120, 40)) as pilot:
        app = await shown(pilot)
        await press(pilot, "l")
        await until(pilot, lambda: "100 validation windows" in str(app.query_one(TensorTable).border_title))
        lines = [line for line in text_of(app, "#tensors").splitlines() if line.startswith(("│block", "│stem"))]
        assert [line.split()[0] for line in lines] == ["│block.weight", "│stem", "│stem.weight"]
        assert "0.0412" in lines[0]
        assert "-3.00" in lines[0]
        await press(pilot, "up", "up", "up", "enter")
        await until(pilot, lambda: picture_title(app).startswith("block.weight"))
        assert str(app.query_one(TensorTable).border_title).startswith("weights")
        await press(pilot, "l", "down", "l")
        assert not str(app.query_one(TensorTable).border_title).startswith("what")


async def test_r_measures_what_rounding_costs_where_nobody_has(
    workspace: Workspace, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_model(store)
    asked: list[tuple[str | None, str]] = []
    started: list[int] = []

    def submit(workspace: Workspace, model: str | None, data: object, approach: str = "qat-int8") -> int:
        asked.append((model, approach))
        job = store.add_job("sensitivity", "objects-voxel-qat qat-int8", {})
        store.plan_stages(job, [("dataset", ""), ("sensitivity", "")])
        store.change_stage(job, "dataset", "", state="done", progress=1.0)
        return job

    monkeypatch.setattr(ranking_state, "sensitivity_of", lambda store, model: None)
    monkeypatch.setattr(ranking_state, "submit_sensitivity", submit)
    monkeypatch.setattr(engine, "start", lambda workspace, job: started.append(job))
    async with Workbench(workspace).run_test(size=(80, 24)) as pilot:
        app = await shown(pilot)
        await press(pilot, "l")
        assert "r   measures it" in text_of(app, "#no-ranking")
        await press(pilot, "r")
        await until(pilot, lambda: "Being measured: 50.0 %" in text_of(app, "#no-ranking"))
        assert asked == [("1", "qat-int8")]
        assert started == [2]
        store.change_job(2, state="failed", error="The disk is full. Free some space.")
        await until(pilot, lambda: "The disk is full" in text_of(app, "#no-ranking"))
        monkeypatch.setattr(ranking_state, "sensitivity_of", lambda store, model: RANKED)
        await until(pilot, lambda: "0.0412" in text_of(app, "#tensors"))


async def test_a_measurement_that_is_refused_says_why(
    workspace: Workspace, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_model(store)

    def refuse(*_: object) -> int:
        raise ModelError("This is a float model")

    monkeypatch.setattr(ranking_state, "submit_sensitivity", refuse)
    async with Workbench(workspace).run_test(size=(80, 24)) as pilot:
        app = await shown(pilot)
        await press(pilot, "r")
        assert any("This is a float model" in notice.message for notice in app._notifications)


async def test_p_goes_to_the_layer_where_parity_saw_executions_part(workspace: Workspace, store: Store) -> None:
    add_model(store)
    async with Workbench(workspace).run_test(size=(120, 40)) as pilot:
        app = await shown(pilot)
        await press(pilot, "w", "p")
        await until(pilot, lambda: picture_title(app).startswith("block  u8"))
        assert any("board and reference part first in block" in notice.message for notice in app._notifications)
        set_parity(store, '{"a": "reference", "b": "board", "max_lsb": 0, "first_differing_layer": null}')
        await press(pilot, "up", "p")
        assert any("All executions agree" in notice.message for notice in app._notifications)
        assert picture_title(app).startswith("stem")


async def test_another_pane_can_point_at_a_layer(workspace: Workspace, store: Store) -> None:
    add_model(store)
    async with Workbench(workspace).run_test(size=(120, 40)) as pilot:
        app = await shown(pilot)
        await press(pilot, "1")
        app.post_message(Visit("quantise", "head"))
        await until(pilot, lambda: picture_title(app).startswith("head.weight"))
        assert app.query_one(ContentSwitcher).current == "quantise"
        app.post_message(Visit("quantise", "tail"))
        await until(pilot, lambda: any("no tensor tail" in notice.message for notice in app._notifications))


async def test_the_pane_follows_the_terminals_size(workspace: Workspace, store: Store) -> None:
    add_model(store)
    async with Workbench(workspace).run_test(size=(200, 60)) as pilot:
        app = await shown(pilot)
        await press(pilot, "down")
        await until(pilot, lambda: "observer  " in text_of(app, "#tensor-picture"))
        for size in ((80, 24), (120, 40), (90, 28), (200, 60)):
            await pilot.resize_terminal(*size)
            await settle(pilot)
            assert "in use" in text_of(app, "#tensor-picture"), size
            assert "stem" in text_of(app, "#tensors")
        assert isinstance(app.pane, QuantisePane)


# --- what is drawn ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [30, 56, 76, 130])
@pytest.mark.parametrize("height", [4, 9, 24, 48])
def test_pictures_fill_no_more_than_their_room(width: int, height: int) -> None:
    known = statistics()
    for name in ("input", "stem", "block", "stem.weight", "head.weight"):
        content = detail("m", known, name)
        drawn = [histogram.picture(content, width, height)]
        drawn += [histogram.channels(content, width, height)] if content["kind"] == "weight" else []
        drawn += [movement.picture(over_training("m", known, name), width, height)]
        for picture in drawn:
            lines = picture.plain.split("\n")
            assert len(lines) <= height
            assert max(map(len, lines)) <= max(width, 110 if "No training" in picture.plain else 0)


def test_every_range_is_a_line_whose_name_hangs_from_it() -> None:
    lines = histogram.picture(detail("m", statistics(), "stem"), 100, 40).plain.split("\n")
    axis = next(number for number, line in enumerate(lines) if line.startswith("      0└"))
    marks = {place for place, cell in enumerate(lines[axis]) if cell == "┃"}
    legend = lines[axis + 1 : axis + 9]
    corners = {place for line in legend for place, cell in enumerate(line) if cell in "╰╯"}
    assert corners == marks
    assert len(marks) >= 2
    for name in ("in use", "minmax", "zero-aware", "mse", "kl", "percentile", "nonzero-percentile", "ema-minmax"):
        assert any(name in line for line in legend), name


def test_what_the_grid_cuts_off_is_red_and_what_it_loses_is_dim() -> None:
    content = detail("m", statistics(), "block") | {"range": 0.5, "scale": 0.25}
    picture = histogram.picture(content, 100, 30)
    inks = {str(span.style) for span in picture.spans}
    assert {histogram.BAD, histogram.ACTIVE} <= inks


def test_the_grids_end_rises_through_training_as_it_did() -> None:
    content = over_training("m", statistics(), "stem")
    picture = movement.picture(content, 80, 30)
    lines = picture.split("\n")[1:-6]
    ends = []
    for column in (10, 40, 78):
        for number, line in enumerate(lines):
            style = line.get_style_at_offset(_console(), column)
            if style.color is not None and movement.KEY in (style.color.name, style.bgcolor and style.bgcolor.name):
                ends.append(number)
                break
    assert len(ends) == 3
    assert ends[0] > ends[1] > ends[2]


def _console() -> Any:
    from rich.console import Console

    return Console()
