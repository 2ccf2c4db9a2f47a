"""Stage export: weights become a model folder with graph, ONNX file and card, measured on the test split."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evbench.jobs.display import interval, model_size, percent
from evbench.jobs.models import MODEL
from evbench.jobs.stage import Context
from evbench.jobs.stages.dataset import windows_file
from evbench.profiles import Recipe

if TYPE_CHECKING:
    from evbench.training.approach import Approach


def run(context: Context, approach: Approach, recipe: Recipe) -> str:
    """Write the model folder of the weights in the input "trained"."""
    from evbench.events.windowset import WindowSet
    from evbench.training.approach import export_approach, input_kind

    kind = input_kind(approach)
    test_set = WindowSet.load(context.inputs["dataset"] / windows_file(kind, "test"))
    dataset = context.read("dataset", "dataset.json")
    result = export_approach(
        approach,
        recipe,
        context.inputs["trained"],
        test_set,
        tuple(dataset["classes"]),
        context.out / MODEL,
        dataset["cards"][kind],
    )
    window, group, recording = result.accuracy.window, result.accuracy.group, result.accuracy.recording
    context.metric("test_accuracy", 0, window.value)
    groups = f", {percent(group.value)} per 4 windows" if group.total else ""
    size, accuracy = model_size(result.model_bytes), percent(window.value)
    whole = f", {percent(recording.value)} per recording"
    return f"{size}, test {accuracy} per window ({interval((window.low, window.high))}){groups}{whole}"
