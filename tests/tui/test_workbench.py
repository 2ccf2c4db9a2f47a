from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from textual.binding import Binding
from textual.widgets import ContentSwitcher
from tui_helpers import press, settle, text_of, until

from evbench.jobs import engine
from evbench.tui.actions import PANES, PaneEntry, actions_of, all_actions
from evbench.tui.app import Workbench
from evbench.tui.dialogs import HelpDialog
from evbench.tui.palette import ActionCommands
from evbench.tui.panes.base import Pane
from evbench.tui.widgets.pane_bar import PaneBar
from evbench.workspace import Workspace

HEAVY = ("torch", "torchao", "onnx", "onnxruntime", "plotext", "pydantic", "unicorn", "tonic")


def test_the_first_screen_needs_no_heavy_library() -> None:
    code = f"import sys, evbench.tui.app; print(sorted(set({HEAVY!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_torch_stays_out_after_every_pane_has_been_shown(workspace: Workspace, tmp_path: Path) -> None:
    code = """
import asyncio, sys
from pathlib import Path
from evbench.jobs import engine
from evbench.tui.actions import PANES
from evbench.tui.app import Workbench
from evbench.workspace import open_workspace
async def main():
    app = Workbench(open_workspace(sys.argv[1]))
    async with app.run_test(size=(100, 30)) as pilot:
        for key in (*(pane.key for pane in PANES), "5", "b", "escape", "6", "n", "escape", "1"):
            await pilot.press(key)
            await pilot.pause()
asyncio.run(main())
print(sorted({"torch", "torchao", "onnxruntime"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code, str(workspace.root)], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


async def test_number_keys_show_panes_and_the_bar_says_which(workspace: Workspace) -> None:
    app = Workbench(workspace)
    async with app.run_test() as pilot:
        await settle(pilot)
        for pane in (*PANES[::-1], *PANES):
            await press(pilot, pane.key)
            assert app.query_one(ContentSwitcher).current == pane.id
            assert app.query_one(PaneBar).current == pane.id


async def test_a_click_on_the_bar_shows_that_pane(workspace: Workspace) -> None:
    app = Workbench(workspace)
    async with app.run_test() as pilot:
        await settle(pilot)
        await pilot.click(PaneBar, offset=(text_of(app, "PaneBar").index("Jobs"), 0))
        await settle(pilot)
        assert app.query_one(ContentSwitcher).current == "jobs"


@pytest.mark.parametrize("pane", PANES, ids=lambda pane: pane.id)
async def test_help_lists_every_key_of_the_pane(workspace: Workspace, pane: PaneEntry) -> None:
    app = Workbench(workspace)
    async with app.run_test(size=(100, 50)) as pilot:
        await settle(pilot)
        await press(pilot, pane.key, "question_mark")
        assert isinstance(app.screen, HelpDialog)
        shown = text_of(app, ".dialog")
        for action in (*actions_of(pane.id), *actions_of("app")):
            assert action.sentence in shown
        await press(pilot, "escape")
        assert not isinstance(app.screen, HelpDialog)


async def test_the_palette_finds_an_action_and_does_it_on_its_pane(workspace: Workspace) -> None:
    app = Workbench(workspace)
    async with app.run_test() as pilot:
        await settle(pilot)
        await press(pilot, "ctrl+p")
        await pilot.press(*"jobs: run", "enter")
        await settle(pilot)
        assert app.query_one(ContentSwitcher).current == "jobs"


async def test_what_is_to_happen_when_a_pane_has_been_loaded_happens_once_for_each(workspace: Workspace) -> None:
    loaded: list[int] = []
    app = Workbench(workspace)
    app.pane_loaded = lambda: loaded.append(len(app.query(Pane)))
    async with app.run_test() as pilot:
        await until(pilot, lambda: loaded == [1])
        await press(pilot, "6", "1", "6")
        await until(pilot, lambda: loaded == [1, 2])


@pytest.mark.parametrize("pane", PANES, ids=lambda pane: pane.id)
async def test_f5_flashes_and_profiles_from_any_pane(
    workspace: Workspace, pane: PaneEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[int] = []
    monkeypatch.setattr(engine, "start", lambda workspace, job_id: started.append(job_id))
    app = Workbench(workspace)
    async with app.run_test() as pilot:
        await settle(pilot)
        await press(pilot, pane.key, "f5")
        await until(pilot, lambda: len(started) == 1)
        assert app.pane.id == "device"
        assert app.store.job(started[0]).kind == "profile"


async def test_the_palette_lists_every_action_with_its_key_and_sentence(workspace: Workspace) -> None:
    app = Workbench(workspace)
    async with app.run_test() as pilot:
        await settle(pilot)
        listed = [hit async for hit in ActionCommands(app.screen).discover()]
        for action in all_actions():
            shown = [str(hit.display) for hit in listed if hit.help == action.sentence]
            assert any(text.endswith(f"({action.help_key})") and action.label in text for text in shown), action
        assert len(listed) == len(all_actions())


def test_every_binding_of_the_workbench_comes_from_an_action_with_a_sentence() -> None:
    for pane in PANES:
        bound = {binding.key: binding for binding in type(pane.create()).BINDINGS if isinstance(binding, Binding)}
        assert set(bound) == {action.key for action in actions_of(pane.id)}
        assert all(bound[action.key].tooltip == action.sentence for action in actions_of(pane.id))
    for action in all_actions():
        assert action.sentence.endswith("."), action
        assert action.sentence[0].isupper(), action
        assert action.label


@pytest.mark.parametrize("pane", PANES, ids=lambda pane: pane.id)
async def test_the_footer_has_room_for_its_keys_in_80_columns(workspace: Workspace, pane: PaneEntry) -> None:
    app = Workbench(workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await press(pilot, pane.key)
        shown = text_of(app, "Footer")
        for action in (*actions_of(pane.id), *actions_of("app")):
            assert not action.footer or f" {action.label}" in shown, action
        assert "palette" in shown


def test_every_action_has_a_key_of_its_own_on_its_pane() -> None:
    for pane in PANES:
        keys = [action.key for action in all_actions() if action.home in (pane.id, "app")]
        assert len(keys) == len(set(keys)), pane.id


async def test_a_damaged_database_is_said_and_ends_nothing(workspace: Workspace) -> None:
    workspace.db.write_bytes(b"this is not a database" * 100)
    app = Workbench(workspace)
    async with app.run_test() as pilot:
        await settle(pilot)
        assert any("damaged" in notification.message for notification in app._notifications)
        await press(pilot, "5", "6", "1")
        assert app.query_one(ContentSwitcher).current == "data"
