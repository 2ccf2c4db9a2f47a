"""How tests wait for the workbench and read what it shows; and what it is given to show."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import numpy as np
from textual.app import App
from textual.pilot import Pilot
from textual.worker import WorkerCancelled

from evbench.events.stream import EventStream, SensorGeometry
from evbench.tui.app import Workbench
from evbench.workspace import Workspace

PATIENCE_S = 30.0


async def settle(pilot: Pilot[None]) -> None:
    """Wait until workers have ended and what they posted has been handled and drawn."""
    for _ in range(2):
        # A newer reading may replace one that is under way.
        with suppress(WorkerCancelled):
            await pilot.app.workers.wait_for_complete()
        await pilot.pause()


async def until(pilot: Pilot[None], reached: Callable[[], bool]) -> None:
    """Wait until something is so; fails when it is not within PATIENCE_S, which only a broken workbench needs."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if reached():
            return
        await settle(pilot)
        await pilot.pause(0.01)
    raise AssertionError("the workbench never came to the expected state:\n" + text_of(pilot.app, "*"))


async def still(pilot: Pilot[None]) -> None:
    """Wait until the screen looks the same twice: what is laid out anew is drawn some turns after its text is set."""
    deadline, seen = time.monotonic() + PATIENCE_S, ""
    while time.monotonic() < deadline:
        await settle(pilot)
        await pilot.pause(0.05)
        before, seen = seen, pilot.app.export_screenshot()
        if seen == before:
            return
    raise AssertionError("the screen never came to rest:\n" + text_of(pilot.app, "*"))


async def opened(pilot: Pilot[None]) -> None:
    """Wait until the Data pane has opened its first recording."""
    await until(pilot, lambda: bool(pilot.app.query("#recording") and pilot.app.query_one("#recording").border_title))
    await settle(pilot)


async def press(pilot: Pilot[None], *keys: str) -> None:
    """Press keys one after the other, waiting for what each starts."""
    for key in keys:
        await pilot.press(key)
        await settle(pilot)


def text_of(app: App[None], selector: str) -> str:
    """What is to be seen where a widget stands, line by line without trailing blanks."""
    region = app.screen.region if selector == "*" else app.screen.query_one(selector).region
    strips = app.screen._compositor.render_strips()[region.y : region.bottom]
    return "\n".join(strip.crop(region.x, region.right).text.rstrip() for strip in strips)


def circle(events: int = 4000, size: int = 64) -> EventStream:
    """A dot on a circle, once round in 400 ms: ON ahead of it, OFF behind, in an order that never changes."""
    number = np.arange(events)
    t = number * 400_000 // events
    angle = 2 * np.pi * number / events - (number % 7) * 0.02
    radius = size * (0.3 + 0.02 * (number % 5))
    return EventStream.from_arrays(
        t,
        size / 2 + radius * np.cos(angle),
        size / 2 + radius * np.sin(angle),
        number % 7 < 3,
        SensorGeometry(size, size),
    )


@asynccontextmanager
async def at_pane(
    workspace: Workspace, key: str, size: tuple[int, int] = (120, 40)
) -> AsyncIterator[tuple[Workbench, Pilot[None]]]:
    """The workbench without recordings, on the pane of this key."""
    app = Workbench(workspace)
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        await press(pilot, key)
        yield app, pilot
