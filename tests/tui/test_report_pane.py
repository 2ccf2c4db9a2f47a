from __future__ import annotations

import json

import pytest
from finished_run import add_finished_run, add_study
from tui_helpers import at_pane, press, text_of, until

from evbench.jobs.store import Store
from evbench.tui.actions import actions_of
from evbench.tui.app import Workbench
from evbench.tui.dialogs import ChoiceDialog
from evbench.tui.messages import Visit
from evbench.tui.panes.report import ReportPane
from evbench.workspace import Workspace

WIDE = (120, 40)


def title_of(app: Workbench, selector: str) -> str:
    return str(app.query_one(selector).border_title)


async def test_an_empty_workspace_says_how_a_report_comes_about(workspace: Workspace) -> None:
    async with at_pane(workspace, "7", (80, 24)) as (app, pilot):
        await until(pilot, lambda: "3 n  starts a recipe" in text_of(app, "#no-report"))
        await press(pilot, *(action.key for action in actions_of("report")))
        assert isinstance(app.pane, ReportPane)


async def test_approaches_stand_above_what_is_published_of_them(workspace: Workspace, store: Store) -> None:
    add_finished_run(store)
    async with at_pane(workspace, "7") as (app, pilot):
        await until(pilot, lambda: "QAT int8" in text_of(app, "#report-table"))
        shown = text_of(app, "#report-table")
        lines = shown.splitlines()
        place = next(number for number, line in enumerate(lines) if "QAT int8" in line)
        assert "63.6 % (62.3 to 64.9)" in lines[place]
        assert "97 KiB" in lines[place]
        assert lines[place + 1].split()[1:6] == ["claimed", "780", "kB", "93.4", "%"]
        assert lines[place + 1].index("93.4") == lines[place].index("63.6")
        assert "Measured on simulated-bars: 5,304 test windows of 204 recordings" in shown
        assert "latency, modelled" in shown
        assert "◇" in text_of(app, "#report-accuracy")
        assert "4.56 ms" in text_of(app, "#report-latency")
        assert "59 kB" in text_of(app, "#report-size")


async def test_a_narrow_table_leaves_flash_away_and_keeps_the_intervals(workspace: Workspace, store: Store) -> None:
    add_finished_run(store)
    async with at_pane(workspace, "7", (80, 24)) as (app, pilot):
        await until(pilot, lambda: "QAT int8" in text_of(app, "#report-table"))
        shown = text_of(app, "#report-table")
        assert "63.6 % 62.3–64.9" in shown
        assert "290 KiB" in shown
        assert "97 KiB" not in shown


async def test_v_goes_from_the_table_to_plots_and_studies_and_keys_stay(workspace: Workspace, store: Store) -> None:
    add_finished_run(store)
    async with at_pane(workspace, "7", (80, 24)) as (app, pilot):
        await until(pilot, lambda: "QAT int8" in text_of(app, "#report-table"))
        for view in ("plots", "studies", "table"):
            await press(pilot, "v")
            assert [name for name in ("table", "plots", "studies") if app.query_one(f"#report-{name}").display] == [
                view
            ]


async def test_j_and_the_steps_choose_whose_report_is_shown(workspace: Workspace, store: Store) -> None:
    for name in ("first", "second", "third"):
        add_finished_run(store, name)
    async with at_pane(workspace, "7") as (app, pilot):
        await until(pilot, lambda: title_of(app, "#report-table") == "third, job 3")
        await press(pilot, "comma", "comma", "comma")
        await until(pilot, lambda: title_of(app, "#report-table") == "first, job 1")
        assert app.query_one("#report-table").border_subtitle == "report 1 of 3"
        await press(pilot, "full_stop")
        await until(pilot, lambda: title_of(app, "#report-table") == "second, job 2")
        await press(pilot, "j")
        assert isinstance(app.screen, ChoiceDialog)
        await press(pilot, "up", "enter")
        await until(pilot, lambda: title_of(app, "#report-table") == "third, job 3")
        app.post_message(Visit("report", 1))
        await until(pilot, lambda: title_of(app, "#report-table") == "first, job 1")


@pytest.mark.parametrize(("downs", "suffix"), [(0, ".html"), (1, ".md"), (2, ".json")])
async def test_e_writes_the_report_as_a_file(workspace: Workspace, store: Store, downs: int, suffix: str) -> None:
    add_finished_run(store)
    async with at_pane(workspace, "7") as (app, pilot):
        await until(pilot, lambda: "QAT int8" in text_of(app, "#report-table"))
        await press(pilot, "e", *["down"] * downs, "enter")
        path = workspace.root / "reports" / f"bars-voxel-qat-job-1{suffix}"
        await until(pilot, lambda: any(str(path) in note.message for note in app._notifications))
        text = path.read_text()
        assert json.loads(text)["job"] == 1 if suffix == ".json" else "93.4 %" in text


async def test_s_shows_the_next_study_with_its_verdict(workspace: Workspace, store: Store) -> None:
    add_finished_run(store)
    add_study(store, "approaches")
    add_study(store, "observers")
    async with at_pane(workspace, "7") as (app, pilot):
        await until(pilot, lambda: title_of(app, "#report-studies") == "study 1 of 2")
        assert "The claim is not decided here" in text_of(app, "#report-studies")
        await press(pilot, "s")
        assert title_of(app, "#report-studies") == "study 2 of 2"
        await press(pilot, "s")
        assert title_of(app, "#report-studies") == "study 1 of 2"


async def test_studies_are_shown_where_no_run_has_finished(workspace: Workspace, store: Store) -> None:
    add_study(store)
    async with at_pane(workspace, "7", (80, 24)) as (app, pilot):
        await until(pilot, lambda: title_of(app, "#report-studies") == "study 1 of 1")
        assert not app.query_one("#no-report").display


async def test_a_run_that_ends_while_the_pane_is_shown_appears(workspace: Workspace, store: Store) -> None:
    add_finished_run(store, "first")
    async with at_pane(workspace, "7") as (app, pilot):
        await until(pilot, lambda: title_of(app, "#report-table") == "first, job 1")
        add_finished_run(store, "second")
        await until(pilot, lambda: title_of(app, "#report-table") == "second, job 2")
