"""Where playing stands: which frame is due, the time of the recording it ends at, and what was left out to keep up."""

from __future__ import annotations

from dataclasses import dataclass

FRAMES_PER_SECOND = 25
_FRAME_US = 1_000_000 // FRAMES_PER_SECOND


@dataclass(slots=True)
class Playing:
    """Playing in real time from `begin`, microseconds of the recording, since `since`, seconds of the clock."""

    begin: int
    since: float
    shown: int = 0
    left_out: int = 0
    told: int = 0
    """Of what was left out, what the pane says: a number that changes once a second can be read, and costs less."""

    def due(self, now: float) -> int:
        """The number of the frame whose time has come."""
        return int((now - self.since) * FRAMES_PER_SECOND + 1e-6)

    def end(self, frame: int) -> int:
        """The time of the recording at which a frame's window ends."""
        return self.begin + frame * _FRAME_US

    def show(self, frame: int) -> None:
        """Say that a frame is shown; those since the last one are left out."""
        self.left_out += frame - self.shown - 1
        if not self.told or frame // FRAMES_PER_SECOND != self.shown // FRAMES_PER_SECOND:
            self.told = self.left_out
        self.shown = frame

    @property
    def remark(self) -> str:
        """What the pane says."""
        return f"▶ real time, {self.told:,} frames left out" if self.told else "▶ real time"
