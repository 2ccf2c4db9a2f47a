"""A report as Markdown."""

from __future__ import annotations

from typing import Any

from evbench.jobs.display import approach_name
from evbench.jobs.reporting.content import data_sentence, modelled
from evbench.jobs.reporting.table import HEADINGS, notes, report_lines
from evbench.jobs.studies.tables import STUDY_HEADINGS, figure_text, study_notes


def markdown(content: dict[str, Any]) -> str:
    """The report of `report_content` as a Markdown document."""
    titles = [title + ", modelled" * (title == "latency" and modelled(content)) for title in HEADINGS.values()]
    rows = [["approach", "", *titles], ["---", "---", *("---:" for _ in titles)]]
    for line in report_lines(content):
        name = "" if line.claimed else f"**{line.name}**"
        rows.append([name, "claimed" if line.claimed else "measured", *(line.cells[column] for column in HEADINGS)])
    parts = [
        f"# {content['name']}, job {content['job']}",
        data_sentence(content),
        "\n".join(_row(row) for row in rows),
        "\n".join(f"* {note}" for note in notes(content)),
    ]
    for study in content["studies"]:
        parts.append(_study(study))
    return "\n\n".join(parts) + "\n"


def _study(study: dict[str, Any]) -> str:
    shown = [figure for figure in study["shows"] if any(row[figure] for row in study["rows"])]
    rows = [
        ["variant", "approach", *(STUDY_HEADINGS[figure] for figure in shown)],
        ["---", "---", *("---:" for _ in shown)],
    ]
    for row in study["rows"]:
        rows.append([row["variant"], approach_name(row["approach"]), *(figure_text(name, row[name]) for name in shown)])
    table = "\n".join(_row(row) for row in rows)
    changed = "".join(f", {key} = {value}" for key, value in study["settings"].items())
    title = f"## Study: {study['title']} ({study['recipe']}{changed}, {len(study['seeds'])} seeds)"
    return "\n\n".join([title, study["claim"], table, f"**{study['verdict']}**", study_notes(study)])


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
