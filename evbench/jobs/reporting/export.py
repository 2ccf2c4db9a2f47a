"""Writes reports as files: Markdown, HTML, JSON."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Literal

from evbench.workspace import Workspace, explained

Format = Literal["markdown", "html", "json"]

SUFFIXES: dict[Format, str] = {"markdown": ".md", "html": ".html", "json": ".json"}


def exported(content: dict[str, Any], form: Format) -> str:
    """The report of `report_content` as the text of a file."""
    if form == "json":
        return json.dumps(content, indent=1) + "\n"
    if form == "html":
        from evbench.jobs.reporting.html import html

        return html(content)
    from evbench.jobs.reporting.markdown import markdown

    return markdown(content)


def write_report(content: dict[str, Any], form: Format, path: Path) -> Path:
    """Write a report; a file that is there is replaced whole. Returns the absolute path.

    Raises WorkspaceError where it cannot be written.
    """
    target = path.expanduser().absolute()
    with explained(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f"{target.name}.part")
        part.write_text(exported(content, form), encoding="utf-8")
        os.replace(part, target)
    return target


def report_file(workspace: Workspace, content: dict[str, Any], form: Format) -> Path:
    """Where the workbench writes a report."""
    return workspace.root / "reports" / f"{content['recipe']}-job-{content['job']}{SUFFIXES[form]}"
