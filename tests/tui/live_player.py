"""A player that plays nothing: tests tell its states, and read what the Device pane asked of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

from evbench.jobs.live import Live, LiveLayer, LiveWish, Phase

CLASSES = ("left", "right", "clockwise")


def at_window(number: int, phase: Phase = "playing", **changes: Any) -> Live:
    """A player's state after some windows."""
    layers = (
        LiveLayer("stem", "Conv2d", 460_800, 90_000 + number, 0.88),
        LiveLayer("head", "Linear", 640, 10_000, None),
    )
    played = Live(
        phase=phase,
        model="bundled model",
        board="virtual-h743",
        port="/dev/pts/7",
        modelled=True,
        core_hz=480_000_000,
        build_id="3f9c21aa50b1",
        flash_bytes=114_000,
        ram_bytes=244_000,
        recording="bar-left.dat",
        window=number,
        windows=389,
        events=803,
        layers=layers,
        total_cycles=100_000 + number,
        latency_ms=4.5,
        worst_ms=7.25,
        window_us=50_000,
        dropped=3,
        voxelising_cycles=38_700,
        given=1000,
        classes=CLASSES,
        logits=(0.5, -2.0, 4.25),
        points=tuple((100 * step, 4.0 + step / 10) for step in range(number)),
    )
    return replace(played, **changes)


class FakePlayer:
    """Stands in for LivePlayer: notes what is asked of it, and plays on until it is stopped."""

    made: ClassVar[list[FakePlayer]] = []

    def __init__(self, store: object, wish: LiveWish, tell: Callable[[Live], None]) -> None:
        self.wish, self.tell = wish, tell
        self.asked: list[str] = []
        self.over = threading.Event()
        FakePlayer.made.append(self)

    def run(self) -> None:
        self.over.wait(30)

    def stop(self) -> None:
        self.asked.append("stop")
        self.over.set()

    def toggle(self) -> None:
        self.asked.append("toggle")

    def check_parity(self) -> None:
        self.asked.append("parity")
