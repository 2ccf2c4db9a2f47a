"""Where playing stands: which time of the recording is due, and what was left out to keep up."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Playing:
    """Playing in real time from `begin`, microseconds of the recording, since `since`, seconds of the clock."""

    begin: int
    since: float
    left_out: int = 0

    def at(self, now: float) -> int:
        """The time of the recording that is due, microseconds."""
        return self.begin + round((now - self.since) * 1e6)

    @property
    def remark(self) -> str:
        """What the window line says."""
        return f"▶ real time, {self.left_out:,} windows left out" if self.left_out else "▶ real time"
