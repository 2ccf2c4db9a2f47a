"""One window of a recording as a network would see it, with the figures that describe it and its filters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evbench.errors import ProfileError, RecordingError
from evbench.profiles import FilterSettings, load_recipe, parse_duration

if TYPE_CHECKING:
    from evbench.events.cleaning import FilterStep
    from evbench.events.kinds import Kind
    from evbench.events.playback import Reel
    from evbench.events.recording import Recording
    from evbench.events.representations import Images
    from evbench.events.windows import Window


@dataclass(frozen=True, slots=True)
class Look:
    """How a recording is looked at. duration: microseconds; size: (H, W) of the grid, that of the sensor if None."""

    kind: Kind
    duration: int
    bins: int
    size: tuple[int, int] | None
    filters: tuple[FilterSettings, ...]


@dataclass(frozen=True, slots=True, eq=False)
class WindowGrid:
    """A window in a representation, images [2, N, H, W], and what the filters before it did; times in microseconds."""

    recording: Path
    number: int
    windows: int
    t0: int
    events: int
    look: Look
    images: Images
    steps: tuple[FilterStep, ...]

    @property
    def headline(self) -> str:
        """One line of what is seen."""
        share = np.count_nonzero(self.images) / self.images.size
        return (
            f"{self.recording.name}  {self.look.kind}  window {self.number} of {self.windows}  "
            f"{self.t0 / 1e6:.3f} s + {self.look.duration / 1e3:g} ms  {self.events:,} events  "
            f"{100 * share:.2f} % of cells occupied"
        )

    @property
    def labels(self) -> list[str]:
        """What each image shows."""
        from evbench.events.kinds import image_labels

        return image_labels(self.look.kind, self.look.duration, self.look.bins)

    def to_json(self) -> dict[str, Any]:
        """The figures without the images; where they count events, how many each holds, [OFF, ON]."""
        occupied = int(np.count_nonzero(self.images))
        sums = self.images.sum(axis=(2, 3), dtype=np.float64).T.round(3).tolist()
        return {
            "representation": self.look.kind,
            "window": self.number,
            "windows": self.windows,
            "t0_us": self.t0,
            "duration_us": self.look.duration,
            "events": self.events,
            "filters": [step.to_json() for step in self.steps],
            "shape": list(self.images.shape),
            "dtype": str(self.images.dtype),
            **({} if self.look.kind == "time-surface" else {"counts_per_bin": sums}),
            "occupied": occupied,
            "sparsity": 1 - occupied / self.images.size,
            "largest_count": float(self.images.max()),
        }


def look_from(
    recipe: str | None, kind: Kind | None, length: str | None, bins: int | None, filters: Sequence[str]
) -> Look:
    """How a command is asked to look: as a recipe says, else voxel counts of 50 ms in 5 bins on the whole sensor; what
    is given here goes before that, and `filters`, written as `parse_filter_text` reads them, follow the recipe's.

    Raises ProfileError when the recipe, a filter or the length is none.
    """
    from evbench.events.filter_text import parse_filter_text
    from evbench.profiles import Representation

    asked = load_recipe(recipe).representation if recipe else Representation()
    duration = duration_option("--length", length) if length else asked.window
    return Look(
        kind or asked.kind,
        duration,
        bins or asked.bins,
        asked.size if recipe else None,
        (*asked.filters, *(parse_filter_text(text, "--filter") for text in filters)),
    )


def duration_option(name: str, text: str) -> int:
    """Microseconds of a duration given to the option `name`. Raises ProfileError when it is none."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise ProfileError(str(error), where=f"{name} {text}") from None


def reel_from(path: Path, look: Look, cache: Path | None) -> tuple[Reel, tuple[FilterStep, ...]]:
    """What is played of a recording, and what the filters did. `cache` keeps the recording's index.

    A recording is read as it is played, unless there are filters, which see it whole. Raises RecordingError when it
    cannot be read or has no events.
    """
    from evbench.events.cleaning import clean
    from evbench.events.playback import reel_of, reel_of_stream
    from evbench.events.recording import open_recording
    from evbench.events.windows import in_time_order

    recording = open_recording(path, cache=cache)
    if not look.filters:
        return reel_of(recording), ()
    stream = in_time_order(recording.read())
    cleaned = clean(stream, look.filters)
    return reel_of_stream(cleaned.stream, int(stream.t[0]), int(stream.t[-1])), cleaned.steps


def window_of(path: Path, number: int, look: Look) -> WindowGrid:
    """Window `number` of a recording. Filters see the recording whole, as they do for training.

    Raises RecordingError when the recording cannot be read, has fewer windows, or the window has no event.
    """
    from evbench.events.recording import open_recording
    from evbench.events.representations import represent
    from evbench.events.windowset import place_on_grid

    chosen, windows, steps = _chosen(open_recording(path), number, look)
    if chosen is None:
        raise RecordingError(
            f"There is no window {number}", where=f"{path} has {windows}", remedy=f"Choose from 0 to {windows - 1}"
        )
    stream = place_on_grid(chosen.stream, look.size) if look.size else chosen.stream
    if not len(stream):
        raise RecordingError(
            f"Window {number} has no events" + (" behind its filters" if steps else ""),
            where=f"{path}, {chosen.t0 / 1e6:.3f} s + {look.duration / 1e3:g} ms",
            remedy="Choose another window or a greater length",
        )
    images = represent(look.kind, stream, t0=chosen.t0, duration=look.duration, bins=look.bins)
    return WindowGrid(path, number, windows, chosen.t0, len(stream), look, images, steps)


def _chosen(recording: Recording, number: int, look: Look) -> tuple[Window | None, int, tuple[FilterStep, ...]]:
    """The window, how many there are, and what the filters did; without filters nothing is held but one window."""
    from evbench.events.cleaning import clean
    from evbench.events.windows import Window, fixed_windows, in_time_order

    chosen, count = None, 0
    if not look.filters:
        for window in recording.windows(look.duration):
            chosen = window if count == number else chosen
            count += 1
        return chosen, count, ()
    stream = in_time_order(recording.read())
    cleaned = clean(stream, look.filters)
    for window in fixed_windows(stream, look.duration):
        if count == number:
            begin, end = np.searchsorted(cleaned.stream.t, [window.t0, window.t0 + look.duration])
            chosen = Window(window.t0, look.duration, cleaned.stream[int(begin) : int(end)])
        count += 1
    return chosen, count, cleaned.steps
