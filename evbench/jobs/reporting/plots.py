"""Plots of a report as SVG, to stand inside an HTML page: no scripts, no fonts, nothing from elsewhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any

from evbench.jobs.display import approach_name, model_size, percent
from evbench.jobs.reporting.content import claim_of
from evbench.jobs.reporting.table import latency_text, round_size

COLOURS = {"fp32-frames": "#2f9e6e", "fp32-voxel": "#4a74e8", "ptq-int8": "#8b5fd6", "qat-int8": "#d98a00"}
"""As in the workbench, darker: the page is white."""

_OTHER = "#666666"
_WIDTH, _LABEL, _ROW, _VALUE = 640, 110, 34, 120
_AXIS = "#999999"
_CLAIM = "#444444"


def colour_of(approach: str) -> str:
    """The colour of an approach."""
    return COLOURS.get(approach, _OTHER)


def accuracy_plot(content: dict[str, Any]) -> str:
    """Accuracy per test window with its interval as a dot and a line, and what is claimed as a diamond."""
    low = min(
        [row["accuracy_window_ci95"][0] for row in content["rows"]] + [claim["accuracy"] for claim in content["claims"]]
    )
    first = math.floor(low * 10) / 10
    across = _Across(first, 1.0)
    parts = _ticks([first + step / 10 for step in range(round((1 - first) * 10) + 1)], across, percent, content)
    for number, row in enumerate(content["rows"]):
        y, colour = _middle(number), colour_of(row["approach"])
        bottom, top = (across(bound) for bound in row["accuracy_window_ci95"])
        value = across(row["accuracy_window"])
        parts.append(_name(row["approach"], y))
        parts.append(f'<line x1="{bottom:.1f}" x2="{top:.1f}" y1="{y}" y2="{y}" stroke="{colour}" stroke-width="3"/>')
        parts.append(f'<circle cx="{value:.1f}" cy="{y}" r="5" fill="{colour}"/>')
        if claim := claim_of(content, row["approach"]):
            parts.append(_diamond(across(claim["accuracy"]), y))
        parts.append(_text(_WIDTH - 4, y + 4, percent(row["accuracy_window"]), "end"))
    return _svg(parts, len(content["rows"]), "accuracy per test window, with 95 % intervals")


def latency_plot(content: dict[str, Any]) -> str:
    """Latencies on a logarithmic axis; what is claimed as a diamond."""
    values = {row["approach"]: row["latency_ms"] for row in content["rows"]}
    return _bars(content, values, "latency_ms", latency_text, lambda value: f"{value:g} ms", "latency")


def size_plot(content: dict[str, Any]) -> str:
    """Sizes of the models on a logarithmic axis; what is claimed as a diamond."""
    values = {row["approach"]: row["model_bytes"] for row in content["rows"]}
    return _bars(content, values, "model_bytes", model_size, round_size, "size of the model")


def layers_plot(content: dict[str, Any], approach: str) -> str:
    """Cycles of each layer of one approach's profile run."""
    layers: list[dict[str, Any]] = content["layers"][approach]
    most = max((layer["cycles"] for layer in layers), default=1) or 1
    across = _Across(0.0, float(most), label=200)
    parts = []
    for number, layer in enumerate(layers):
        y = 10 + 20 * number
        width = across(layer["cycles"]) - across(0.0)
        parts.append(_text(196, y + 12, layer["name"], "end"))
        parts.append(_bar(across(0.0), y, max(width, 1.0), 15, approach))
        parts.append(_text(_WIDTH - 4, y + 12, f"{layer['cycles']:,}", "end"))
    height = 20 * len(layers) + 20
    return _frame(parts, height, f"cycles per layer of {approach_name(approach)}")


