"""The tables of `evbench build`: memory per region, per layer, and the stack."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

_BAR_WIDTH = 20


def memory_table(result: dict[str, Any]) -> RenderableType:
    """What a build takes of its board's memory, from the JSON of `evbench build`; sizes in bytes."""
    regions = _table(f"memory of {result['board']}, {result['toolchain']}", "region", "used", "of", "", "share", "what")
    for region in result["regions"]:
        if not region["used"]:
            continue
        share = region["used"] / region["size"]
        regions.add_row(
            region["name"],
            f"{region['used']:,}",
            f"{region['size']:,}",
            f"{100 * share:.0f} %",
            Text("█" * max(1, round(_BAR_WIDTH * min(share, 1))), "#FFB000" if share < 0.9 else "#FF5C8A"),
            ", ".join(f"{part} {count:,}" for part, count in region["parts"].items()),
        )
    layers = _table("layers", "", "layer", "kernel", "constants", "code", "activations", "output", "in", "scratch")
    for number, layer in enumerate(result["layers"]):
        sizes = [f"{layer[key]:,}" for key in ("constants", "code", "activations", "output")]
        layers.add_row(str(number), layer["name"], layer["kernel"], *sizes, layer["region"], f"{layer['scratch']:,}")
    choices: list[tuple[str, str]] = []
    for choice, same in groupby(enumerate(result["layers"]), key=lambda entry: str(entry[1]["choice"])):
        first, *others = (number for number, _ in same)
        choices.append((f"{first}–{others[-1]}" if others else str(first), choice))
    halves = {layer["name"]: layer["saved"] for layer in result["layers"] if layer["saved"]}
    stored = Text(f"weights in half precision save {sum(halves.values()):,} bytes of flash: {', '.join(halves)}")
    stack = result["stack"]
    return Group(
        regions,
        Text(),
        layers,
        Text("Layers of one kernel share its code; activations are what is held at once while a layer runs.", "dim"),
        Text("The arena holds activations and, where none are held meanwhile, a layer's scratch.", "dim"),
        *([stored] if halves else []),
        Text(),
        *(Text(f"{numbers}  {choice}") for numbers, choice in choices),
        Text(),
        Text(
            f"stack {stack['bytes']:,} of {result['stack_reserved']:,} bytes at most, "
            f"the deepest path is {' → '.join(stack['path'])}, and {stack['exception']} on top of it"
        ),
    )


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, header_style="dim")
    words = ("region", "layer", "kernel", "in", "share", "what")
    for heading in headings:
        table.add_column(heading, justify="left" if heading in words else "right")
    return table
