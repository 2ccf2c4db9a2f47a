"""Plays a recording to a board in real time: one window after the other, and what each cost while it was computed."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from evbench.errors import BoardError, EvbenchError
from evbench.jobs.held_board import HeldBoard
from evbench.jobs.models import Model, open_model
from evbench.jobs.recorded import sliding_windows, stream_of
from evbench.jobs.store import Store
from evbench.profiles import Budget, load_board

if TYPE_CHECKING:
    from evbench.boards.sensor import SensorWindow
    from evbench.boards.session import BoardSession, RunResult
    from evbench.compile.build import Build
    from evbench.graph.model import IntegerGraph

Phase = Literal["idle", "preparing", "playing", "paused", "ended", "failed"]

TOLD_EVERY_S = 0.1
"""How often a listener is told of new windows at most."""

KEPT_POINTS = 2000
"""How many of the newest windows are kept as points of latency against events."""

_ALL_WINDOWS = 1 << 30
_LOOK_S = 0.05


@dataclass(frozen=True, slots=True)
class LiveWish:
    """What is to be played: a model (None: the bundled one) on a board, by name, a recording; `dense` computes every
    site."""

    model: Path | None
    board: str
    recording: Path
    dense: bool = False


@dataclass(frozen=True, slots=True)
class LiveLayer:
    """What a layer cost on the last window; `skipped` is the share of its sites not computed, None where it computes
    all of them."""

    name: str
    kind: str
    macs: int
    cycles: int
    skipped: float | None


@dataclass(frozen=True, slots=True)
class Live:
    """Where playing stands. note: what goes on, or why it ended; latencies in milliseconds, from the last event of a
    window to logits; dropped: windows left out to keep real time; points: events and latency of each window."""

    phase: Phase = "idle"
    note: str = ""
    progress: float = 0.0
    model: str = ""
    board: str = ""
    port: str = ""
    modelled: bool = False
    dense: bool = False
    core_hz: int = 0
    build_id: str = ""
    flash_bytes: int = 0
    ram_bytes: int = 0
    recording: str = ""
    window: int = 0
    windows: int = 0
    events: int = 0
    layers: tuple[LiveLayer, ...] = ()
    total_cycles: int = 0
    latency_ms: float = 0.0
    worst_ms: float = 0.0
    limits: Budget = field(default_factory=Budget)
    stack_bytes: int = 0
    window_us: int = 0
    dropped: int = 0
    voxelising_cycles: int = 0
    given: int = 0
    classes: tuple[str, ...] = ()
    logits: tuple[float, ...] = ()
    parity: str = ""
    points: tuple[tuple[int, float], ...] = ()

    @property
    def active(self) -> bool:
        """Whether somebody is at work on it, so that it can be paused, gone on with and stopped."""
        return self.phase in ("preparing", "playing", "paused")


class LivePlayer:
    """Plays one wish over and over until it is stopped. `run` works in the caller's thread; the other methods may be
    called from any. `tell` hears of every change of phase, and of new windows ten times a second at most."""

    def __init__(
        self,
        store: Store,
        wish: LiveWish,
        tell: Callable[[Live], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._wish, self._tell, self._clock = store, wish, tell, clock
        self._live = Live(board=wish.board, recording=wish.recording.name, dense=wish.dense)
        self._told = -TOLD_EVERY_S
        self._stopping = threading.Event()
        self._going = threading.Event()
        self._going.set()
        self._parity_wanted = threading.Event()

    def stop(self) -> None:
        """Ends playing after the window under way."""
        self._stopping.set()
        self._going.set()

    def toggle(self) -> None:
        """Pauses, or goes on."""
        self._going.clear() if self._going.is_set() else self._going.set()

    def check_parity(self) -> None:
        """Compares all executions on the next window."""
        self._parity_wanted.set()

    def run(self) -> None:
        """Builds, flashes and plays. What a user can mend ends as the note of phase "failed"."""
        held = HeldBoard(self._store, wait=False)
        try:
            self._play(held)
        except (EvbenchError, OSError, sqlite3.Error) as error:
            self._say(phase="failed", port="", note=str(error))
        except Exception as error:
            self._say(phase="failed", port="", note=f"This is a fault of evbench: {type(error).__name__}: {error}")
        finally:
            held.close()

    # --- private ---

    def _say(self, **changes: Any) -> None:
        """Change the state and tell it."""
        self._live = replace(self._live, **changes)
        self._told = self._clock()
        self._tell(self._live)

    def _play(self, held: HeldBoard) -> None:
        from evbench.boards.session import network_bins
        from evbench.jobs.stages.hardware import fit

        wish = self._wish
        self._say(phase="preparing", note="reading the recording")
        model = open_model(wish.model)
        graph = computing_everything(model.graph) if wish.dense else model.graph
        stream = stream_of(model, wish.recording)
        windows = sliding_windows(stream, stream.settings.window, _ALL_WINDOWS)
        self._say(
            note="building the firmware",
            model=model.name,
            classes=tuple(model.classes),
            windows=len(windows),
            window_us=stream.settings.window,
            limits=budget_of(wish.model),
        )
        fitted = fit(graph, load_board(wish.board), self._store.workspace)
        build = fitted.build
        self._say(
            note="opening the board",
            board=fitted.board.id,
            build_id=build.build_id,
            flash_bytes=build.flash_bytes,
            ram_bytes=build.ram_bytes,
        )
        session = held.flash(fitted.board, build, lambda step, share: self._say(note=step, progress=share))
        hello = session.require(build)
        if not hello.counts_cycles:
            raise BoardError("The board's cycle counter does not count", where=hello.name, remedy="Check its power-up")
        self._say(
            phase="playing", note="", progress=1.0, port=session.port, modelled=session.virtual is not None,
            core_hz=hello.core_hz,
        )  # fmt: skip
        skipping = Skipping(graph)
        bins = network_bins(graph)
        # The first window waits for whatever is compiled or cached only once.
        session.run_window(windows[0], bins)
        session.forget_stream()
        pace = Pace(stream.settings.window / 1e6, self._clock)
        number = 0
        while not self._stopping.is_set():
            if not self._going.is_set():
                self._say(phase="paused")
                pace.pause()
                self._wait_to_go_on(session, build, model, graph, windows[number])
                pace.resume()
                self._say(phase="playing")
                continue
            if self._parity_wanted.is_set():
                pace.pause()
                self._compare(session, build, model, graph, windows[number])
                pace.resume()
            due = pace.wait_for(number, self._stopping)
            left_out = min(due, len(windows) - 1) - number
            number += left_out
            self._take(graph, windows[number], session.run_window(windows[number], bins), skipping, number, left_out)
            number += 1
            if number == len(windows):
                number, pace = 0, Pace(stream.settings.window / 1e6, self._clock)
        self._say(phase="ended", note="stopped")

    def _wait_to_go_on(
        self, session: BoardSession, build: Build, model: Model, graph: IntegerGraph, window: SensorWindow
    ) -> None:
        while not self._going.wait(_LOOK_S):
            if self._parity_wanted.is_set():
                self._compare(session, build, model, graph, window)

    def _take(
        self,
        graph: IntegerGraph,
        window: SensorWindow,
        run: RunResult,
        skipping: Skipping,
        number: int,
        left_out: int,
    ) -> None:
        """A window has been computed: note it, and tell it when the last telling is long enough ago."""
        live, result = self._live, run.result
        milliseconds = 1e3 * result.cycles / live.core_hz
        events = result.voxelising.counted
        due = self._clock() - self._told >= TOLD_EVERY_S
        changed: dict[str, Any] = {
            "window": number + 1,
            "events": events,
            "total_cycles": result.cycles,
            "latency_ms": milliseconds,
            "worst_ms": max(live.worst_ms, milliseconds),
            "dropped": live.dropped + left_out,
            "stack_bytes": result.stack_bytes,
            "voxelising_cycles": result.voxelising.cycles,
            "given": result.voxelising.given,
            "logits": tuple(float(value) for value in result.logits),
            "points": (*live.points[1 - KEPT_POINTS :], (events, milliseconds)),
        }
        if due:
            shares = skipping.shares(window)
            changed["layers"] = tuple(
                LiveLayer(operator.name, operator.kind, graph.macs(operator), layer.cycles, shares[operator.name])
                for operator, layer in zip(graph.operators, run.layers, strict=True)
            )
            self._say(**changed)
        else:
            self._live = replace(live, **changed)

    def _compare(
        self, session: BoardSession, build: Build, model: Model, graph: IntegerGraph, window: SensorWindow
    ) -> None:
        """Run a window everywhere but in PyTorch, which is not loaded beside a user interface."""
        from evbench.boards.execution import BoardExecution
        from evbench.jobs.comparison import workstation_executions
        from evbench.parity import compare

        self._parity_wanted.clear()
        self._say(parity="comparing…")
        source = model.source if model.source is not None and model.source.is_file() else None
        executions = workstation_executions(graph, source, self._store.workspace)
        executions.append(BoardExecution(session, build, graph))
        self._say(parity=parity_words(compare(graph, executions, window.grid[None]).to_json()))


class Pace:
    """Which window is due: each when the last of its events has come, at `length` seconds a window."""

    def __init__(self, length: float, clock: Callable[[], float]) -> None:
        self._length, self._clock = length, clock
        self._begun = clock()
        self._paused_at: float | None = None

    def wait_for(self, number: int, stop: threading.Event) -> int:
        """Waits until window `number` is complete, or `stop`; returns the newest one that is, `number` at the least."""
        ahead = self._begun + (number + 1) * self._length - self._clock()
        if ahead > 0:
            stop.wait(ahead)
        return max(number, int((self._clock() - self._begun) / self._length) - 1)

    def pause(self) -> None:
        """Time stands still."""
        self._paused_at = self._clock()

    def resume(self) -> None:
        """Time goes on from where it stood."""
        if self._paused_at is not None:
            self._begun += self._clock() - self._paused_at
            self._paused_at = None


class Skipping:
    """Which share of its sites each layer of a network skips."""

    def __init__(self, graph: IntegerGraph) -> None:
        from evbench.compile.sparse import choose

        self._graph = graph
        self._skipping = choose(graph).skipping

    def shares(self, window: SensorWindow) -> dict[str, float | None]:
        """By layer name; None for one that computes everything."""
        from evbench.graph.background import activity

        operators = self._graph.operators
        if not self._skipping:
            return dict.fromkeys(operator.name for operator in operators)
        active = activity(self._graph, window.grid[None])
        return {
            operator.name: float(1 - active[operator.output].mean()) if operator.name in self._skipping else None
            for operator in operators
        }


def computing_everything(graph: IntegerGraph) -> IntegerGraph:
    """The same network with every site recorded as active, so that no layer of its firmware skips any."""
    from evbench.graph.activity import KEY
    from evbench.graph.model import Conv2d

    layers = {operator.name: [1.0, 1.0] for operator in graph.operators if isinstance(operator, Conv2d)}
    return dataclasses.replace(graph, metadata={**graph.metadata, KEY: json.dumps({"windows": 1, "layers": layers})})


def budget_of(model: Path | None) -> Budget:
    """The budget of the recipe that made a model, the usual one where its card names none."""
    from evbench.graph.card import CARD

    try:
        card = json.loads((model / CARD).read_text()) if model is not None else {}
        return Budget.model_validate(card["recipe"].get("budget", {}))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Budget()


def parity_words(report: Mapping[str, Any]) -> str:
    """One line on a parity report."""
    judged = [pair for pair in report["pairs"] if pair["judged"]]
    names = ", ".join(dict.fromkeys([judged[0]["a"], *(pair["b"] for pair in judged)]))
    worst = max(judged, key=lambda pair: int(pair["max_lsb"]))
    if report["passed"]:
        return f"{worst['max_lsb']} LSB ({names})"
    return f"{worst['max_lsb']} LSB at {worst['first_differing_layer']} ({worst['a']}, {worst['b']})"
