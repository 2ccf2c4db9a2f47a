"""Models on disk, found again for profiling and comparing, and the windows they are measured on."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evbench.errors import JobError, ModelError, RecordingError
from evbench.events.suffixes import SUFFIXES
from evbench.jobs.store import Store
from evbench.profiles import Representation, parse_filter
from evbench.resources import resource

if TYPE_CHECKING:
    from evbench.events.datasets.labelled import Dataset
    from evbench.events.windowset import WindowSet
    from evbench.graph.model import IntegerGraph

MODEL = "model"
"""The folder of a model in the output of stage export."""

EVENTS = "bins"
"""The entry in a graph's metadata of models that read events."""

MODELS = "models"
"""The folder of all models, by approach, in the output of stage report: with what the board measured on their cards."""

ONNX = ".onnx"
"""The suffix of ONNX files."""

PROFILED_WINDOWS = 5
"""How many windows a profile run plays to the board: the emptiest, the fullest and the quartiles between them."""

FLOAT_WINDOWS = 2
"""As many for float networks: their kernels skip nothing, so windows cost the same, and they take seconds each."""


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A model on disk: its graph, its folder or ONNX file where it has one, and its name for people."""

    graph: IntegerGraph
    source: Path | None
    name: str

    @property
    def reads_events(self) -> bool:
        """Whether the model says how its input is made from events."""
        return EVENTS in self.graph.metadata

    @property
    def representation(self) -> Representation:
        """How the model's input is made, from the graph's own metadata. Raises ModelError where that is missing."""
        about = self.graph.metadata
        try:
            height, width = json.loads(about["size"])
            return Representation(
                bins=int(about["bins"]),
                window=int(about["window_us"]),
                size=(height, width),
                filters=tuple(parse_filter(entry) for entry in json.loads(about.get("filters", "[]"))),
            )
        except (KeyError, ValueError, TypeError) as error:
            raise ModelError(
                "The model does not say how its input is made", where=f"{self.name}: {error}", remedy="Export it again"
            ) from None

    @property
    def classes(self) -> list[str]:
        """The names of the logits; numbers where the model has none."""
        names = json.loads(self.graph.metadata.get("classes", "[]"))
        count = self.graph.tensors[self.graph.outputs[0]].size
        return names if len(names) == count else [str(number) for number in range(count)]


def open_model(path: Path | None) -> Model:
    """A model folder, a graph file or a quantised ONNX file; the bundled model for None.

    Raises ModelError when it cannot be read, or names the operators of an ONNX file that are not supported.
    """
    from evbench.graph.file import load_graph

    chosen = resource("assets", "model") if path is None else path.expanduser().absolute()
    if not chosen.exists():
        raise ModelError(
            f"{path} does not exist",
            where=str(chosen),
            remedy="Give a model folder, an ONNX file or a graph.safetensors file",
        )
    if chosen.suffix == ONNX:
        from evbench.graph.activity import with_activity
        from evbench.graph.importer import import_onnx

        imported = import_onnx(chosen)
        if EVENTS not in imported.metadata:  # images, say: every site is active, so nothing is gained by skipping
            imported = with_activity(imported, random_inputs(imported, 1))
        return Model(imported, chosen, label(path))
    file = chosen / "graph.safetensors" if chosen.is_dir() else chosen
    if not file.is_file():
        raise ModelError(
            f"{path} is not a model folder", where=f"{file} is missing", remedy="Give the folder that export wrote"
        )
    graph = load_graph(file)
    return Model(graph, chosen if chosen.is_dir() else None, label(path))


def label(path: Path | None) -> str:
    """What people call a model: recipe and approach from its card where it has one, else the file's name."""
    if path is None:
        return "bundled model"
    try:
        card = json.loads((path / "model.json").read_text())
        return f"{card['recipe']['id']} {card['approach']}"
    except (OSError, ValueError, KeyError, TypeError):
        return path.stem


def model_of_job(store: Store, job_id: int, approach: str = "qat-int8") -> Path:
    """The model folder that a job exported for an approach, the reported one where the job has come so far.

    Raises JobError when it has exported none yet.
    """
    store.job(job_id)
    outputs = {
        (stage.name, stage.approach): store.workspace.artifact_dir(stage.digest)
        for stage in store.stages(job_id)
        if stage.digest and stage.state in ("done", "reused")
    }
    reported = outputs.get(("report", ""))
    if reported is not None and (reported / MODELS / approach).is_dir():
        return reported / MODELS / approach
    if ("export", approach) in outputs:
        return outputs["export", approach] / MODEL
    raise JobError(f"Job {job_id} has exported no {approach} model", remedy=f"See `evbench jobs show {job_id}`")


