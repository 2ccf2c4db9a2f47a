"""The simulated gestures beside real recordings, for the documentation: a table of figures, and pictures as SVG.

`python -m evbench.events.realism_pictures FOLDER...` prints the table for folders of real recordings beside the
simulated set; `--pictures assets/pictures` also draws windows of every class and the curves of all sets again. Real
recordings appear as curves only, because several of their sources state no licence.
"""

from __future__ import annotations

import argparse
import base64
import io
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evbench.events.gesture_motion import GESTURES
from evbench.events.gestures import SUBJECTS, simulate
from evbench.events.realism import Figures, measure, read_folder, simulated, table
from evbench.events.stream import EventStream

_PALETTE = bytes.fromhex("1d2129ffb0005a9bffd9d9d9")
"""Nothing, mostly ON, mostly OFF, both alike."""
_LINES = ("#5a9bff", "#9a9a9a", "#ffb000", "#e0569b")
_TEXT = 'font-family="sans-serif" font-size="12"'


def gallery(subjects: Sequence[int] = (0, 12, 25), windows: Sequence[int] = (6, 8, 10), window_us: int = 50_000) -> str:
    """An SVG with a row per gesture: for each of some people, some windows of 50 ms one after the other."""
    columns = len(subjects) * len(windows)
    label, side, gap, top = 190, 96, 6, 26
    width, height = label + columns * (side + gap), top + len(GESTURES) * (side + gap)
    seconds = (max(windows) + 1) * window_us / 1e6
    parts = [_head(width, height)]
    for place, subject in enumerate(subjects):
        x = label + place * len(windows) * (side + gap)
        parts.append(f'<text x="{x}" y="16" {_TEXT} fill="#d9d9d9">simulated subject {subject + 1}</text>')
    for row, gesture in enumerate(GESTURES):
        y = top + row * (side + gap)
        name = gesture.replace("_", " ")
        parts.append(f'<text x="6" y="{y + side // 2}" {_TEXT} fill="#d9d9d9">{name}</text>')
        for place, subject in enumerate(subjects):
            stream = simulate(subject, gesture, seconds=seconds)
            shown = np.hstack([_window(stream, number * window_us, window_us) for number in windows])
            image = base64.b64encode(_png(shown)).decode()
            x = label + place * len(windows) * (side + gap)
            parts.append(
                f'<image x="{x}" y="{y}" width="{len(windows) * side}" height="{side}" '
                f'style="image-rendering:pixelated" href="data:image/png;base64,{image}"/>'
            )
    return "\n".join([*parts, "</svg>\n"])


def curves(columns: dict[str, Figures]) -> str:
    """An SVG of three distributions, one line per column of the table: events per 50 ms window, share of voxels that
    are not zero, and a pixel's intervals between events."""
    plots: list[tuple[str, float, float, Callable[[Figures], NDArray[np.float64]]]] = [
        ("events per 50 ms window", 10, 10_000, lambda f: f.events.astype(np.float64)),
        ("voxels that are not zero, %", 0.01, 10, lambda f: f.nonzero),
        ("interval between a pixel's events, ms", 0.1, 10_000, lambda f: f.interval_us / 1000),
    ]
    wide, tall, gap = 300, 190, 30
    parts = [_head(len(plots) * (wide + gap) + gap, tall + 96)]
    for place, (title, low, high, values) in enumerate(plots):
        x0, y0 = gap + place * (wide + gap), 34
        parts.append(f'<text x="{x0}" y="22" {_TEXT} fill="#d9d9d9">{title}</text>')
        parts.append(f'<rect x="{x0}" y="{y0}" width="{wide}" height="{tall}" fill="none" stroke="#4a5060"/>')
        decades = round(math.log10(high / low))
        for decade in range(decades + 1):
            x = x0 + wide * decade / decades
            parts.append(f'<path d="M{x:.1f} {y0}V{y0 + tall}" stroke="#333844"/>')
            tick = f"{low * 10**decade:g}"
            parts.append(
                f'<text x="{x:.1f}" y="{y0 + tall + 16}" {_TEXT} fill="#9a9a9a" text-anchor="middle">{tick}</text>'
            )
        edges = np.geomspace(low, high, 6 * decades + 1)
        shares = {name: _shares(values(figures), edges) for name, figures in columns.items()}
        highest = max(float(share.max()) for share in shares.values())
        for share, colour in zip(shares.values(), _LINES, strict=False):
            points = " ".join(
                f"{x0 + wide * (number + 0.5) / len(share):.1f},{y0 + tall * (1 - 0.95 * value / highest):.1f}"
                for number, value in enumerate(share)
            )
            parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
    for number, (name, colour) in enumerate(zip(columns, _LINES, strict=False)):
        x, y = gap + number * 190, tall + 80
        parts.append(f'<path d="M{x} {y - 4}h24" stroke="{colour}" stroke-width="3"/>')
        kind = "simulated gestures" if name == "simulated" else f"real: {name}"
        parts.append(f'<text x="{x + 30}" y="{y}" {_TEXT} fill="#d9d9d9">{kind}</text>')
    return "\n".join([*parts, "</svg>\n"])


def _head(width: int, height: int) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">\n'
        f'<rect width="{width}" height="{height}" fill="#14171c"/>'
    )


def _shares(values: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """The share of the values in each bin; those outside count for the outermost bins."""
    return np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0] / max(len(values), 1)


def _window(stream: EventStream, t0: int, duration: int) -> NDArray[np.uint8]:
    """Which colour of the palette each pixel has, [H, W], by whether more ON or more OFF events fell into a window."""
    begin, end = np.searchsorted(stream.t, [t0, t0 + duration])
    part = stream[int(begin) : int(end)]
    shape = (stream.geometry.height, stream.geometry.width)
    pixel = part.y.astype(np.int64) * shape[1] + part.x
    on = np.bincount(pixel[part.on], minlength=shape[0] * shape[1])
    off = np.bincount(pixel[~part.on], minlength=shape[0] * shape[1])
    colour = np.where(on > off, 1, np.where(off > on, 2, np.where(on > 0, 3, 0)))
    return colour.reshape(shape).astype(np.uint8)


def _png(colour: NDArray[np.uint8]) -> bytes:
    """A PNG of colours of the palette, [H, W]."""
    from PIL import Image

    image = Image.fromarray(colour, "P")
    image.putpalette(_PALETTE)
    written = io.BytesIO()
    image.save(written, "PNG", optimize=True, bits=2)
    return written.getvalue()


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the table of figures, and draws the pictures where it is told a folder for them."""
    parser = argparse.ArgumentParser(prog="python -m evbench.events.realism_pictures", description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path, help="folders of real recordings")
    parser.add_argument("--pictures", type=Path, help="a folder for the two pictures")
    parser.add_argument("--subjects", type=int, default=SUBJECTS, help="how many simulated people to measure")
    asked = parser.parse_args(arguments)
    columns = {folder.name: measure(read_folder(folder)) for folder in asked.folders}
    columns["simulated"] = measure(simulated(range(asked.subjects)))
    print(table(columns))
    if asked.pictures:
        asked.pictures.mkdir(parents=True, exist_ok=True)
        (asked.pictures / "simulated-beside-real.svg").write_text(curves(columns))
        (asked.pictures / "simulated-gestures.svg").write_text(gallery())


if __name__ == "__main__":
    main()
