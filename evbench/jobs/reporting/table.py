"""The table of a report: what was measured of each approach, and below it what has been claimed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from evbench.jobs.display import approach_name, interval, model_size, percent, size
from evbench.jobs.reporting.content import claim_of

Column = Literal["size", "window", "recording", "latency", "flash", "ram"]

HEADINGS: dict[Column, str] = {
    "size": "size",
    "window": "accuracy per window",
    "recording": "accuracy per recording",
    "latency": "latency",
    "flash": "flash",
    "ram": "RAM",
}
"""What stands above each column, in their order."""

NOTHING = "–"


@dataclass(frozen=True, slots=True)
class ReportLine:
    """One line: an approach by its key and its name, whether it is `claimed`, and a text for each column."""

    approach: str
    name: str
    claimed: bool
    cells: dict[Column, str]


def report_lines(content: dict[str, Any]) -> list[ReportLine]:
    """Two lines for each approach, measured and claimed; one where nothing was claimed."""
    lines: list[ReportLine] = []
    for row in content["rows"]:
        name = approach_name(row["approach"])
        lines.append(ReportLine(row["approach"], name, False, _measured(row)))
        claim = claim_of(content, row["approach"])
        if claim is not None:
            lines.append(ReportLine(row["approach"], name, True, _claimed(claim)))
    return lines


def latency_text(milliseconds: float) -> str:
    """Milliseconds in three significant digits: "4.56 ms", "12.3 ms", "364 ms"."""
    digits = 0 if milliseconds >= 100 else 1 if milliseconds >= 10 else 2
    return f"{milliseconds:,.{digits}f} ms"


def _measured(row: dict[str, Any]) -> dict[Column, str]:
    return {
        "size": model_size(row["model_bytes"]),
        "window": f"{percent(row['accuracy_window'])} ({interval(row['accuracy_window_ci95'])})",
        "recording": f"{percent(row['accuracy_recording'])} ({interval(row['accuracy_recording_ci95'])})",
        "latency": latency_text(row["latency_ms"]),
        "flash": size(row["flash_bytes"]),
        "ram": size(row["ram_bytes"]),
    }


def _claimed(claim: dict[str, Any]) -> dict[Column, str]:
    return {
        "size": round_size(claim["model_bytes"]),
        "window": percent(claim["accuracy"]),
        "recording": NOTHING,
        "latency": f"{claim['latency_ms']:g} ms",
        "flash": NOTHING,
        "ram": NOTHING,
    }


def round_size(count: float) -> str:
    """Bytes with as many digits as they have, for what is published and for axes: "4.2 MB", "820 kB"."""
    return f"{count / 1e6:g} MB" if count >= 1e6 else f"{count / 1e3:g} kB"


def notes(content: dict[str, Any]) -> list[str]:
    """What must be known to read the table, a sentence each."""
    window_ms = content["window_us"] / 1000
    said = [
        f"Accuracy with its 95 % interval (Wilson), per window of {window_ms:g} ms and per recording; "
        "windows of one recording are not independent.",
        f"Claims are what was published of these approaches on {content['claimed_on']}; "
        "they do not say whether they count windows or recordings.",
    ]
    if any(row["modelled"] for row in content["rows"]):
        said.append("Latency is modelled by the virtual board's timing model, within about 10 %.")
    boards = {row["board"] for row in content["rows"] if not row["fits"]}
    if boards:
        said.append(f"What does not fit {content['board']} is measured on {', '.join(sorted(boards))}.")
    return said