def model_folder(open_store: Callable[[], Store], model: str | None, approach: str = "qat-int8") -> Path:
    """The folder of a model: itself, what the job of this number exported for `approach`, the bundled one for None.

    Raises ModelError where there is no such folder, JobError for a job that has exported no such model.
    """
    if model is not None and model.isdecimal() and not Path(model).exists():
        return model_of_job(open_store(), int(model), approach)
    folder = resource("assets", "model") if model is None else Path(model).expanduser().absolute()
    if not folder.is_dir():
        raise ModelError(
            f"{model} is not a model folder", where=str(folder), remedy="Give the folder that export wrote, or a job"
        )
    return folder


def windows_for(model: Model, data: Path | None) -> WindowSet:
    """The windows of a recording, or of all recordings in a folder, as the model wants them; bundled ones for None.

    Raises RecordingError when there is no window with an event.
    """
    return windows_of(model, dataset_for(data))


def dataset_for(data: Path | None) -> Dataset:
    """A recording, or all recordings of a folder, as the test split of a data set; the bundled ones for None.

    Raises RecordingError where there is none.
    """
    from evbench.events.datasets.labelled import Dataset, LabelledRecording
    from evbench.events.recording import open_recording

    source = resource("assets", "recordings") if data is None else data.expanduser().absolute()
    files = (
        sorted(path for path in source.rglob("*") if path.suffix.lower() in SUFFIXES) if source.is_dir() else [source]
    )
    tests = [path for path in files if "test" in path.relative_to(source).parts] if source.is_dir() else []
    files = tests or files
    if not files or not files[0].exists():
        raise RecordingError(
            f"{data} holds no recording", where=str(source), remedy="Name a recording or a folder of them"
        )
    recordings = tuple(LabelledRecording(path, 0, "test", "", path.name) for path in files)
    return Dataset(source.name, ("",), open_recording(files[0]).geometry, recordings)


def windows_of(model: Model, dataset: Dataset) -> WindowSet:
    """The windows of a data set's test split as the model wants them. Raises RecordingError and ModelError."""
    from evbench.events.windowset import build_windows

    kind: Any = model.graph.metadata.get("representation", "voxel")
    windows = build_windows(dataset, model.representation, "test", kind=kind)
    expected = model.graph.tensors[model.graph.inputs[0]].shape
    if windows.shape != expected:
        raise ModelError(
            f"The model reads {expected} and its windows are {windows.shape}",
            where=model.name,
            remedy="Export it again",
        )
    return windows


def enough(graph: IntegerGraph, wanted: int = PROFILED_WINDOWS) -> int:
    """How many of `wanted` windows are worth running on a board."""
    return min(wanted, FLOAT_WINDOWS) if graph.is_float else wanted


def compared_inputs(model: Model, data: Path | None, count: int) -> NDArray[np.uint8]:
    """What executions are compared on, uint8 [n, C, H, W]: windows spread over recordings and time, or
    random bytes where a model reads no events."""
    count = enough(model.graph, count)
    if model.reads_events or data is not None:
        return evenly(windows_for(model, data), count)
    return random_inputs(model.graph, count)


def random_inputs(graph: IntegerGraph, count: int) -> NDArray[np.uint8]:
    """`count` inputs of bytes drawn evenly, the same ones every time, uint8 [count, C, H, W]."""
    shape = graph.tensors[graph.inputs[0]].shape
    return np.random.default_rng(0).integers(0, 256, (count, *shape), dtype=np.uint8)


def from_emptiest_to_fullest(windows: WindowSet, count: int) -> list[NDArray[np.uint8]]:
    """`count` windows, uint8 [C, H, W] each, spread evenly over the order of how many cells are occupied."""
    return list(windows.dense(by_occupied_cells(windows, count)))


def by_occupied_cells(windows: WindowSet, count: int) -> NDArray[np.int64]:
    """The numbers of `count` windows, spread evenly over the order of how many cells are occupied."""
    order = np.argsort(np.diff(windows.offsets), kind="stable")
    return order[_places(len(windows), count)]


def evenly(windows: WindowSet, count: int) -> NDArray[np.uint8]:
    """`count` windows, uint8 [n, C, H, W], spread evenly over recordings and time."""
    return windows.dense(_places(len(windows), count))


def _places(total: int, count: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, total - 1, min(count, total)).round().astype(np.int64))
