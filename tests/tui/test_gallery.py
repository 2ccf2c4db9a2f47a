from __future__ import annotations

from pathlib import Path

import pytest

from evbench.tui.actions import PANES
from evbench.tui.gallery import draw_panes
from evbench.workspace import Workspace


@pytest.mark.usefixtures("profile_job")
async def test_every_pane_is_drawn_with_what_is_in_the_workspace(workspace: Workspace, tmp_path: Path) -> None:
    pictures = await draw_panes(workspace, tmp_path)
    assert [path.stem for path in pictures] == [pane.id for pane in PANES]
    texts = {path.stem: path.read_text().replace("&#160;", " ") for path in pictures}
    assert "bar-clockwise.dat" in texts["data"]
    assert "virtual-h743" in texts["device"]
    assert "bundled model" in texts["jobs"]
    for pane in PANES:
        assert f"{pane.key} {pane.title}" in texts[pane.id]
