"""Stage parity: the model's executions compared layer by layer on real test windows."""

from __future__ import annotations

from typing import Any

from evbench.jobs.models import MODEL, enough, evenly
from evbench.jobs.stage import Context
from evbench.jobs.stages.dataset import Kind, windows_file
from evbench.jobs.stages.hardware import fit, load_model
from evbench.profiles import BoardProfile


def run(context: Context, board: BoardProfile, kind: Kind, windows: int) -> str:
    """Compare on `windows` windows spread over the test split; write `parity.json`, the result of `evbench parity`."""
    from evbench.events.windowset import WindowSet
    from evbench.jobs.comparison import compare_model

    assert context.board is not None
    folder = context.inputs["export"] / MODEL
    graph = load_model(folder)
    fitted = fit(graph, board, context.workspace)
    session = context.board.flash(fitted.board, fitted.build)
    test_set = WindowSet.load(context.inputs["dataset"] / windows_file(kind, "test"))
    report = compare_model(
        graph, folder, evenly(test_set, enough(graph, windows)), context.workspace, session, fitted.build
    )
    context.write("parity.json", report)
    return describe(report)


def describe(report: dict[str, Any]) -> str:
    """One line on a comparison."""
    pairs: list[dict[str, Any]] = report["pairs"]
    names = ", ".join(pair["b"] for pair in pairs)
    if report["passed"]:
        return f"{names} agree with {pairs[0]['a']} on {report['windows']} windows"
    wrong = next(pair for pair in pairs if not pair["passed"])
    layer = wrong["first_differing_layer"] or "the logits"
    return f"{wrong['b']} differs from {wrong['a']} on {report['windows']} windows, first in {layer}"
