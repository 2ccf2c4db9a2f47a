"""`evbench audit`: a model, an ONNX file or an untrained recipe against tables of what targets support."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evbench.errors import ModelError
from evbench.graph.audit import Layer, Target, audit, layers_of, load_target, target_names
from evbench.jobs.models import ONNX, label, open_model
from evbench.profiles import Recipe, load_recipe

if TYPE_CHECKING:
    from rich.console import RenderableType

UNTRAINED_CLASSES = 10
"""Logits of a recipe's network where its data is not at hand: their number decides about no operator."""

_STYLES = {"supported": "green", "float": "yellow", "fails": "bold red", "unknown": "magenta"}


def audit_targets(subject: str | None, names: Sequence[str]) -> dict[str, Any]:
    """Audit on the tables of `names` (all bundled ones where none is named); returns the JSON of `evbench audit`.

    `subject` is a model folder or graph file, an ONNX file, or a recipe by name or path, whose network is traced as it
    is made; None is the bundled model. `passed` says that no layer fails on any of the targets. Raises ModelError for
    what cannot be read or traced, ProfileError for an unknown recipe or target.
    """
    targets = [load_target(name) for name in names or target_names()]
    name, layers, refusal = _layers(subject)
    reports = [_report(target, layers, refusal if target.id == "evbench" else "") for target in targets]
    return {"subject": name, "targets": reports, "passed": all(report["passed"] for report in reports)}


def _layers(subject: str | None) -> tuple[str, list[Layer], str]:
    """The subject's name for people, its layers, and why evbench cannot import it, where that is so."""
    path = None if subject is None else Path(subject).expanduser()
    if path is not None and path.suffix == ONNX:
        from evbench.graph.audit_onnx import layers_of_file
        from evbench.graph.importer import import_onnx

        layers, refusal = layers_of_file(path), ""
        try:
            import_onnx(path)
        except ModelError as error:
            refusal = f"{error.what}: {error.where}"
        return path.name, layers, refusal
    if subject is not None and (path is None or path.suffix == ".toml" or not path.exists()):
        recipe = load_recipe(subject)
        return f"recipe {recipe.id}, {recipe.network.name}, untrained", _traced(recipe), ""
    model = open_model(path)
    return label(path), layers_of(model.graph), ""


def _traced(recipe: Recipe) -> list[Layer]:
    """The layers of a recipe's network; with precisions of their own they are those of the quantised network."""
    from evbench.networks.registry import create
    from evbench.quantize.survey import survey
    from evbench.training.untrained import untrained_graph

    channels = 2 * recipe.representation.bins
    if recipe.quantize.layers:
        shape = (channels, *recipe.representation.size)
        return layers_of(untrained_graph(recipe.network.name, shape, UNTRAINED_CLASSES, layers=recipe.quantize.layers))
    network = create(recipe.network.name, channels, UNTRAINED_CLASSES, recipe.representation.size)
    return survey(network, (channels, *recipe.representation.size))


def _report(target: Target, layers: Sequence[Layer], refusal: str) -> dict[str, Any]:
    findings = audit(layers, target)
    counts = Counter(str(finding.status) for finding in findings)
    used = {finding.source for finding in findings}
    return {
        "target": target.id,
        "name": target.target.name,
        "version": target.target.version,
        "layers": [finding.to_json() for finding in findings],
        "counts": {status: counts[status] for status in _STYLES},
        "refused": refusal,
        "sources": {name: source.model_dump() for name, source in target.sources.items() if name in used},
        "passed": counts["fails"] == 0 and not refusal,
    }


def audit_tables(report: dict[str, Any]) -> RenderableType:
    """One target's layers with their reasons, or several targets side by side with the reasons below."""
    from rich.console import Group
    from rich.text import Text

    targets = report["targets"]
    parts: list[RenderableType] = [Text(report["subject"], "bold")]
    parts.append(_detailed(targets[0]) if len(targets) == 1 else _side_by_side(targets))
    for target in targets:
        counts = ", ".join(f"{count} {status}" for status, count in target["counts"].items() if count)
        parts.append(Text(f"\n{target['name']} {target['version']}: {counts}", "bold"))
        if target["refused"]:
            parts.append(Text(f"  cannot be imported: {target['refused']}", "bold red"))
        if len(targets) > 1:
            parts += [Text(f"  {line}", _STYLES[status]) for line, status in _reasons(target)]
        for source in target["sources"].values():
            read = f", read {source['read']}" if source["read"] else ""
            parts.append(Text(f"  {source['title']} ({source['version']}{read}) {source['url']}".rstrip(), "dim"))
    return Group(*parts)


def _detailed(target: dict[str, Any]) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("layer", "operator", "types", "weights", "status", "there", "why and instead"):
        table.add_column(heading)
    for layer in target["layers"]:
        status = Text(layer["status"], _STYLES[layer["status"]])
        types = f"{' + '.join(layer['inputs'])} → {layer['output']}"
        table.add_row(
            layer["name"], layer["operator"], types, layer["weights"], status, layer["how"], _reason(layer) or ""
        )
    return table


def _side_by_side(targets: Sequence[dict[str, Any]]) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("layer", "operator", "types", *(target["target"] for target in targets)):
        table.add_column(heading)
    for rows in zip(*(target["layers"] for target in targets), strict=True):
        first = rows[0]
        marks = (Text(row["status"], _STYLES[row["status"]]) for row in rows)
        types = f"{' + '.join(first['inputs'])} → {first['output']}"
        table.add_row(first["name"], first["operator"], types, *marks)
    return table


def _reasons(target: dict[str, Any]) -> list[tuple[str, str]]:
    """What is not supported as it stands, once for all layers that share a reason."""
    shared: dict[tuple[str, str], list[str]] = {}
    for layer in target["layers"]:
        if layer["status"] != "supported":
            shared.setdefault((_reason(layer), layer["status"]), []).append(layer["name"])
    return [(f"{status}: {', '.join(names)}: {reason}", status) for (reason, status), names in shared.items()]


def _reason(layer: dict[str, Any]) -> str:
    instead = f"instead: {layer['instead']}" if layer["instead"] else ""
    return "; ".join(part for part in (layer["note"], instead) if part)
