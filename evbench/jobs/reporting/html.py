"""A report as one HTML file that needs nothing else: plots are inline SVG, and there are no scripts."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from evbench.jobs.confusion import MOST_COLUMNS, abbreviations
from evbench.jobs.display import approach_name
from evbench.jobs.reporting import plots
from evbench.jobs.reporting.content import data_sentence, modelled
from evbench.jobs.reporting.table import HEADINGS, notes, report_lines
from evbench.jobs.studies.tables import STUDY_HEADINGS, figure_text, study_notes

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 1rem 0; }
th, td { padding: .25rem .7rem; text-align: right; border-bottom: 1px solid #e4e4e4; white-space: nowrap; }
th { font-weight: 600; color: #666; } th:first-child, td:first-child, td.left, th.left { text-align: left; }
tr.claimed td { color: #777; font-style: italic; border-bottom-color: #bbb; }
figure { display: inline-block; margin: 1rem 2rem 1rem 0; vertical-align: top; }
figcaption { font-weight: 600; } svg { max-width: 100%; height: auto; }
.note { color: #666; max-width: 60rem; } .verdict { font-weight: 600; }
td.cell { text-align: center; padding: .2rem .4rem; }
"""


def html(content: dict[str, Any]) -> str:
    """The report of `report_content` as an HTML document."""
    title = f"{content['name']}, job {content['job']}"
    last = content["rows"][-1]["approach"]
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{escape(data_sentence(content))}</p>",
        _approaches(content),
        *(f'<p class="note">{escape(note)}</p>' for note in notes(content)),
        _figure("Accuracy per test window, ◇ claimed", plots.accuracy_plot(content)),
        _figure("Latency, ◇ claimed" + ", modelled" * modelled(content), plots.latency_plot(content)),
        _figure("Size of the model, ◇ claimed", plots.size_plot(content)),
        _figure("Accuracy on validation over epochs", plots.history_plot(content)) if content["history"] else "",
        _figure(f"Cycles per layer, {approach_name(last)}", plots.layers_plot(content, last)),
        _confusion(content, last),
        *(_study(study) for study in content["studies"]),
    ]
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n' + "\n".join(parts) + "\n</body></html>\n"


def _approaches(content: dict[str, Any]) -> str:
    titles = [title + ", modelled" * (title == "latency" and modelled(content)) for title in HEADINGS.values()]
    rows = []
    for line in report_lines(content):
        cells = [line.cells[column] for column in HEADINGS]
        mark = f'<span style="color:{plots.colour_of(line.approach)}">●</span> ' if not line.claimed else ""
        first = "" if line.claimed else f"{mark}{escape(line.name)}"
        kind = "claimed" if line.claimed else "measured"
        rows.append(f'<tr class="{kind}"><td>{first}</td><td class="left">{kind}</td>{_cells(cells)}</tr>')
    return _table(["approach", "", *titles], rows)


def _confusion(content: dict[str, Any], approach: str) -> str:
    """The confusion matrix per window, in percent of the true class; nothing where there are too many classes."""
    classes: list[str] = content["classes"]
    if len(classes) > MOST_COLUMNS:
        return ""
    rows = []
    for true, counts in enumerate(content["confusion"][approach]["window"]):
        total = sum(counts) or 1
        cells = []
        for answer, count in enumerate(counts):
            colour = "47,158,110" if answer == true else "214,64,112"
            shown = f"{100 * count / total:.0f}" if count else "·"
            shade = f"rgba({colour},{(count / total) ** 0.5:.2f})"
            cells.append(f'<td class="cell" style="background:{shade}">{shown}</td>')
        rows.append(f'<tr><td class="left">{escape(classes[true])}</td>{"".join(cells)}</tr>')
    caption = f"Confusion of {approach_name(approach)} per test window, percent of the true class (row)"
    return f"<h2>{escape(caption)}</h2>{_table(['', *abbreviations(classes)], rows)}"


def _study(study: dict[str, Any]) -> str:
    shown = [figure for figure in study["shows"] if any(row[figure] for row in study["rows"])]
    rows = []
    for row in study["rows"]:
        figures = [figure_text(figure, row[figure]) for figure in shown]
        cells = _cells([approach_name(row["approach"]), *figures])
        rows.append(f'<tr><td class="left">{escape(row["variant"])}</td>{cells}</tr>')
    changed = "".join(f", {key} = {value}" for key, value in study["settings"].items())
    title = f"Study: {study['title']} ({study['recipe']}{changed}, {len(study['seeds'])} seeds)"
    return "\n".join(
        [
            f"<h2>{escape(title)}</h2><p>{escape(study['claim'])}</p>",
            _table(["variant", "approach", *(STUDY_HEADINGS[figure] for figure in shown)], rows),
            f'<p class="verdict">{escape(study["verdict"])}</p><p class="note">{escape(study_notes(study))}</p>',
        ]
    )


def _figure(caption: str, svg: str) -> str:
    return f"<figure><figcaption>{escape(caption)}</figcaption>{svg}</figure>"


def _table(titles: Sequence[str], rows: Sequence[str]) -> str:
    head = "".join(f"<th>{escape(title)}</th>" for title in titles)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _cells(texts: Sequence[str]) -> str:
    return "".join(f"<td>{escape(text)}</td>" for text in texts)
