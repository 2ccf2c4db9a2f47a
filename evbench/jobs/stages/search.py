"""Stage search: precisions for every layer, the least latency inside an accuracy budget; built and measured at the end.

Everything that was measured is kept as it comes, so a killed search goes on where it was.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evbench.errors import DoesNotFitError
from evbench.jobs.journal import Journal
from evbench.jobs.models import from_emptiest_to_fullest
from evbench.jobs.stage import Context
from evbench.jobs.stages.dataset import windows_file
from evbench.jobs.stages.hardware import fit, load_model, measure
from evbench.jobs.stages.sensitivity import RESULT as SENSITIVITY
from evbench.profiles import BoardProfile, Precision

if TYPE_CHECKING:
    from evbench.graph.hybrid import Composition, Mode
    from evbench.graph.model import IntegerGraph
    from evbench.quantize.search import Costs, Point
    from evbench.training.search import Hybrids

RESULT = "search.json"
FRAGMENT = "layers.toml"
"""The recipe fragment of the chosen network, beside the result."""

_POINTS = 12
_PROFILED = 3
_COMPARED = 4
_CALIBRATION = 16
_NAMES: Mapping[str, Precision] = {"u8": "int8", "s8": "int8", "s16": "int16", "f32": "fp32"}


def run(context: Context, folder: Path, about: Mapping[str, Any], board: BoardProfile, budget: float) -> str:
    """Search from the model in `folder`; write `search.json` behind `about`, and the recipe fragment `layers.toml`.

    `budget`: how many points of accuracy on validation windows the network may lose beside the float one.
    """
    searching = _Search(context, folder, board)
    points = searching.measured(budget)
    inside = [point for point in points if point["drop_points"] <= budget]
    wanted = inside or [min(points, key=lambda point: (point["drop_points"], point["predicted_cycles"]))]
    chosen, verified = searching.verify(sorted(wanted, key=lambda point: point["predicted_cycles"]))
    fragment = recipe_fragment(chosen["layers"])
    (context.out / FRAGMENT).write_text(fragment)
    content = {
        **about,
        "board": board.id,
        "core_hz": board.board.core_hz,
        "budget_points": budget,
        "met": bool(inside),
        "windows": len(searching.validation),
        "float": searching.float_cost,
        "left_out": searching.left_out,
        "points": [{**point, "chosen": point is chosen, "frontier": _leads(point, points)} for point in points],
        "recipe": fragment,
        "verified": verified,
    }
    context.write(RESULT, content)
    what = "all int8" if not chosen["layers"] else f"{len(chosen['layers'])} layers not int8"
    return f"{what}: {verified['latency_ms']:.2f} ms, {chosen['drop_points']:.2f} points below float on validation"


def recipe_fragment(layers: Mapping[str, Precision]) -> str:
    """The table of a recipe that gives these precisions."""
    lines = [f"{json.dumps(layer)} = {json.dumps(precision)}" for layer, precision in layers.items()]
    return "\n".join(["[quantize.layers]", *lines]) + "\n"


def _leads(point: Mapping[str, Any], points: Sequence[Mapping[str, Any]]) -> bool:
    """Whether no other point is as fast and better, or as good and faster; logits decide between equal accuracies."""

    def place(of: Mapping[str, Any]) -> tuple[float, tuple[float, float]]:
        return of["predicted_cycles"], (of["drop_points"], of["logit_rms"])

    fast, good = place(point)
    return not any(
        place(other) != (fast, good) and place(other)[0] <= fast and place(other)[1] <= good for other in points
    )


@dataclass(frozen=True, slots=True)
class _Measured:
    composition: Composition
    cycles: dict[str, float]
    changed: dict[tuple[Precision, Precision], float]


class _Search:
    """One search: what it reads, and what it has measured so far."""

    def __init__(self, context: Context, folder: Path, board: BoardProfile) -> None:
        from evbench.compile.sparse import choose
        from evbench.events.windowset import WindowSet
        from evbench.training.search import Hybrids
        from evbench.training.sensitivity import cost_of

        def windows(split: str) -> WindowSet:
            return WindowSet.load(context.inputs["dataset"] / windows_file("voxel", split))  # type: ignore[arg-type]

        self.context, self.board = context, board
        self.graph = load_model(folder)
        self.skipping = choose(self.graph).skipping
        self.sensitivity = context.read("sensitivity", SENSITIVITY)
        self.validation = windows("validation").spread(int(self.sensitivity["windows"]))
        self.test = windows("test")
        calibration = windows("train").spread(_CALIBRATION)
        self.hybrids: Hybrids = Hybrids(folder, self.graph, calibration.dense(slice(None)))
        self.journal = Journal(context.work / "measured.jsonl")
        self.left_out: dict[str, str] = {}
        self.profiled = from_emptiest_to_fullest(self.validation, _PROFILED)
        self.reference = self.hybrids.float_logits(self.validation)
        self.float_cost = asdict(cost_of(self.reference, self.reference, self.validation.labels))

    def measured(self, budget: float) -> list[dict[str, Any]]:
        """Networks with their accuracy, fastest first.

        Some spread over the walk from all int8 to the most exact, those around where it meets the budget, and from
        there those with one layer after the other back at int8, as long as the budget allows.
        """
        from evbench.quantize.search import ErrorModel, Expectation, simpler, walk

        errors = ErrorModel(self.sensitivity["parts"])
        expected = Expectation(self.graph, self.skipping, self._costs(), errors)
        without: list[Precision] = [precision for precision in ("int16", "fp32") if precision in self.left_out]
        path = walk(expected, without)
        places = np.unique(np.linspace(0, len(path) - 1, min(_POINTS, len(path))).round().astype(int)).tolist()
        found = {place: self._point(path[place]) for place in places}
        while True:
            inside = [place for place in sorted(found) if found[place]["drop_points"] <= budget]
            before = max((place for place in found if inside and place < inside[0]), default=None)
            if before is None or inside[0] - before == 1:
                break
            place = (before + inside[0]) // 2
            found[place] = self._point(path[place])
        points = list(found.values())
        here = min((path[place] for place in inside), key=lambda point: point.cycles, default=None)
        tried: set[str] = set()
        while here is not None and (candidates := simpler(expected, here, tried)):
            layer, candidate = candidates[0]
            tried.add(layer)
            points.append(self._point(candidate))
            if points[-1]["drop_points"] <= budget:
                here = candidate
        return sorted(points, key=lambda point: (point["predicted_cycles"], point["drop_points"]))

    def verify(self, candidates: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], dict[str, Any]]:
        """Builds, profiles and compares the first candidate that fits the board, on the test split."""
        for candidate in candidates:
            try:
                return candidate, self._verified(candidate)
            except DoesNotFitError as error:
                self.left_out[recipe_fragment(candidate["layers"])] = error.what
        raise DoesNotFitError(
            "None of the networks inside the budget fits the board",
            where=self.board.id,
            remedy="Take a larger board or a wider --accuracy-drop",
        )

    def _point(self, point: Point) -> dict[str, Any]:
        from evbench.training.sensitivity import cost_of

        key = json.dumps(point.assignment, sort_keys=True)
        if key not in self.journal.known:
            logits = self.hybrids.logits(point.assignment, self.validation)
            self.journal.add(key, asdict(cost_of(logits, self.reference, self.validation.labels)))
        cost = self.journal.known[key]
        drop = 100 * (self.float_cost["accuracy"] - cost["accuracy"])
        done = sum(key.startswith("{") for key in self.journal.known)
        self.context.progress(0.3 + 0.6 * min(done / (2 * _POINTS), 1), f"{done} networks tried")
        return {
            "layers": point.assignment,
            "predicted_cycles": round(point.cycles),
            "predicted_ms": 1e3 * point.cycles / self.board.board.core_hz,
            "predicted_rms": point.error,
            "drop_points": drop,
            **cost,
        }

    def _costs(self) -> Costs:
        from evbench.quantize.search import Costs

        costs = Costs()
        variants = self._variants()
        for number, (name, layers) in enumerate(variants.items()):
            self.context.progress(0.3 * number / len(variants), f"measuring the layers, {name}")
            measured = self._layers(name, layers)
            if measured is not None:
                costs.learn(measured.composition, measured.cycles, measured.changed)
        return costs

    def _variants(self) -> dict[str, dict[str, Precision]]:
        """Networks in which every layer is measured once in each precision, and every change of precision."""
        from evbench.graph.hybrid import choices

        possible = choices(self.graph)
        cycle: tuple[Precision, ...] = ("int16", "int8", "fp32", "int8")
        mixed = {layer: cycle[number % 4] for number, layer in enumerate(possible)}
        return {
            "int8": {},
            **({"int8 dense": {}} if self.skipping else {}),
            "int16": {layer: "int16" for layer, precisions in possible.items() if "int16" in precisions},
            "fp32": dict.fromkeys(possible, "fp32"),
            "mixed": {
                layer: precision
                for layer, precision in mixed.items()
                if precision in possible[layer] and precision not in self.left_out
            },
        }

    def _layers(self, name: str, layers: dict[str, Precision]) -> _Measured | None:
        """Cycles of a network's layers and changes of precision; None, with the reason kept, where it does not fit."""
        from evbench.graph.hybrid import compose

        composition = compose(self.graph, layers, self.skipping)
        if name == "int8 dense":
            dense: dict[str, Mode] = dict.fromkeys(self.skipping, "int8 dense")
            composition = replace(composition, modes={**composition.modes, **dense})
        graph = self.graph if name == "int8" else _dense(self.graph) if name == "int8 dense" else None
        graph = graph or self.hybrids.graph(layers)
        if name not in self.journal.known:
            self.journal.add(name, self._cycles(graph))
        cycles = self.journal.known[name]
        if isinstance(cycles, str):
            self.left_out[name] = cycles
            return None
        changed: dict[tuple[Precision, Precision], list[float]] = {}
        for operator in graph.operators:
            if operator.kind == "Rescale":
                given, made = (graph.tensors[tensor] for tensor in (operator.inputs[0], operator.output))
                pair = _NAMES[given.dtype], _NAMES[made.dtype]
                changed.setdefault(pair, []).append(cycles[operator.name] / made.size)
        return _Measured(composition, cycles, {pair: float(np.mean(each)) for pair, each in changed.items()})

    def _cycles(self, graph: IntegerGraph) -> dict[str, int] | str:
        assert self.context.board is not None
        try:
            fitted = fit(graph, self.board, self.context.workspace)
        except DoesNotFitError as error:
            return error.what
        if fitted.misfit:
            return fitted.misfit
        session = self.context.board.flash(fitted.board, fitted.build)
        profile = session.profile(fitted.build, graph, self.profiled).to_json()
        return {layer["name"]: layer["cycles"] for layer in profile["layers"]}

    def _verified(self, point: Mapping[str, Any]) -> dict[str, Any]:
        from evbench.boards.execution import BoardExecution
        from evbench.jobs.comparison import workstation_executions
        from evbench.parity import compare
        from evbench.training.evaluate import accuracy

        assert self.context.board is not None
        layers = point["layers"]
        graph = self.hybrids.graph(layers) if layers else self.graph
        self.context.progress(0.92, "building and measuring the chosen network")
        fitted = fit(graph, self.board, self.context.workspace)
        if fitted.misfit:
            raise DoesNotFitError(fitted.misfit, where=self.board.id)
        session = self.context.board.flash(fitted.board, fitted.build)
        profile = measure(session, fitted.build, graph, self.profiled, lambda number, run: None)
        executions = workstation_executions(graph, None, self.context.workspace)
        executions += [self.hybrids.execution(layers), BoardExecution(session, fitted.build, graph)]
        report = compare(graph, executions, self.test.spread(_COMPARED).dense(slice(None))).to_json()
        tested = {
            name: accuracy(logits, self.test.labels, self.test.recording).window.to_json()
            for name, logits in (
                ("float", self.hybrids.float_logits(self.test)),
                ("int8", self.hybrids.logits({}, self.test)),
                ("chosen", self.hybrids.logits(layers, self.test)),
            )
        }
        return {
            "digest": graph.digest,
            "build_id": fitted.build.build_id,
            "total_cycles": profile["total_cycles"],
            "latency_ms": profile["latency_ms"],
            "modelled": profile["modelled"],
            "flash_bytes": fitted.build.flash_bytes,
            "ram_bytes": fitted.build.ram_bytes,
            "parity": {"passed": report["passed"], "windows": report["windows"], "pairs": report["pairs"]},
            "layers": profile["layers"],
            "test": tested,
        }


def _dense(graph: IntegerGraph) -> IntegerGraph:
    """The same network with every site said to be active, so that no layer skips."""
    from evbench.graph.activity import KEY
    from evbench.graph.model import Conv2d

    layers = {operator.name: [1.0, 1.0] for operator in graph.operators if isinstance(operator, Conv2d)}
    return replace(graph, metadata={**graph.metadata, KEY: json.dumps({"windows": 1, "layers": layers})})
