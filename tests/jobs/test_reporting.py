"""Reports as documents: the approaches beside what is published, the data named, studies, plots inside the file."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from finished_run import add_finished_run, add_study

from evbench.errors import JobError
from evbench.jobs.output import show_document
from evbench.jobs.reporting.content import data_sentence, report_content
from evbench.jobs.reporting.export import exported, report_file, write_report
from evbench.jobs.reporting.html import html
from evbench.jobs.reporting.markdown import markdown
from evbench.jobs.reporting.table import NOTHING, latency_text, report_lines, round_size
from evbench.jobs.store import Store

PUBLISHED = {
    "fp32-frames": ("4.2 MB", "94.1 %", "68 ms"),
    "fp32-voxel": ("3.1 MB", "94.6 %", "51 ms"),
    "ptq-int8": ("820 kB", "89.2 %", "19 ms"),
    "qat-int8": ("780 kB", "93.4 %", "15 ms"),
}


@pytest.fixture
def content(store: Store) -> dict[str, Any]:
    job = add_finished_run(store)
    add_study(store)
    return report_content(store, job)


def test_every_approach_stands_above_what_is_published_of_it(content: dict[str, Any]) -> None:
    lines = report_lines(content)
    assert [line.claimed for line in lines] == [False, True] * 4
    published = {line.approach: line.cells for line in lines if line.claimed}
    assert {name: (cells["size"], cells["window"], cells["latency"]) for name, cells in published.items()} == PUBLISHED
    measured = lines[-2].cells
    assert measured == {
        "size": "59 kB",
        "window": "63.6 % (62.3 to 64.9)",
        "recording": "70.0 % (60.0 to 78.0)",
        "latency": "4.56 ms",
        "flash": "97 KiB",
        "ram": "290 KiB",
    }
    assert lines[-1].cells["ram"] == NOTHING


def test_an_approach_nothing_was_published_of_has_one_line(content: dict[str, Any]) -> None:
    content["rows"].append({**content["rows"][-1], "approach": "hybrid-int16"})
    assert [line.name for line in report_lines(content)][-2:] == ["QAT int8", "hybrid-int16"]


def test_the_data_behind_the_figures_is_named(content: dict[str, Any], store: Store) -> None:
    said = data_sentence(content)
    assert "Measured on simulated-bars: 5,304 test windows of 204 recordings." in said
    assert "simulated recordings: the claims were made on DVS128 Gesture" in said
    real = report_content(store, add_finished_run(store, dataset="folder", data="/data/objects"))
    assert "folder (/data/objects)" in data_sentence(real)
    assert "other recordings" in data_sentence(real)
    claimed = report_content(store, add_finished_run(store, dataset="dvs128-gesture", data="/data/ibm"))
    assert "on the same set, DVS128 Gesture" in data_sentence(claimed)


def test_markdown_is_a_table_with_notes_and_studies(content: dict[str, Any]) -> None:
    text = markdown(content)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len({row.count("|") for row in rows[:10]}) == 1
    assert rows[0].split("|")[3:9] == [
        " size ",
        " accuracy per window ",
        " accuracy per recording ",
        " latency, modelled ",
        " flash ",
        " RAM ",
    ]
    assert "|  | claimed | 780 kB | 93.4 % | – | 15 ms | – | – |" in rows
    assert "Latency is modelled" in text
    assert "## Study: Four approaches (bars-voxel-qat, train.epochs = 10, 3 seeds)" in text
    assert "The claim is not decided here" in text
    assert "over the seeds" in text


def test_html_needs_nothing_but_itself_and_draws_every_plot(content: dict[str, Any]) -> None:
    page = html(content)
    assert not re.search(r"<script|<link|src=|href=|url\(|@import", page)
    drawn = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    titles = [ElementTree.fromstring(svg).findtext("{http://www.w3.org/2000/svg}title") for svg in drawn]
    assert titles == [
        "accuracy per test window, with 95 % intervals",
        "latency",
        "size of the model",
        "accuracy on validation over epochs",
        "cycles per layer of QAT int8",
    ]
    assert page.count('<tr class="claimed">') == 4
    assert "Confusion of QAT int8" in page
    assert "The claim is not decided here" in page


def test_names_in_a_page_cannot_break_it(content: dict[str, Any]) -> None:
    content["name"] = "<b>&"
    content["layers"]["qat-int8"][0]["name"] = "a<b"
    page = html(content)
    assert "<h1>&lt;b&gt;&amp;, job" in page
    assert "a&lt;b" in page


def test_json_holds_all_of_it(content: dict[str, Any]) -> None:
    read = json.loads(exported(content, "json"))
    assert read["claimed_on"] == "DVS128 Gesture"
    assert len(read["claims"]) == 4
    assert read["studies"][0]["study"] == "approaches"
    assert read["history"]["qat-int8"][1]["validation_accuracy"] == 0.6


def test_the_suffix_of_a_file_says_its_format(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    job = add_finished_run(store)
    show_document(store, job, None, tmp_path / "deep" / "r.md")
    assert capsys.readouterr().out.strip() == str(tmp_path / "deep" / "r.md")
    assert (tmp_path / "deep" / "r.md").read_text() == markdown(report_content(store, job))
    show_document(store, None, "html", None)
    assert capsys.readouterr().out.startswith("<!doctype html>")
    with pytest.raises(JobError, match="markdown, html, json"):
        show_document(store, job, None, tmp_path / "r.txt")
    with pytest.raises(JobError, match="--format pdf"):
        show_document(store, job, "pdf", None)


def test_a_report_is_written_whole_over_the_one_before(store: Store, content: dict[str, Any]) -> None:
    path = report_file(store.workspace, content, "html")
    assert path == store.workspace.root / "reports" / f"bars-voxel-qat-job-{content['job']}.html"
    write_report(content, "html", path)
    write_report(content, "html", path)
    assert list(path.parent.iterdir()) == [path]


def test_figures_have_three_digits_and_published_ones_as_many_as_were_published() -> None:
    written = [latency_text(value) for value in (4.5638, 28.21, 364.7, 1234.6)]
    assert written == ["4.56 ms", "28.2 ms", "365 ms", "1,235 ms"]
    assert [round_size(value) for value in (4_200_000, 820_000)] == ["4.2 MB", "820 kB"]
