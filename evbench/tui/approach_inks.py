"""The colour of every approach, the same on every pane, in every curve and in every table."""

from __future__ import annotations

from evbench.tui import inks
from evbench.tui.themes import TRANSLATIONS

_COLOURS = {
    "fp32-frames": inks.GOOD,
    "fp32-voxel": inks.ACTIVE,
    "ptq-int8": inks.STOPPED,
    "qat-int8": inks.KEY,
}
_OTHERS = (inks.BAD, inks.CAUTION, inks.TEXT)


def approach_ink(approach: str) -> str:
    """The colour of an approach; those that a user adds have one that stays with their name."""
    return _COLOURS.get(approach) or _OTHERS[sum(approach.encode()) % len(_OTHERS)]


def faded(ink: str, share: float, theme: str) -> str:
    """An ink as `theme` has it, mixed with the theme's ground; `share` is how much of it stays. All as "#rrggbb"."""
    change = TRANSLATIONS.get(theme, {})
    colour, ground = change.get(ink, ink), change.get(inks.GROUND, inks.GROUND)
    mixed = (
        round(int(colour[place : place + 2], 16) * share + int(ground[place : place + 2], 16) * (1 - share))
        for place in (1, 3, 5)
    )
    return "#" + "".join(f"{part:02x}" for part in mixed)
