"""The colour of every approach, the same on every pane, in every curve and in every table."""

from __future__ import annotations

from evbench.tui import inks

_COLOURS = {"fp32-frames": inks.GOOD, "fp32-voxel": inks.ACTIVE, "ptq-int8": "#b58cff", "qat-int8": inks.KEY}
_OTHERS = ("#56c5d0", "#d98fd6", "#c9b458", "#9aa7ff")


def approach_ink(approach: str) -> str:
    """The colour of an approach; those that a user adds have one that stays with their name."""
    return _COLOURS.get(approach) or _OTHERS[sum(approach.encode()) % len(_OTHERS)]


def faded(colour: str, share: float = 0.5) -> str:
    """A colour mixed with the ground; `share` is how much of it stays. Both as "#rrggbb"."""
    mixed = (
        round(int(colour[place : place + 2], 16) * share + int(inks.GROUND[place : place + 2], 16) * (1 - share))
        for place in (1, 3, 5)
    )
    return "#" + "".join(f"{part:02x}" for part in mixed)
