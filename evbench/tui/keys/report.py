"""What keys do on the Report pane."""

from __future__ import annotations

from evbench.tui.actions import Action

ACTIONS: tuple[Action, ...] = (
    Action("report", "j", "job", "Job", "Choose the finished run whose report is shown."),
    Action("report", "comma", "step(1)", "Report", "Show the report of the run before.", True, ",."),
    Action("report", "full_stop", "step(-1)", "Later report", "Show the report of the run after.", False, "."),
    Action("report", "v", "view", "View", "Show the next view: table, plots or studies."),
    Action("report", "s", "study", "Study", "Show the next study."),
    Action("report", "e", "export", "Export", "Write the report as Markdown, HTML with plots, or JSON."),
)
