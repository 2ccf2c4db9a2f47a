"""Draws every pane on what is in a workspace, as SVG: `python -m evbench.tui.gallery FOLDER [--workspace W]`."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from textual.pilot import Pilot
from textual.worker import WorkerCancelled

from evbench.tui.actions import PANES
from evbench.tui.app import Workbench
from evbench.tui.saving import screen_lines, to_svg
from evbench.workspace import Workspace, open_workspace

_SIZE = (120, 36)
_LOOKS = 3
"""How often a pane looks at its workspace before it is drawn: what one look finds may be what the next one reads."""


async def draw_panes(workspace: Workspace, folder: Path) -> list[Path]:
    """Write `<pane>.svg` for every pane into a folder; returns the files."""
    app, pictures = Workbench(workspace), []
    async with app.run_test(size=_SIZE) as pilot:
        for pane in PANES:
            await _settle(pilot)
            await pilot.press(pane.key)
            await _settle(pilot)
            path = folder / f"{pane.id}.svg"
            path.write_text(to_svg(screen_lines(app.screen), "evbench") + "\n")
            pictures.append(path)
    return pictures


async def _settle(pilot: Pilot[None]) -> None:
    for _ in range(_LOOKS):
        await pilot.pause(0.5)
        try:
            await pilot.app.workers.wait_for_complete()
        except WorkerCancelled:
            continue
    await pilot.pause()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--workspace", type=Path)
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    for path in asyncio.run(draw_panes(open_workspace(chosen.workspace), chosen.folder)):
        print(path)


if __name__ == "__main__":
    main()
