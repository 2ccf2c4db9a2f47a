"""Plays a recording in a bare terminal, in real time: what a frame looks like, and which frame is due."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from rich.cells import set_cell_size
from rich.color import Color, ColorSystem
from rich.console import Console

from evbench.events.kinds import KINDS, Kind, image_labels
from evbench.events.pictures import LEVELS, PALETTE, brightest, levels, resize
from evbench.events.playback import Playback, Reel
from evbench.events.representations import represent
from evbench.events.transforms import downsample
from evbench.events.windows import Window
from evbench.events.windowset import place_on_grid
from evbench.jobs.looking import Look
from evbench.tui.drawing import layout
from evbench.tui.terminal import Terminal

FRAMES_PER_SECOND = 25

_SLOWEST, _FASTEST = 1 / 1024, 64.0
_SHORTEST, _LONGEST = 1_000, 10_000_000
_ASKING_S = 0.2
_EASE = 0.25
_BLANK = (LEVELS + 1) ** 2
"""Stands among the palette's colours for what is outside every image."""

_LINES_PER_STATUS = 8
_KEYS = " q quit  space pause  ←→ seek  ↑↓ speed  m representation  [ ] window  , . step"


@dataclass(frozen=True, slots=True)
class Played:
    """How playing went: frames shown, frames left out to keep up, and processor time for all of it."""

    frames: int
    dropped: int
    cpu_s: float


def play(terminal: Terminal, reel: Reel, look: Look, name: str, speed: float, start: int) -> Played:
    """Plays a reel on a terminal until the user has had enough; start: microseconds of the recording's clock."""
    system = ColorSystem[(Console().color_system or "standard").upper().replace("256", "EIGHT_BIT")]
    with terminal:
        return Player(reel, look, name, speed=speed, start=start, system=system).run(terminal)


class Painter:
    """Turns windows into the lines of a terminal; the brightness eases from frame to frame, so that none flickers."""

    def __init__(self, system: ColorSystem) -> None:
        self._system = system
        self._full: tuple[Kind, float] | None = None

    def lines(self, window: Window, look: Look, size: tuple[int, int]) -> list[bytes]:
        """A picture of a window that fills `size`, (columns, lines), as well as it can."""
        stream = place_on_grid(window.stream, look.size) if look.size else window.stream
        sensor = (stream.geometry.height, stream.geometry.width)
        labels = image_labels(look.kind, window.duration, look.bins)
        place = layout(len(labels), None, size, sensor)
        if place is None:
            return [b"too small to draw"]
        # Events are brought to the pixels that are drawn before they are counted, not after: that costs less.
        drawn = (min(sensor[0], place.height), min(sensor[1], place.width))
        if drawn != sensor:
            stream = downsample(stream, drawn)
        images = represent(look.kind, stream, t0=window.t0, duration=window.duration, bins=look.bins)
        off, on = resize(look.kind, images, place.width, place.height)
        full = self._eased(look.kind, brightest(look.kind, images))
        colour = levels(off, full) * (LEVELS + 1) + levels(on, full)
        indent = (size[0] - place.columns * (place.width + 1) + 1) // 2
        lines = []
        for first in range(0, len(labels), place.columns):
            tiles = range(first, min(first + place.columns, len(labels)))
            canvas = np.full((place.height, size[0]), _BLANK, np.int64)
            for number, tile in enumerate(tiles):
                left = indent + number * (place.width + 1)
                canvas[:, left : left + place.width] = colour[tile]
            titles = " ".join(set_cell_size(labels[tile], place.width) for tile in tiles)
            lines.append(b"\x1b[2m" + (" " * indent + titles).encode())
            lines += half_block_lines(canvas, self._system)
        return lines

    def _eased(self, kind: Kind, full: float) -> float:
        if self._full is not None and self._full[0] == kind:
            full = self._full[1] + _EASE * (full - self._full[1])
        self._full = (kind, full)
        return full


def half_block_lines(canvas: NDArray[np.int64], system: ColorSystem) -> list[bytes]:
    """Half-blocks with escape codes for colours [H, W] of the palette, flat, or blank; a line for each two rows."""
    pair = canvas[::2] * (_BLANK + 1) + canvas[1::2]
    lines = []
    for line in pair:
        starts = np.flatnonzero(np.diff(line, prepend=-1))
        lengths = np.diff(starts, append=len(line))
        runs = zip(line[starts].tolist(), lengths.tolist(), strict=True)
        lines.append(b"".join([code + block * length for both, length in runs for code, block in [_ink(both, system)]]))
    return lines


@lru_cache(maxsize=1 << 17)
def _ink(pair: int, system: ColorSystem) -> tuple[bytes, bytes]:
    """The escape code for an upper and a lower colour, and the character that shows them."""
    upper, lower = divmod(pair, _BLANK + 1)
    if upper == _BLANK:
        return b"\x1b[0m", b" "
    codes = [*_colour(upper, system).get_ansi_codes(), *_colour(lower, system).get_ansi_codes(foreground=False)]
    return f"\x1b[{';'.join(codes)}m".encode(), "▀".encode()


