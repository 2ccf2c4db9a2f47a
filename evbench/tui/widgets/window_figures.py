"""Says which window is seen, what it holds and how sparse it is, on one line whose numbers stay where they are."""

from __future__ import annotations

from rich.text import Text

from evbench.tui import numbers
from evbench.tui.inks import BAD, ON, QUIET
from evbench.tui.state.recordings import RecordingState
from evbench.tui.state.windows import WindowState


def figures(recording: RecordingState, window: WindowState, width: int) -> Text:
    """The line for `width` columns; what has no room is left out, the least wanted first."""
    length = window.look.length
    windows = numbers.count(recording.windows(length))
    number = numbers.count(recording.window_at(window.t0, length) + 1)
    seconds = (window.t0 - recording.t_first) / 1e6
    most = len(f"{recording.duration / 1e6:+.3f}")
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(f"window {number:>{len(windows)}}/{windows}", "bold")
    text.append(f"  {seconds:>+{most}.3f} s  {length / 1000:g} ms  ", QUIET)
    # The fullest window cannot be known without reading all; seven digits hold what sensors send in one.
    text.append(f"{numbers.count(window.events):>7} events", "bold" if window.events else f"bold {BAD}")
    rate = numbers.scaled(window.events / (length / 1e6), "ev/s")
    on = numbers.percent(window.on / window.events) if window.events else ""
    for part, style in (
        (f"{100 * window.zero_share:>6.2f} % of cells empty", QUIET),
        (f"{rate:>11}", QUIET),
        (f"ON {on:>7}", ON),
        (f"{window.block}×{window.block} pixels in one" if window.block > 1 else "", QUIET),
    ):
        if part and text.cell_len + 2 + len(part) <= width:
            text.append(f"  {part}", style)
    return text