def history_plot(content: dict[str, Any]) -> str:
    """Accuracy on validation over epochs, a line per approach."""
    history: dict[str, list[dict[str, Any]]] = content["history"]
    curves = {
        name: [(entry["epoch"], entry["validation_accuracy"]) for entry in entries if "validation_accuracy" in entry]
        for name, entries in history.items()
    }
    last = max((x for points in curves.values() for x, _ in points), default=1)
    low = math.floor(min((y for points in curves.values() for _, y in points), default=0.0) * 10) / 10
    across, height = _Across(0.0, float(last), value=20), 240

    def up(share: float) -> float:
        return height - 30 - (height - 50) * (share - low) / (1 - low or 1)

    parts = []
    for step in range(round((1 - low) * 10) + 1):
        y = up(low + step / 10)
        parts.append(f'<line x1="{_LABEL}" x2="{_WIDTH - 20}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e4e4e4"/>')
        parts.append(_text(_LABEL - 8, y + 4, f"{100 * (low + step / 10):.0f} %", "end"))
    for epoch in range(0, last + 1, max(1, round(last / 8))):
        parts.append(_text(across(epoch), height - 10, str(epoch), "middle"))
    for number, (name, points) in enumerate(curves.items()):
        line = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour_of(name)}" stroke-width="2"/>')
        parts += [f'<circle cx="{across(x):.1f}" cy="{up(y):.1f}" r="3" fill="{colour_of(name)}"/>' for x, y in points]
        parts.append(_text(_LABEL + 10 + 130 * number, 14, f"● {approach_name(name)}", "start", colour_of(name)))
    return _frame(parts, height, "accuracy on validation over epochs")


class _Across:
    """Turns values into places from left to right."""

    def __init__(self, low: float, high: float, label: int = _LABEL, value: int = _VALUE) -> None:
        self._low, self._span = low, (high - low) or 1.0
        self._left, self._width = label + 4, _WIDTH - label - value

    def __call__(self, value: float) -> float:
        return self._left + self._width * (value - self._low) / self._span


def _bars(content: dict[str, Any], values: dict[str, float], claimed: str, write: Any, tick: Any, title: str) -> str:
    everything = [*values.values(), *(claim[claimed] for claim in content["claims"])]
    low, high = math.floor(math.log10(min(everything))), math.ceil(math.log10(max(everything)))
    across = _Across(float(low), float(max(high, low + 1)))
    powers = [float(power) for power in range(low, max(high, low + 1) + 1)]
    parts = _ticks(powers, across, lambda power: tick(10**power), content)
    for number, (approach, value) in enumerate(values.items()):
        y = _middle(number)
        width = across(math.log10(value)) - across(float(low))
        parts.append(_name(approach, y))
        parts.append(_bar(across(float(low)), y - 9, width, 18, approach))
        if claim := claim_of(content, approach):
            parts.append(_diamond(across(math.log10(claim[claimed])), y))
        parts.append(_text(_WIDTH - 4, y + 4, write(value), "end"))
    return _svg(parts, len(values), title)


def _ticks(places: Sequence[float], across: _Across, write: Any, content: dict[str, Any]) -> list[str]:
    bottom = 10 + _ROW * len(content["rows"])
    parts = []
    for place in places:
        x = across(place)
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="6" y2="{bottom}" stroke="#e4e4e4"/>')
        parts.append(_text(x, bottom + 14, write(place), "middle", _AXIS))
    return parts


def _middle(number: int) -> int:
    return 10 + _ROW * number + _ROW // 2


def _name(approach: str, y: int) -> str:
    return _text(_LABEL - 6, y + 4, approach_name(approach), "end")


def _bar(x: float, y: int, width: float, height: int, approach: str) -> str:
    fill = colour_of(approach)
    return f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{height}" fill="{fill}"/>'


def _diamond(x: float, y: int) -> str:
    return f'<path d="M{x:.1f} {y - 7}l7 7l-7 7l-7 -7z" fill="#ffffff" stroke="{_CLAIM}" stroke-width="1.5"/>'


def _text(x: float, y: float, words: str, anchor: str, colour: str = "#222222") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(words)}</text>'


def _svg(parts: Sequence[str], rows: int, title: str) -> str:
    return _frame(parts, 10 + _ROW * rows + 26, title)


def _frame(parts: Sequence[str], height: int, title: str) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        f'role="img" font-family="sans-serif" font-size="12"><title>{escape(title)}</title>'
    )
    return "\n".join([head, *parts, "</svg>"])
