"""The screen as a PNG: every cell in its place, in a typeface that comes along, the same on every machine."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

from fontpkg_fira_code import ROOT
from PIL import Image, ImageDraw, ImageFont
from rich.cells import cell_len
from rich.style import Style
from textual.strip import Strip

_CELL_W, _CELL_H = 12, 24
_SIZE = 20
_REGULAR, _BOLD = 400, 700
_DIM = 0.6
_EIGHTHS_UP = " ▁▂▃▄▅▆▇█"
_EIGHTHS_RIGHT = " ▏▎▍▌▋▊▉█"
_QUADRANTS = {
    "▖": (2,),
    "▗": (3,),
    "▘": (0,),
    "▝": (1,),
    "▚": (0, 3),
    "▞": (1, 2),
    "▙": (0, 2, 3),
    "▛": (0, 1, 2),
    "▜": (0, 1, 3),
    "▟": (1, 2, 3),
}
"""Which quarters are filled: upper left, upper right, lower left, lower right."""
_BRAILLE = 0x2800
_BRAILLE_DOTS = ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3))
"""(column, row) of the dot that each bit of a braille pattern stands for, Unicode 2800."""

_NEAREST = str.maketrans({"✗": "×", "⚠": "!", "↺": "⟲", "▸": "▶"})
"""For characters that the typeface lacks, the most similar ones that it has."""

Colour = tuple[int, int, int]


def draw_screen(lines: Sequence[Strip], ink: Colour, ground: Colour) -> bytes:
    """Lines of a screen as a PNG, 12 x 24 pixels a cell; `ink` and `ground` stand where a cell names no colours."""
    width = max((line.cell_length for line in lines), default=1)
    image = Image.new("RGB", (width * _CELL_W, max(len(lines), 1) * _CELL_H), ground)
    painter = _Painter(ImageDraw.Draw(image))
    for number, line in enumerate(lines):
        column = 0
        for text, style, control in line:
            if control:
                continue
            fore, back = _colours(style or Style.null(), ink, ground)
            painter.ground(column, number, cell_len(text), back)
            for character in text:
                if character != " ":
                    painter.character(character, column, number, fore, bool(style and style.bold))
                column += cell_len(character)
            if style and style.underline:
                painter.underline(column - cell_len(text), column, number, fore)
    data = BytesIO()
    image.save(data, "PNG", optimize=True)
    return data.getvalue()


class _Painter:
    """Draws cells: blocks and braille as shapes that meet their neighbours, all else as letters."""

    def __init__(self, draw: ImageDraw.ImageDraw) -> None:
        self._draw = draw
        self._fonts = {False: _font(_REGULAR), True: _font(_BOLD)}

    def ground(self, column: int, line: int, cells: int, colour: Colour) -> None:
        if cells:
            self._fill(column * _CELL_W, line * _CELL_H, cells * _CELL_W, _CELL_H, colour)

    def underline(self, first: int, last: int, line: int, colour: Colour) -> None:
        self._fill(first * _CELL_W, (line + 1) * _CELL_H - 3, (last - first) * _CELL_W, 1, colour)

    def character(self, character: str, column: int, line: int, colour: Colour, bold: bool) -> None:
        x, y = column * _CELL_W, line * _CELL_H
        if character in _EIGHTHS_UP:
            height = _CELL_H * _EIGHTHS_UP.index(character) // 8
            self._fill(x, y + _CELL_H - height, _CELL_W, height, colour)
        elif character in _EIGHTHS_RIGHT:
            self._fill(x, y, round(_CELL_W * _EIGHTHS_RIGHT.index(character) / 8), _CELL_H, colour)
        elif character in "▀▔":
            self._fill(x, y, _CELL_W, _CELL_H // (2 if character == "▀" else 8), colour)
        elif character in "▐▕":
            width = _CELL_W // 2 if character == "▐" else 2
            self._fill(x + _CELL_W - width, y, width, _CELL_H, colour)
        elif character in _QUADRANTS:
            half_w, half_h = _CELL_W // 2, _CELL_H // 2
            for quarter in _QUADRANTS[character]:
                self._fill(x + quarter % 2 * half_w, y + quarter // 2 * half_h, half_w, half_h, colour)
        elif _BRAILLE <= ord(character) < _BRAILLE + 256:
            for bit, (dot_x, dot_y) in enumerate(_BRAILLE_DOTS):
                if ord(character) >> bit & 1:
                    self._fill(x + 2 + 6 * dot_x, y + 1 + 6 * dot_y, 3, 3, colour)
        else:
            self._draw.text((x, y + _CELL_H - 6), character.translate(_NEAREST), colour, self._fonts[bold], anchor="ls")

    def _fill(self, x: int, y: int, width: int, height: int, colour: Colour) -> None:
        if width and height:
            self._draw.rectangle((x, y, x + width - 1, y + height - 1), fill=colour)


def _font(weight: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.truetype(str(ROOT / "files" / "FiraCode[wght].ttf"), _SIZE)
    font.set_variation_by_axes([weight])
    return font


def _colours(style: Style, ink: Colour, ground: Colour) -> tuple[Colour, Colour]:
    fore = style.color.get_truecolor() if style.color and not style.color.is_default else ink
    back = style.bgcolor.get_truecolor(foreground=False) if style.bgcolor and not style.bgcolor.is_default else ground
    if style.reverse:
        fore, back = back, fore
    if style.dim:
        fore = tuple(round(_DIM * a + (1 - _DIM) * b) for a, b in zip(fore, back, strict=True))  # type: ignore[assignment]
    return (fore[0], fore[1], fore[2]), (back[0], back[1], back[2])
