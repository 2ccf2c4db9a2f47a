"""Says what a recording is: format, sensor, events, rate, polarity, and what is wrong with it."""

from __future__ import annotations

from rich.text import Text

from evbench.tui import numbers
from evbench.tui.drawing import bar
from evbench.tui.state.recordings import RecordingState

_DIM = "#8a93a6"
_MOST_WARNINGS = 3
_MOST_HOT = 4


def summary(recording: RecordingState) -> Text:
    """A recording in a few lines."""
    seconds = recording.duration / 1e6
    text = Text()
    text.append(f"{recording.format}", "bold")
    text.append(f"  {recording.geometry.width} × {recording.geometry.height}", "bold")
    text.append("  pixels\n", _DIM)
    text.append(f"{numbers.count(recording.events)}", "bold")
    text.append(" events in ", _DIM)
    text.append(numbers.duration(recording.duration), "bold")
    if seconds > 0:
        text.append(", mean ", _DIM)
        text.append(numbers.scaled(recording.events / seconds, "ev/s"), "bold")
    text.append("\n")
    if recording.events:
        on = recording.on / recording.events
        text.append(f"ON {numbers.percent(on)} ", "#ffb000")
        text.append(bar(on, 16), "#ffb000 on #648fff")
        text.append(f" OFF {numbers.percent(1 - on)}", "#648fff")
    else:
        text.append("The recording holds no events.", "#ff5c8a")
    if recording.hot:
        text.append(f"\n{numbers.count(len(recording.hot))} hot pixel{'s' * (len(recording.hot) != 1)}", "#fe6100")
        places = " ".join(f"({x},{y})" for x, y in recording.hot[:_MOST_HOT])
        text.append(f"  {places}{' …' * (len(recording.hot) > _MOST_HOT)}", _DIM)
    elif recording.events:
        text.append("\nno hot pixels", _DIM)
    if not recording.monotonic:
        text.append("\n⚠ timestamps run backwards; shown in time order", "#fe6100")
    for warning in recording.warnings[:_MOST_WARNINGS]:
        text.append(f"\n⚠ {warning}", "#fe6100")
    if len(recording.warnings) > _MOST_WARNINGS:
        text.append(f"\n⚠ and {len(recording.warnings) - _MOST_WARNINGS} more", "#fe6100")
    return text
