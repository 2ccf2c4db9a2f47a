"""Which classes a run's networks take for which: the confusion matrices of a report, as a table and as sentences."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from evbench.errors import JobError
from evbench.jobs.display import approach_name, percent

MOST_COLUMNS = 14
"""As many classes fit beside each other into 80 columns; of larger matrices only the most confused pairs are shown."""

_PAIRS = 10
_LETTERS = 4

Matrix = Sequence[Sequence[int]]
"""[classes][classes] counts: a row per true class, a column per answer."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """`count` of the `total` samples of class `true` were taken for class `answer`; classes by number."""

    true: int
    answer: int
    count: int
    total: int

    @property
    def share(self) -> float:
        return self.count / self.total


def mistakes(matrix: Matrix) -> list[Mistake]:
    """Every kind of mistake that was made, the one with the largest share of its class first."""
    found = [
        Mistake(true, answer, count, sum(row))
        for true, row in enumerate(matrix)
        for answer, count in enumerate(row)
        if count and answer != true
    ]
    return sorted(found, key=lambda mistake: (-mistake.share, -mistake.count, mistake.true, mistake.answer))


def most_confused(matrix: Matrix, classes: Sequence[str], what: str) -> str:
    """A sentence on the most frequent mistake and how often the same two classes are confused the other way round.

    `what` the matrix counts, such as "windows".
    """
    found = mistakes(matrix)
    if not found:
        return f"No {what} were confused."
    worst = found[0]
    back = Mistake(worst.answer, worst.true, matrix[worst.answer][worst.true], sum(matrix[worst.answer]))
    sentence = f"Most confused: {_taken(worst, classes)} in {worst.count} of {worst.total} {what}"
    return f"{sentence} ({percent(worst.share)}), the other way round in {back.count} of {back.total}."


def confusion_of(report: dict[str, Any], approach: str | None = None) -> dict[str, Any]:
    """The JSON of `evbench report --confusion`: the matrices of one approach of a report, the last by default.

    Raises JobError where the report has no such approach or comes from before matrices were kept.
    """
    matrices = report.get("confusion")
    where = f"Job {report['job']}, {report['recipe']}"
    if not matrices:
        raise JobError("The report has no confusion matrices", where=where, remedy="Run the recipe again")
    chosen = approach or list(matrices)[-1]
    if chosen not in matrices:
        raise JobError(f"The report has no approach {chosen!r}", where=where, remedy=f"Choose {', '.join(matrices)}")
    classes, own = report["classes"], matrices[chosen]
    return {
        "job": report["job"],
        "recipe": report["recipe"],
        "approach": chosen,
        "approaches": list(matrices),
        "window_us": report["window_us"],
        "classes": classes,
        "confusion": own,
        "most_confused": {
            "window": most_confused(own["window"], classes, "windows"),
            "recording": most_confused(own["recording"], classes, "recordings"),
        },
    }


def confusion_tables(found: dict[str, Any]) -> RenderableType:
    """What `confusion_of` found, per window in percent and per recording in counts."""
    name = approach_name(found["approach"])
    title = Text(f"{found['recipe']}, job {found['job']}, {name}: true class by row, answer by column", "bold")
    parts: list[RenderableType] = [title]
    headings = {
        "window": f"\nper window of {found['window_us'] / 1000:g} ms, percent of the class",
        "recording": "\nper recording, counts",
    }
    for kind, heading in headings.items():
        matrix = found["confusion"][kind]
        fits = len(found["classes"]) <= MOST_COLUMNS
        table = _matrix(matrix, found["classes"], kind == "window") if fits else _pairs(matrix, found["classes"])
        parts += [Text(heading), table, Text(found["most_confused"][kind])]
    others = [other for other in found["approaches"] if other != found["approach"]]
    if others:
        parts.append(Text(f"\nOther approaches: --approach {', '.join(others)}", "dim"))
    return Group(*parts)


def abbreviations(classes: Sequence[str]) -> list[str]:
    """Names of at most four letters, or of as many as there are words: initials, or the beginning of a single word.

    Names that would be the same are told apart by their class number.
    """
    short: list[str] = []
    for name in classes:
        words = re.findall(r"[^\W_]+", name) or [name]
        short.append("".join(word[0] for word in words).upper() if len(words) > 1 else words[0][:_LETTERS])
    seen = Counter(short)
    return [name if seen[name] == 1 else f"{name[: _LETTERS - 2]}{number}" for number, name in enumerate(short)]


def _matrix(matrix: Matrix, classes: Sequence[str], in_percent: bool) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))
    short = abbreviations(classes)
    table.add_column("", no_wrap=True, style="dim")
    for name in short:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("of", justify="right", no_wrap=True, style="dim")
    table.add_column("", overflow="ellipsis", style="dim")
    for true, row in enumerate(matrix):
        total = sum(row)
        cells = [
            Text("·" if not count else _cell(count, total, in_percent), "bold" if answer == true else "")
            for answer, count in enumerate(row)
        ]
        table.add_row(short[true], *cells, str(total), classes[true])
    return table


def _cell(count: int, total: int, in_percent: bool) -> str:
    if not in_percent:
        return str(count)
    # A class is answered for all of its samples only where none is missing.
    share = min(round(100 * count / total), 99) if count < total else 100
    return str(share) if share else "<1"


def _pairs(matrix: Matrix, classes: Sequence[str]) -> Text:
    lines = [
        f"{mistake.count} of {mistake.total} ({percent(mistake.share)}) {_taken(mistake, classes)}"
        for mistake in mistakes(matrix)[:_PAIRS]
    ]
    return Text("\n".join(lines))


def _taken(mistake: Mistake, classes: Sequence[str]) -> str:
    return f"{classes[mistake.true]} taken for {classes[mistake.answer]}"