@lru_cache
def _colour(number: int, system: ColorSystem) -> Color:
    return Color.from_rgb(*PALETTE.reshape(-1, 3)[number].tolist()).downgrade(system)


class Player:
    """A reel, how it is looked at and how fast; `run` plays it until the user has had enough."""

    def __init__(
        self,
        reel: Reel,
        look: Look,
        name: str,
        *,
        speed: float,
        start: int,
        system: ColorSystem,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """start: microseconds of the recording's clock."""
        self._reel, self._look, self._name, self._clock = reel, look, name, clock
        self._speed = min(max(speed, _SLOWEST), _FASTEST)
        self._painter = Painter(system)
        self._playing = True
        self._over = False
        self._frames = self._dropped = 0
        self._from(start)

    def run(self, terminal: Terminal) -> Played:
        """Plays on a terminal until q is pressed."""
        began, size = time.process_time(), (0, 0)
        while True:
            due = self._due()
            if due or terminal.size != size:
                size = terminal.size
                terminal.show(self.picture(due, size))
            for key in terminal.keys(self._idle()):
                if key == "q":
                    return Played(self._frames, self._dropped, time.process_time() - began)
                if self._press(key):
                    size = (0, 0)

    def picture(self, steps: int, size: tuple[int, int]) -> list[bytes]:
        """The lines of the frame `steps` further on, of which all but the last are dropped."""
        if steps:
            window = self._playback.advance(steps)
            if window is None:
                self._playing, self._over = False, True
            else:
                self._dropped += steps - 1
                self._frames += 1
            self._shown += steps
        window = self._playback.window()
        columns, lines = size
        below = [self._status(window, columns), self._keys(columns)][: max(lines // _LINES_PER_STATUS, 1)]
        room = max(lines - len(below), 0)
        drawn = self._painter.lines(window, self._look, (columns, room))[:room]
        return [*drawn, *[b""] * (room - len(drawn)), *below]

    def _status(self, window: Window, columns: int) -> bytes:
        at, length = self._playback.end - self._reel.t_first, self._reel.t_last - self._reel.t_first
        state = "end" if self._over else "▶" if self._playing else "‖"
        text = (
            f" {state} {self._name}  {min(max(at, 0), length) / 1e6:.2f} of {length / 1e6:.2f} s  ×{self._speed:g}  "
            f"{self._look.kind} {self._look.duration / 1000:g} ms  {len(window.stream):,} events  "
            f"{self._dropped:,} dropped"
        )
        return b"\x1b[7m" + set_cell_size(text, columns).encode()

    def _keys(self, columns: int) -> bytes:
        return b"\x1b[2m" + set_cell_size(_KEYS, columns).encode()

    # --- time ---------------------------------------------------------------------------------------------------------

    def _from(self, t: int) -> None:
        """Go on from a time of the recording, at the present speed."""
        step = max(round(self._speed * 1e6 / FRAMES_PER_SECOND), 1)
        self._playback = Playback(self._reel, self._look.duration, step, t)
        self._over = False
        self._wind()

    def _wind(self) -> None:
        """The frame shown is the one that is due now."""
        self._begun, self._shown = self._clock(), 0

    def _due(self) -> int:
        """How many frames further on the one is that is due now."""
        return int((self._clock() - self._begun) * FRAMES_PER_SECOND) - self._shown if self._playing else 0

    def _idle(self) -> float:
        """Seconds until there may be something to show: a frame, or, when paused, a terminal of another size."""
        if not self._playing:
            return _ASKING_S
        return self._begun + (self._shown + 1) / FRAMES_PER_SECOND - self._clock()

    # --- keys ---------------------------------------------------------------------------------------------------------

    def _press(self, key: str) -> bool:
        """Do what a key says; whether the screen has to be drawn for it."""
        here = self._playback.end
        stride = max((self._reel.t_last - self._reel.t_first) // 20, 1)
        match key:
            case " ":
                if self._over:
                    self._from(self._reel.t_first)
                self._playing = not self._playing
                self._wind()
            case "left" | "right":
                self._from(here + (stride if key == "right" else -stride))
            case "," | ".":
                self._playing = False
                if key == ",":
                    self._from(here - 2 * max(round(self._speed * 1e6 / FRAMES_PER_SECOND), 1))
                self._playback.advance(1)
            case "up" | "down":
                self._speed = min(max(self._speed * (2 if key == "up" else 0.5), _SLOWEST), _FASTEST)
                self._from(here)
            case "[" | "]":
                length = self._look.duration * 2 if key == "]" else self._look.duration // 2
                self._look = replace(self._look, duration=min(max(length, _SHORTEST), _LONGEST))
                self._from(here)
            case "m":
                self._look = replace(self._look, kind=KINDS[(KINDS.index(self._look.kind) + 1) % len(KINDS)])
            case _:
                return False
        return True
