"""A model in another runtime, layer by layer: how far it is from the reference, and what arithmetic explains that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from evbench.errors import ModelError
from evbench.graph.execute import execute, real_grid, run_operator
from evbench.graph.fixed_point import bits_between, fixed_point_output
from evbench.graph.tflite_micro import NAME, TfliteMicro
from evbench.jobs.display import parity_table

if TYPE_CHECKING:
    from evbench.graph.model import IntegerGraph, Operator

PEERS = (NAME,)


@dataclass(slots=True)
class PeerLayer:
    """One layer in the peer's runtime.

    elements, differing, max_lsb: against the reference, end to end; own, own_max_lsb: what the layer makes different by
    itself, against the reference on the peer's own inputs; explained: how many of `own` fixed-point requantisation with
    two roundings gives bit for bit, None where that is not described; bits: the fewest between the two roundings.
    """

    layer: str
    kind: str
    elements: int = 0
    differing: int = 0
    max_lsb: int = 0
    own: int = 0
    own_max_lsb: int = 0
    explained: int | None = None
    bits: int | None = None

    @property
    def why(self) -> str:
        """What makes the difference, from the figures alone."""
        if not self.differing and not self.own:
            return "equal"
        if not self.own:
            return "inherited from the layers before"
        if self.explained is None:
            return "this layer's arithmetic is not described here"
        if self.explained == self.own:
            return f"fixed-point multiplier, rounded twice, {self.bits} bits apart: every element shown"
        return f"rounded twice in {self.explained} of {self.own}; the rest is unexplained"


def open_peer(name: str, graph: IntegerGraph, batch: NDArray[np.uint8]) -> TfliteMicro:
    """The peer's runtime with the network in it, its 8-bit logits wide enough for the windows [N, C, H, W] of `batch`.

    Raises ModelError for a peer that is not known or not installed, or for a network it cannot run.
    """
    check_peer(name)
    logits = execute(graph, batch)[graph.outputs[0]]
    return TfliteMicro(graph, float(np.abs(logits).max()))


def check_peer(name: str) -> None:
    """Raise ModelError where there is no such peer."""
    if name not in PEERS:
        raise ModelError(
            f'There is no peer called "{name}"', where=f"Known: {', '.join(PEERS)}", remedy="Choose one of these"
        )


def peer_report(graph: IntegerGraph, peer: TfliteMicro, batch: NDArray[np.uint8]) -> dict[str, Any]:
    """Every layer on windows [N, C, H, W] in the peer's runtime: "peer" in the JSON of `evbench parity`."""
    layers = [PeerLayer(operator.name, operator.kind) for operator in graph.operators]
    expected, found = execute(graph, batch), peer.run(batch)
    for layer, operator in zip(layers, graph.operators, strict=True):
        if not graph.tensors[operator.output].dtype.is_float:
            inputs = [found[name] for name in operator.inputs]
            _measure(layer, graph, operator, inputs, expected[operator.output], found[operator.output])
    output = graph.tensors[graph.outputs[0]]
    logits = [real_grid(values[output.name], output, scaled=True) for values in (expected, found)]
    same = (logits[0].argmax(axis=1) == logits[1].argmax(axis=1)).reshape(len(batch), -1).all(axis=1)
    return {
        "name": peer.name,
        "version": peer.version,
        "bytes": len(peer.model.content),
        "windows": len(batch),
        "layers": [{**asdict(layer), "why": layer.why} for layer in layers if layer.elements],
        "logit_step": peer.model.logit_scale if output.dtype.is_float else output.scale,
        "max_logit_deviation": float(np.abs(logits[0].astype(np.float64) - logits[1]).max()),
        "same_class": float(same.mean()),
    }


def _measure(
    layer: PeerLayer,
    graph: IntegerGraph,
    operator: Operator,
    inputs: list[NDArray[Any]],
    expected: NDArray[Any],
    found: NDArray[Any],
) -> None:
    distance = _distance(expected, found)
    layer.elements, layer.differing, layer.max_lsb = distance.size, int((distance > 0).sum()), int(distance.max())
    own = _distance(run_operator(graph, operator, inputs), found)
    layer.own, layer.own_max_lsb = int((own > 0).sum()), int(own.max())
    twice = fixed_point_output(graph, operator, inputs)
    if twice is not None:
        layer.explained = int(((own > 0) & (twice == found)).sum())
        layer.bits = bits_between(graph, operator)


def _distance(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.int32]:
    return np.asarray(np.abs(a.astype(np.int32) - b.astype(np.int32)))


def parity_with_peer(report: dict[str, Any]) -> RenderableType:
    """What `evbench parity` says of executions that are judged, and below it the peer's layers."""
    return Group(parity_table(report), Text(""), peer_table(report["peer"]))


def peer_table(report: dict[str, Any]) -> RenderableType:
    """The peer's layers for people."""
    table = Table(
        title=f"{report['name']} {report['version']}, a peer: its differences are reported and not judged",
        title_justify="left",
        title_style="bold",
        box=None,
        pad_edge=False,
        header_style="dim",
        caption=_about_logits(report),
        caption_justify="left",
    )
    table.add_column("layer")
    for heading in ("elements", "differing", "largest, LSB", "by itself", "LSB"):
        table.add_column(heading, justify="right")
    table.add_column("why")
    layers: Sequence[dict[str, Any]] = report["layers"]
    for layer in layers:
        counts = (f"{layer[key]:,}" for key in ("elements", "differing", "max_lsb", "own", "own_max_lsb"))
        table.add_row(layer["layer"], *counts, layer["why"])
    return table


def _about_logits(report: dict[str, Any]) -> str:
    return (
        f"Logits have 8 bits there, in steps of {report['logit_step']:.4f}; they lie up to "
        f"{report['max_logit_deviation']:.4f} apart, and {100 * report['same_class']:.0f} % of {report['windows']} "
        f"windows get the same class. The .tflite file has {report['bytes']:,} bytes."
    )
