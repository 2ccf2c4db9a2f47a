"""Says where playing a recording to a board stands: link, real time, latency against its limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text
from textual.widgets import Static

from evbench.tui import numbers
from evbench.tui.drawing import bar
from evbench.tui.inks import ACTIVE, BAD, CAUTION, GOOD, QUIET, TEXT, TRACK

if TYPE_CHECKING:
    from evbench.jobs.live import Live

_BAR = 6
_SIGNS = {"preparing": ("…", ACTIVE), "playing": ("▶", GOOD), "paused": ("‖", CAUTION), "failed": ("✗", BAD)}


class LiveStatus(Static):
    """The state of a player in a few lines; a failure in full."""

    def show(self, live: Live) -> None:
        """Show where playing stands."""
        self.border_title = "live" + (" · every site" if live.dense else "")
        self.border_subtitle = "modelled ±10 %" if live.modelled else ""
        self.update(_status(live))


def _status(live: Live) -> Text:
    sign, style = _SIGNS.get(live.phase, ("■", QUIET))
    text = Text(f"{sign} ", style)
    if live.phase == "failed":
        return text.append(live.note, TEXT)
    text.append(live.recording, f"bold {TEXT}")
    if live.phase == "preparing":
        text.append(f"\n{live.note} ", TEXT)
        if live.progress:
            text.append(bar(live.progress, _BAR), f"{ACTIVE} on {TRACK}")
        return text
    share = live.latency_ms * 1e3 / live.limits.latency
    ink = GOOD if live.worst_ms * 1e3 <= live.limits.latency else BAD
    _line(text, "latency", f"{numbers.significant(live.latency_ms)} ms ")
    text.append(bar(share, _BAR), f"{ink} on {TRACK}")
    text.append(f" of {numbers.duration(live.limits.latency)}", QUIET)
    _line(text, "worst", f"{numbers.significant(live.worst_ms)} ms")
    text.append(f"  {numbers.count(live.dropped)} dropped", CAUTION if live.dropped else TEXT)
    if live.given:
        each = live.voxelising_cycles / live.given
        _line(text, "voxels", f"{numbers.scaled(live.voxelising_cycles)} cycles, {each:.1f}/event")
    _line(text, "parity", live.parity or "p compares", TEXT if live.parity else QUIET)
    return text


def _line(text: Text, name: str, value: str, ink: str = TEXT) -> None:
    text.append(f"\n{name:<8}", QUIET)
    text.append(value, ink)
