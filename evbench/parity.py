"""Parity: how far executions of one network are apart, layer by layer, and whether that is allowed.

Integer executions (reference, ort, host, board) must agree on every byte and on every bit of the logits. Float
executions (torch, ort-float, onnx-file) add in another order, so a value that lies on a rounding tie, k + 1/2, may go
either way. Whatever a layer makes different by itself, given the float execution's own inputs, must be shown to be such
a tie: its value before rounding, computed in float64, lies next to k + 1/2 within the rounding errors of float32, and
the results are the two neighbours. At most one element in 10,000 may be a tie; on 16-bit grids, whose steps are 256
times finer beside the same rounding errors, 256 times as many. What later layers make of a tie is inherited: it
vanishes when they are run again on equal inputs. It can exceed 1 LSB, is reported, and is bounded through the logits:
within 0.01 on equal inputs, and within 0.05 end to end where ties were shown.

Where integer layers stand beside float ones, ONNX Runtime adds the latter in an order of its own, so ort is a float
execution there; the other integer executions share one order and must still agree on every bit. What two orders make of
a float sum may lie on both sides of a rounding tie where it meets a grid again; that is a tie as well.

Where executions differ more than they may, the first differing layer is named with its worst element, and the fault
that explains it where graph/faults.py knows one. Two executions are reported and not judged: ort-uint8 is ONNX Runtime
as it comes, whose sums saturate on an x86 CPU without VNNI; tflite-micro is a peer, which rounds twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from evbench.errors import ModelError
from evbench.graph.execute import execute, run_operator
from evbench.graph.faults import Fault, recognise
from evbench.graph.model import DType, IntegerGraph, Operator, Rescale
from evbench.graph.rounding import rounding_point

FLOAT_EXECUTIONS = frozenset({"torch", "ort-float", "fake-quant", "onnx-file"})
UNJUDGED = frozenset({"ort-uint8", "tflite-micro"})
LOGIT_TOLERANCE = 0.01  # float executions, given equal inputs of the last layer or no tie before it
INHERITED_LOGIT_TOLERANCE = 0.05  # float executions end to end, behind ties
TIE_SHARE = 1e-4  # of the integer elements
WIDE_TIES = 2**8  # how many 8-bit elements a 16-bit one counts for in that
FLOAT_SUMS_APART = (
    2.0**-18
)  # of the largest: how far two orders of addition may bring a float sum to either side of a tie
LARGEST_FLOAT = float(np.finfo(np.float32).max)  # stands for a deviation from NaN or infinity, which JSON cannot hold

Tensors = Mapping[str, NDArray[Any]]


def float_executions(mixed: bool) -> frozenset[str]:
    """Executions that add in an order of their own, of networks with integer and float layers when `mixed`."""
    return FLOAT_EXECUTIONS | {"ort", "ort-uint8"} if mixed else FLOAT_EXECUTIONS


class Execution(Protocol):
    """Something that runs the network: windows [N, C, H, W], uint8, to tensors [N, ...] by name, in stored dtypes."""

    @property
    def name(self) -> str: ...

    def run(self, batch: NDArray[np.uint8]) -> dict[str, NDArray[Any]]: ...


@dataclass(frozen=True, slots=True)
class ReferenceExecution:
    """The NumPy executor as an execution."""

    graph: IntegerGraph
    name: str = "reference"

    def run(self, batch: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        return execute(self.graph, batch)


@dataclass(frozen=True, slots=True)
class Worst:
    """The largest difference in the first layer that differs: window, position (C, H, W), and both stored values."""

    layer: str
    window: int
    position: tuple[int, ...]
    a: float
    b: float


@dataclass(frozen=True, slots=True)
class Pair:
    """Two executions compared. Counts are of elements of integer tensors, deviations of logits are absolute.

    max_lsb and differing compare the executions end to end. For float executions the rest says where that comes from:
    ties, of which the farthest lies `tie_distance` LSB from k + 1/2; inherited: differing because of an earlier tie;
    unexplained: neither. `own_max_lsb` and `own_logit_deviation` are the largest differences made by one layer.
    fault: what explains the difference in the first differing layer, in the execution `faulty`. mixed: whether
    the network has integer and float layers; wide_elements: how many elements have 16 bits.
    """

    a: str
    b: str
    elements: int
    differing: int
    max_lsb: int
    max_logit_deviation: float
    equal_logits: bool
    worst: Worst | None
    ties: int = 0
    inherited: int = 0
    unexplained: int = 0
    tie_distance: float = 0.0
    own_max_lsb: int = 0
    own_logit_deviation: float = 0.0
    fault: Fault | None = None
    faulty: str = ""
    mixed: bool = False
    wide_elements: int = 0

    @property
    def first_differing_layer(self) -> str | None:
        return self.worst.layer if self.worst else None

    @property
    def exact(self) -> bool:
        """Whether the pair must agree on every bit."""
        return not {self.a, self.b} & float_executions(self.mixed)

    @property
    def judged(self) -> bool:
        """Whether the pair has to agree at all."""
        return not {self.a, self.b} & UNJUDGED

    def passes(self, float_network: bool) -> bool:
        """Whether the differences are allowed; float32 networks are judged by their logits alone."""
        if not self.judged:
            return True
        close = self.max_logit_deviation <= LOGIT_TOLERANCE
        if float_network:
            return close
        if self.exact:
            return self.differing == 0 and self.equal_logits
        inherited = self.ties > 0 and self.max_logit_deviation <= INHERITED_LOGIT_TOLERANCE
        logits = self.own_logit_deviation <= LOGIT_TOLERANCE and (close or inherited)
        allowed = TIE_SHARE * (self.elements + (WIDE_TIES - 1) * self.wide_elements)
        return logits and self.unexplained == 0 and self.ties <= allowed


@dataclass(frozen=True, slots=True)
class ParityReport:
    """All pairs over all windows."""

    windows: int
    pairs: tuple[Pair, ...]
    float_network: bool = False

    @property
    def passed(self) -> bool:
        return all(pair.passes(self.float_network) for pair in self.pairs)

    def to_json(self) -> dict[str, Any]:
        return {
            "windows": self.windows,
            "pairs": [
                {
                    "a": pair.a,
                    "b": pair.b,
                    "max_lsb": pair.max_lsb,
                    "max_logit_deviation": pair.max_logit_deviation,
                    "first_differing_layer": pair.first_differing_layer,
                    "worst_element": _worst_json(pair.worst),
                    "elements": pair.elements,
                    "differing": pair.differing,
                    "own_max_lsb": pair.own_max_lsb,
                    "own_logit_deviation": pair.own_logit_deviation,
                    "ties": pair.ties,
                    "inherited": pair.inherited,
                    "unexplained": pair.unexplained,
                    "tie_distance_lsb": pair.tie_distance,
                    "fault": pair.fault and {**asdict(pair.fault), "execution": pair.faulty},
                    "judged": pair.judged,
                    "passed": pair.passes(self.float_network),
                }
                for pair in self.pairs
            ],
            "passed": self.passed,
        }


def compare(
    graph: IntegerGraph,
    executions: Sequence[Execution],
    batch: NDArray[np.uint8],
    *,
    at_once: int = 16,
    on_windows: Callable[[int], None] | None = None,
) -> ParityReport:
    """Run all executions on windows [N, C, H, W], uint8, and compare the first of them with every other.

    `at_once` windows are held in memory together; `on_windows` hears how many are done. Raises ModelError when there is
    nothing to compare or an execution returns tensors of another shape.
    """
    if len(executions) < 2 or not len(batch):
        raise ModelError(
            f"There is nothing to compare: {len(executions)} executions, {len(batch)} windows",
            remedy="Take at least two executions and one window",
        )
    first, *others = executions
    tallies = [_Tally(graph, first.name, other.name) for other in others]
    for start in range(0, len(batch), at_once):
        windows = batch[start : start + at_once]
        baseline = first.run(windows)
        for tally, other in zip(tallies, others, strict=True):
            tally.add(start, baseline, other.run(windows))
        if on_windows is not None:
            on_windows(start + len(windows))
    return ParityReport(len(batch), tuple(tally.pair() for tally in tallies), graph.is_float)


class _Tally:
    """Differences of one pair, summed up batch by batch."""

    def __init__(self, graph: IntegerGraph, a: str, b: str) -> None:
        self.graph = graph
        self.names = (a, b)
        self.mixed = graph.has_float_layers and not graph.is_float
        self.float_executions = float_executions(self.mixed)
        self.exact = not {a, b} & self.float_executions
        self.elements = self.wide_elements = self.differing = self.max_lsb = self.own_max_lsb = 0
        self.ties = self.inherited = self.unexplained = 0
        self.deviation = self.own_deviation = self.tie_distance = 0.0
        self.equal_logits = True
        self.worst: tuple[int, float, Worst] | None = None
        self.first: tuple[int, Operator, tuple[Tensors, Tensors]] | None = None

    def pair(self) -> Pair:
        fault, faulty = self._fault()
        return Pair(
            *self.names,
            elements=self.elements,
            differing=self.differing,
            max_lsb=self.max_lsb,
            max_logit_deviation=self.deviation,
            equal_logits=self.equal_logits,
            worst=self.worst[2] if self.worst else None,
            ties=self.ties,
            inherited=self.inherited,
            unexplained=self.unexplained,
            tie_distance=self.tie_distance,
            own_max_lsb=self.max_lsb if self.exact else self.own_max_lsb,
            own_logit_deviation=self.deviation if self.exact else self.own_deviation,
            fault=fault,
            faulty=faulty,
            mixed=self.mixed,
            wide_elements=self.wide_elements,
        )

    def _fault(self) -> tuple[Fault | None, str]:
        """What explains the first differing layer, and in which execution; nothing for ties and float networks."""
        if self.first is None or self.graph.is_float or not (self.exact or self.unexplained):
            return None, ""
        _, operator, (a, b) = self.first
        for name, values in zip(reversed(self.names), (b, a), strict=True):
            if all(source in values for source in operator.inputs):
                inputs = [values[source] for source in operator.inputs]
                fault = recognise(self.graph, operator, inputs, values[operator.output])
                if fault is not None:
                    return fault, name
        return None, ""

    def add(self, start: int, a: Tensors, b: Tensors) -> None:
        """Compare all tensors of some windows, the first of which has number `start`."""
        for name in self.graph.outputs:
            if name not in a or name not in b:
                raise ModelError(f"An execution gives no '{name}'", where=f"{self.names[0]} and {self.names[1]}")
        for step, operator in enumerate(self.graph.operators):
            name = operator.output
            if name not in a or name not in b:
                continue
            if a[name].shape != b[name].shape or a[name].dtype != b[name].dtype:
                raise ModelError(
                    f"'{name}' is {a[name].dtype} {a[name].shape} in {self.names[0]}, "
                    f"{b[name].dtype} {b[name].shape} in {self.names[1]}",
                    where=f"layer '{operator.name}'",
                )
            if self.graph.tensors[name].dtype.is_float:
                self._floats(step, operator, start, a, b)
                if name in self.graph.outputs and not self.exact and not self.graph.is_float:
                    self._own_logits(operator, a, b)
            else:
                self._integers(step, operator, start, a, b)

    def _integers(self, step: int, operator: Operator, start: int, a: Tensors, b: Tensors) -> None:
        name = operator.output
        distance = np.abs(a[name].astype(np.int32) - b[name].astype(np.int32))
        count = int(np.count_nonzero(distance))
        self.elements += distance.size
        self.wide_elements += distance.size if self.graph.tensors[name].dtype is DType.S16 else 0
        self.differing += count
        if count:
            self.max_lsb = max(self.max_lsb, int(distance.max()))
            self._note(step, operator, start, distance, a, b)
        if not self.exact:
            self._explain(operator, a, b, distance > 0)

    def _floats(self, step: int, operator: Operator, start: int, a: Tensors, b: Tensors) -> None:
        left, right = a[operator.output], b[operator.output]
        with np.errstate(all="ignore"):
            distance = np.abs(left.astype(np.float64) - right)
        distance = np.where(left == right, 0.0, np.where(np.isfinite(distance), distance, LARGEST_FLOAT))
        largest = float(distance.max())
        if operator.output in self.graph.outputs:
            self.deviation = max(self.deviation, largest)
            self.equal_logits &= largest == 0
        close = LOGIT_TOLERANCE if self.graph.is_float or not self.exact else 0.0
        if operator.output not in self.graph.outputs:
            close *= max(1.0, float(np.abs(left).max()))
        if largest > close:
            self._note(step, operator, start, distance, a, b)

    def _own_logits(self, operator: Operator, a: Tensors, b: Tensors) -> None:
        """How far the float execution's logits are from the reference's, both computed from the former's inputs."""
        source = a if self.names[0] in self.float_executions else b
        expected = run_operator(self.graph, operator, [source[name] for name in operator.inputs])
        with np.errstate(all="ignore"):
            distance = np.abs(source[operator.output].astype(np.float64) - expected)
        largest = float(distance.max())
        self.own_deviation = max(self.own_deviation, largest if np.isfinite(largest) else LARGEST_FLOAT)

    def _note(self, step: int, operator: Operator, start: int, distance: NDArray[Any], a: Tensors, b: Tensors) -> None:
        """Remember the farthest element of the first layer that differs, and the layer's tensors of these windows."""
        window, *position = (int(index) for index in np.unravel_index(int(distance.argmax()), distance.shape))
        size = float(distance.max())
        if self.worst is None or (step, -size) < (self.worst[0], -self.worst[1]):
            values = (float(run[operator.output][(window, *position)]) for run in (a, b))
            self.worst = (step, size, Worst(operator.name, start + window, tuple(position), *values))
            names = (*operator.inputs, operator.output)
            runs = ({name: run[name] for name in names if name in run} for run in (a, b))
            self.first = (step, operator, (next(runs), next(runs)))

    def _explain(self, operator: Operator, a: Tensors, b: Tensors, differs: NDArray[np.bool_]) -> None:
        """Split what differs into ties of this layer, differences inherited from its inputs, and what is neither."""
        if any(name not in b or name not in a for name in operator.inputs):
            self.unexplained += int(differs.sum())
            return
        changed = [(a[name] != b[name]).reshape(len(differs), -1).any(axis=1) for name in operator.inputs]
        rows = np.flatnonzero(np.logical_or.reduce([differs.reshape(len(differs), -1).any(axis=1), *changed]))
        if not len(rows):
            return
        float_run, sources = (a, b[operator.output]), [b[name][rows] for name in operator.inputs]
        if self.names[0] in self.float_executions:
            float_run, sources = (b, a[operator.output]), [a[name][rows] for name in operator.inputs]
        got = float_run[1][rows]
        expected = run_operator(self.graph, operator, sources)
        own = got != expected
        inherited = differs[rows] & ~own
        if isinstance(operator, Rescale) and self.graph.tensors[operator.inputs[0]].dtype.is_float:
            sums = np.abs(a[operator.inputs[0]][rows].astype(np.float64) - b[operator.inputs[0]][rows])
            straddled = inherited & (sums <= FLOAT_SUMS_APART * np.abs(a[operator.inputs[0]][rows]).max())
            self.ties += int(straddled.sum())
            inherited &= ~straddled
        self.inherited += int(inherited.sum())
        if not own.any():
            return
        step = np.abs(got[own].astype(np.int32) - expected[own].astype(np.int32))
        self.own_max_lsb = max(self.own_max_lsb, int(step.max()))
        point = rounding_point(self.graph, operator, sources)
        if point is None:
            self.unexplained += int(own.sum())
            return
        value, tolerance = (part[own] for part in point)
        half = np.floor(value) + 0.5
        zero = self.graph.tensors[operator.output].zero_point
        between = np.minimum(got[own], expected[own]).astype(np.float64) - zero == np.floor(value)
        distance = np.abs(value - half)
        ties = between & (step == 1) & (distance <= tolerance)
        self.ties += int(ties.sum())
        self.unexplained += int((~ties).sum())
        self.tie_distance = max(self.tie_distance, float(distance[ties].max(initial=0.0)))


def _worst_json(worst: Worst | None) -> dict[str, Any] | None:
    if worst is None:
        return None
    values = {key: value if np.isfinite(value) else None for key, value in (("a", worst.a), ("b", worst.b))}
    return {"window": worst.window, "position": list(worst.position), **values}
