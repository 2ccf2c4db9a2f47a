"""The workbench's themes. Code and styles are written in the inks of the dark one; the others say what each becomes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from rich.color import Color as RichColor
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter
from textual.theme import Theme

from evbench.tui import inks

_PIXELS = "▀"

DARK = Theme(
    name="dark",
    primary=inks.ACTIVE,
    secondary="#785ef0",
    accent=inks.KEY,
    warning=inks.CAUTION,
    error=inks.BAD,
    success=inks.GOOD,
    foreground=inks.TEXT,
    background=inks.GROUND,
    surface=inks.GROUND,
    panel=inks.PANEL,
    dark=True,
)

TRANSLATIONS: Mapping[str, Mapping[str, str]] = {
    DARK.name: {},
    "light": {
        inks.TEXT: "#1c2230",
        inks.STRONG: "#000000",
        inks.QUIET: "#596176",
        inks.KEY: "#8f5a00",
        inks.ACTIVE: "#2f57cc",
        inks.GOOD: "#1b7548",
        inks.CAUTION: "#b04000",
        inks.BAD: "#c01a50",
        inks.STOPPED: "#7a3fd0",
        inks.TRACK: "#dde2ee",
        inks.CHOSEN: "#c3cff2",
        inks.SHOWN: "#f6e6c0",
        inks.FAINT: "#93a0bd",
        inks.EDGE: "#b4bccd",
        inks.GROUND: "#fcfcfe",
        inks.PANEL: "#e9ecf4",
    },
    "high contrast": {
        inks.TEXT: "#f5f5f5",
        inks.QUIET: "#d2d2d2",
        inks.GOOD: "#5cffa8",
        inks.CAUTION: "#ff9447",
        inks.BAD: "#ff8aae",
        inks.STOPPED: "#d2b8ff",
        inks.TRACK: "#454545",
        inks.CHOSEN: "#1d3fa8",
        inks.SHOWN: "#5c4700",
        inks.FAINT: "#a8a8a8",
        inks.EDGE: "#e0e0e0",
        inks.GROUND: "#000000",
        inks.PANEL: "#1c1c1c",
    },
}
"""What each theme makes of the inks; an ink that is not named stays as it is."""


def _translated(name: str, *, dark: bool) -> Theme:
    change = TRANSLATIONS[name]
    colours = {
        part: change.get(getattr(DARK, part), getattr(DARK, part))
        for part in ("primary", "accent", "warning", "error", "success", "foreground", "background", "surface", "panel")
    }
    return Theme(name=name, secondary=DARK.secondary, dark=dark, **colours)


THEMES: tuple[Theme, ...] = (DARK, _translated("light", dark=False), _translated("high contrast", dark=True))


class Inks(LineFilter):
    """Turns the inks of a drawn line into those of a theme. Pictures, which are half-blocks, stay as they are:
    the brightness of their pixels is a count."""

    def __init__(self, theme: str) -> None:
        change = TRANSLATIONS[theme]
        super().__init__(enabled=bool(change))
        self._change = {RichColor.parse(ink).get_truecolor(): RichColor.parse(new) for ink, new in change.items()}
        self._style = lru_cache(4096)(self._translate)

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        translate = self._style
        return [
            segment
            if segment.style is None or segment.text.startswith(_PIXELS)
            else Segment(segment.text, translate(segment.style), segment.control)
            for segment in segments
        ]

    def _translate(self, style: Style) -> Style:
        color, ground = self._ink(style.color), self._ink(style.bgcolor)
        return style if color is style.color and ground is style.bgcolor else style + Style(color=color, bgcolor=ground)

    def _ink(self, color: RichColor | None) -> RichColor | None:
        return color if color is None or color.triplet is None else self._change.get(color.triplet, color)
