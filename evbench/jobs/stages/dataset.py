"""Stage dataset: recordings become windows, on voxel grids and on accumulated frames, split by session."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from evbench.errors import RecordingError
from evbench.jobs.stage import Context
from evbench.profiles import Recipe

Kind = Literal["voxel", "frame"]
Split = Literal["train", "validation", "test"]

KINDS: tuple[Kind, ...] = ("voxel", "frame")
SPLITS: tuple[Split, ...] = ("train", "validation", "test")


def windows_file(kind: Kind, split: Split) -> str:
    """The name of one window set in the output."""
    return f"{kind}-{split}.npz"


def run(context: Context, recipe: Recipe, data: Path | None) -> str:
    """Write every window set as .npz and `dataset.json` with class names, counts and what cards say of each split.

    Raises RecordingError when the data cannot be read, has boxes in place of classes, or a split has no window with an
    event.
    """
    from evbench.events.datasets.catalogue import load_dataset, prepare_dataset
    from evbench.events.windowset import build_windows
    from evbench.training.card import split_entry

    data = prepare_dataset(recipe.dataset, data, context.workspace.cache, context.progress)
    dataset = load_dataset(recipe.dataset, data)
    if dataset.boxes is not None:
        raise RecordingError(
            f"{dataset.name} says where things are, not of which class a recording is",
            where="dataset.name of the recipe",
            remedy="Choose a set with classes: evbench's networks classify",
        )
    counts: dict[str, dict[str, int]] = {}
    cards: dict[str, dict[str, Any]] = {kind: {} for kind in KINDS}
    steps = [(kind, split) for kind in KINDS for split in SPLITS]
    for number, (kind, split) in enumerate(steps):
        context.progress(number / len(steps), f"{split} windows, {kind}")
        windows = build_windows(dataset, recipe.representation, split, kind=kind)
        windows.save(context.out / windows_file(kind, split))
        cards[kind][split] = split_entry(windows)
        counts[split] = {"windows": len(windows), "empty": windows.n_empty, "recordings": len(dataset.of(split))}
    content = {"name": dataset.name, "classes": list(dataset.classes), "splits": counts, "cards": cards}
    context.write("dataset.json", content)
    numbers = ", ".join(f"{counts[split]['windows']} {split}" for split in SPLITS)
    return f"{len(dataset.classes)} classes; windows of {recipe.representation.window / 1000:g} ms: {numbers}"
