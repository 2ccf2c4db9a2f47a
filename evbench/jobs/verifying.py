"""`evbench verify`: the claims of a model's card, computed again where they can be."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from evbench.errors import EvbenchError, ModelError
from evbench.graph.card import CARD, CHECK, file_hashes, load_check, quantisation_table
from evbench.graph.model import IntegerGraph
from evbench.jobs.models import by_occupied_cells, enough, label, open_model
from evbench.jobs.recorded import as_recorded
from evbench.profiles import BoardProfile, Recipe, load_board
from evbench.workspace import Workspace

if TYPE_CHECKING:
    from rich.console import RenderableType

    from evbench.compile.build import Build
    from evbench.events.datasets.labelled import Dataset
    from evbench.events.windowset import WindowSet

State = Literal["holds", "fails", "unchecked"]

_STYLES = {"holds": "green", "fails": "bold red", "unchecked": "yellow"}
_SIMULATED = ("simulated-bars", "simulated-gestures")
_BATCH = 64
_CYCLES_TOLERANCE = 1e-3  # what a board ran before is still in its caches and its branch predictor


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim of a card: what it is about, whether it holds, and the figures or the reason."""

    claim: str
    state: State
    why: str


def verify_model(
    workspace: Workspace,
    path: Path | None,
    data: Path | None = None,
    *,
    metrics: bool = False,
    tell: Callable[[str], None] = lambda step: None,
) -> dict[str, Any]:
    """Check every claim of a model folder's card; returns the JSON of `evbench verify`.

    Accuracy is measured again on the test split when `data` is its folder, or with `metrics` where the set is
    simulated. `tell` hears what comes next. Raises ModelError when there is no model or no card; claims that are wrong
    are reported, not raised.
    """
    model = open_model(path)
    if model.source is None or not (model.source / CARD).is_file():
        raise ModelError(
            "The model has no card",
            where=f"{model.source or path} holds no {CARD}",
            remedy="Name the folder that `evbench run` exported",
        )
    try:
        card = json.loads((model.source / CARD).read_text())
        recipe = Recipe.model_validate(card["recipe"])
    except (ValueError, KeyError, TypeError) as error:
        where = f"{model.source / CARD}: {str(error).splitlines()[0]}"
        raise ModelError("The card cannot be read", where=where, remedy="Export the model again") from None
    checker = _Checker(model.graph, model.source, card, recipe, workspace, tell)
    claims = [*checker.files(), *checker.numbers(), *checker.executions()]
    known, test_set = checker.test_windows(data, metrics)
    claims += [*known, *checker.accuracy(test_set), *checker.board(test_set, data), *checker.tools()]
    counts = {state: sum(claim.state == state for claim in claims) for state in _STYLES}
    return {
        "model": label(path),
        "claims": [asdict(claim) for claim in claims],
        "counts": counts,
        "passed": counts["fails"] == 0,
    }


@dataclass(frozen=True, slots=True)
class _Checker:
    graph: IntegerGraph
    folder: Path
    card: Mapping[str, Any]
    recipe: Recipe
    workspace: Workspace
    tell: Callable[[str], None]

    def files(self) -> Iterator[Claim]:
        """Files as they were written, the graph as it was lowered, the ONNX file as the graph makes it."""
        self.tell("files")
        yield _equal("graph digest", self.card.get("digest"), self.graph.digest)
        claimed = self.card.get("files")
        if claimed is None:
            yield Claim("files", "unchecked", "the card lists none")
        else:
            here = file_hashes(self.folder)
            for name, entry in claimed.items():
                if name not in here:
                    yield Claim(f"file {name}", "fails", "it is missing")
                else:
                    same = here[name] == entry
                    why = f"{entry['bytes']:,} bytes, SHA-256 {entry['sha256'][:12]}"
                    yield Claim(f"file {name}", "holds" if same else "fails", why if same else "it was changed")
        yield self._onnx()

    def _onnx(self) -> Claim:
        from evbench.graph.onnx import to_onnx

        claim, path = "model.onnx is this graph's", self.folder / "model.onnx"
        if not path.is_file():
            return Claim(claim, "fails", "model.onnx is missing")
        if path.read_bytes() == to_onnx(self.graph).SerializeToString():
            return Claim(claim, "holds", "written again, every byte equal")
        made, here = self.card.get("tools", {}), _tools()
        if any(made.get(name) != here[name] for name in ("evbench", "onnx")):
            return Claim(claim, "unchecked", "other bytes from another version of evbench or onnx")
        return Claim(claim, "fails", "written again, it has other bytes")

    def numbers(self) -> Iterator[Claim]:
        """Sizes and the quantisation table."""
        metrics = self.card.get("metrics", {})
        yield _equal("bytes of weights", metrics.get("model_bytes"), self.graph.weight_bytes)
        macs = sum(self.graph.macs(operator) for operator in self.graph.operators)
        yield _equal("multiply-accumulates", metrics.get("macs"), macs)
        claimed = self.card.get("quantisation")
        if claimed is None:
            yield Claim("quantisation table", "unchecked", "the card has none")
        else:
            same = claimed == quantisation_table(self.graph)
            why = f"{len(claimed['tensors'])} tensors, {len(claimed['layers'])} layers with weights"
            yield Claim("quantisation table", "holds" if same else "fails", why)

    def executions(self) -> Iterator[Claim]:
        """The logits of the windows the model carries, by every execution that runs without a board."""
        from evbench.jobs.comparison import workstation_executions
        from evbench.parity import Execution, ReferenceExecution, compare

        executions: list[Execution]
        if not (self.folder / CHECK).is_file():
            yield Claim("logits of its windows", "unchecked", f"the model carries none ({CHECK})")
            return
        self.tell("executions")
        windows, logits = load_check(self.folder / CHECK)
        try:
            executions = workstation_executions(self.graph, self.folder, self.workspace)
        except EvbenchError as error:  # a network of the user's own that is not here, or no compiler
            yield Claim("executions", "unchecked", f"{error.what} ({error.where})")
            executions = [ReferenceExecution(self.graph)]
        found = executions[0].run(windows)[self.graph.outputs[0]].reshape(logits.shape)
        equal = np.array_equal(found, logits) or (self.graph.is_float and np.allclose(found, logits, atol=1e-4))
        farthest = f"{len(windows)} windows, at most {np.abs(found - logits).max():g} apart"
        yield Claim("logits of its windows", "holds" if equal else "fails", farthest)
        if len(executions) == 1:
            return
        report = compare(self.graph, executions, windows)
        for pair in report.pairs:
            if pair.judged:
                passed = pair.passes(report.float_network)
                where = f"first in {pair.first_differing_layer}, " if not passed else ""
                ties = f", {pair.ties} rounding ties" if pair.ties else ""
                why = f"{where}{pair.differing:,} of {pair.elements:,} elements differ{ties}"
                yield Claim(f"{pair.b} equals {pair.a}", "holds" if passed else "fails", why)

    def test_windows(self, data: Path | None, wanted: bool) -> tuple[list[Claim], WindowSet | None]:
        """The test split, where it is at hand and the one that the card was measured on."""
        from evbench.training.card import windows_digest

        simulated = self.recipe.dataset.name in _SIMULATED
        if data is None and not (wanted and simulated):
            how = "--metrics simulates it again" if simulated else "give its folder with --data"
            reason = f"the test split of {self.recipe.dataset.name} is needed: {how}"
            return [Claim("test windows", "unchecked", reason)], None
        self.tell("test windows")
        test_set = self._test_set(data)
        known = self.card.get("data", {}).get("splits", {}).get("test", {}).get("sha256")
        if known is None:
            return [Claim("test windows", "unchecked", "the card has no digest of them")], test_set
        if known != windows_digest(test_set):
            return [Claim("test windows", "fails", f"{len(test_set)} windows, but not those of the card")], None
        return [Claim("test windows", "holds", f"{len(test_set)} windows, SHA-256 {known[:12]}")], test_set

    def accuracy(self, test_set: WindowSet | None) -> Iterator[Claim]:
        """How often the integers are right on the test split."""
        from evbench.training.evaluate import accuracy

        claimed = self.card["metrics"]["accuracy"]
        if test_set is None:
            yield Claim("accuracy", "unchecked", "it needs the card's test windows")
            return
        self.tell(f"accuracy on {len(test_set)} windows")
        found = accuracy(self._logits(test_set), test_set.labels, test_set.recording).to_json()
        for name, per in (("window", "per window"), ("group", "per 4 windows"), ("recording", "per recording")):
            said, is_ = claimed[name], found[name]
            same = (said["correct"], said["total"]) == (is_["correct"], is_["total"])
            interval = f"95 % interval {100 * is_['ci95'][0]:.1f} to {100 * is_['ci95'][1]:.1f} %"
            why = f"{is_['correct']} of {is_['total']} ({interval})"
            why += "" if same else f", not {said['correct']} of {said['total']}"
            yield Claim(f"accuracy {per}", "holds" if same else "fails", why)

    def board(self, test_set: WindowSet | None, data: Path | None) -> Iterator[Claim]:
        """The bytes of the image, and what a virtual board measures; a real board's figures need that board."""
        from evbench.compile.build import build_firmware

        claimed = self.card.get("board")
        if claimed is None:
            yield Claim("board", "unchecked", "the card has no figures of a board")
            return
        self.tell(f"build for {claimed['board']}")
        image = f"image for {claimed['board']}"
        try:
            profile = load_board(claimed["board"])
            build = build_firmware(self.graph, profile, self.workspace.cache / "builds")
        except EvbenchError as error:
            yield Claim(image, "unchecked", error.what)
            return
        if build.build_id != claimed["build_id"]:
            yield Claim(image, "unchecked", "built by other firmware or another compiler than here")
            return
        yield _equal("flash bytes", claimed["flash_bytes"], build.flash_bytes)
        yield _equal("RAM bytes", claimed["ram_bytes"], build.ram_bytes)
        cycles = f"cycles on {claimed['board']}"
        if not profile.board.virtual:
            yield Claim(cycles, "unchecked", "they were measured on a real board: use `evbench profile`")
        elif test_set is None:
            yield Claim(cycles, "unchecked", "they need the card's test windows")
        else:
            yield self._cycles(cycles, profile, build, test_set, self._dataset(data))

    def _cycles(self, claim: str, profile: BoardProfile, build: Build, test_set: WindowSet, dataset: Dataset) -> Claim:
        """The modelled cycles of the test windows that `evbench run` plays to a board."""
        from evbench.boards.session import open_board

        self.tell(f"profile on {profile.id}")
        windows = as_recorded(self.graph, dataset, test_set, by_occupied_cells(test_set, enough(self.graph)))
        with open_board(profile, cache=self.workspace.cache / "native") as session:
            session.flash(build)
            run = session.profile(build, self.graph, windows)
        said = self.card["board"]["total_cycles"]
        why = f"{run.total_cycles:,} here, {said:,} on the card"
        if abs(run.total_cycles - said) <= _CYCLES_TOLERANCE * said:
            return Claim(claim, "holds", why)
        if self.card.get("tools", {}).get("evbench") != _tools()["evbench"]:
            return Claim(claim, "unchecked", f"{why}, modelled by another version of evbench")
        return Claim(claim, "fails", why)

    def _test_set(self, data: Path | None) -> WindowSet:
        from evbench.events.windowset import build_windows

        kind: Any = self.card.get("representation", "voxel")
        return build_windows(self._dataset(data), self.recipe.representation, "test", kind=kind)

    def _dataset(self, data: Path | None) -> Dataset:
        from evbench.events.datasets.catalogue import load_dataset, prepare_dataset

        settings = self.recipe.dataset
        folder = prepare_dataset(settings, data, self.workspace.cache, lambda share, what: self.tell(what))
        return load_dataset(settings, folder)

    def _logits(self, windows: WindowSet) -> Any:
        from evbench.graph.onnx import OnnxSession

        session = OnnxSession(self.graph, optimised=True)
        output = self.graph.outputs[0]
        parts = [
            session.run(windows.dense(slice(first, first + _BATCH)))[output] for first in range(0, len(windows), _BATCH)
        ]
        return np.concatenate(parts).reshape(len(windows), -1)

    def tools(self) -> list[Claim]:
        """Which versions made the model: nothing that can be right or wrong, only the same or not."""
        made, here = self.card.get("tools", {}), _tools()
        others = [
            f"{name} {version}, here {here.get(name)}" for name, version in made.items() if here.get(name) != version
        ]
        return [Claim("tool versions", "unchecked" if others else "holds", "; ".join(others) or "the same here")]


def _equal(claim: str, said: Any, found: Any) -> Claim:
    if said is None:
        return Claim(claim, "unchecked", "the card does not say")
    figure = f"{found:,}" if isinstance(found, int) else str(found)[:12]
    return Claim(claim, "holds" if said == found else "fails", figure if said == found else f"{figure}, not {said}")


def _tools() -> dict[str, str]:
    from evbench.training.card import tool_versions

    return tool_versions()


def claims_table(report: dict[str, Any]) -> RenderableType:
    """Every claim with its state and figures."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("claim", "", "figures"):
        table.add_column(heading)
    for claim in report["claims"]:
        table.add_row(claim["claim"], Text(claim["state"], _STYLES[claim["state"]]), claim["why"])
    counts = ", ".join(f"{count} {state}" for state, count in report["counts"].items() if count)
    return Group(Text(report["model"], "bold"), table, Text(counts, "bold"))
