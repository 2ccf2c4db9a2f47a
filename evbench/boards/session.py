"""A session with a board: open its port, flash it, make sure it runs the right build, run windows, measure, dump
tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from evbench.boards import flash as flashing
from evbench.boards.frames import (
    MAX_PAYLOAD,
    PROTOCOL_VERSION,
    Frame,
    Hello,
    Layer,
    Result,
    Type,
    parse_hello,
    parse_layer,
    parse_result,
)
from evbench.boards.image import LAYER_END, Firmware
from evbench.boards.link import ATTEMPTS, Link, LinkDisturbedError
from evbench.boards.ports import find_port, open_port
from evbench.boards.profile_run import LayerCycles, ProfileRun, WindowCycles
from evbench.boards.sensor import LARGEST_PACKED_GRID, SensorLine, SensorWindow
from evbench.boards.virtual.parts import Counted
from evbench.boards.virtual.probe import VirtualBoard, start_board
from evbench.errors import BoardError
from evbench.graph.model import IntegerGraph
from evbench.profiles import BoardProfile

_POLL_S = 0.1
_EVENT_BYTES = 4
_INPUT_CHUNK = MAX_PAYLOAD - 4
_DUMP_CHUNK = MAX_PAYLOAD - 6
_RUN_LAYERS, _RUN_STOP, _RUN_CONTINUE = 1, 2, 4
_Outcome = TypeVar("_Outcome")


Window = NDArray[np.uint8] | SensorWindow
"""What a board runs on: a voxel grid, uint8 [C, H, W], or events that it makes one of."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """One window has run on the board."""

    layers: tuple[Layer, ...]
    result: Result


def grid_of(window: Window) -> NDArray[np.uint8]:
    """The voxel grid of a window, uint8 [C, H, W]."""
    return window.grid if isinstance(window, SensorWindow) else window


def pack_events(window: NDArray[np.uint8], bins: int) -> NDArray[np.uint32] | None:
    """A voxel grid [2 * bins, H, W] as packed events, one per count: x | y << 8 | on << 16 | bin << 17.

    None when the grid cannot be sent so, or when its events take more bytes than the grid itself.
    """
    channels, height, width = window.shape
    if channels != 2 * bins or max(height, width) > LARGEST_PACKED_GRID:
        return None
    if int(window.sum(dtype=np.int64)) * _EVENT_BYTES > window.size:
        return None
    channel, y, x = np.nonzero(window)
    packed = x | y << 8 | (channel // bins) << 16 | (channel % bins) << 17
    return np.repeat(packed, window[channel, y, x]).astype("<u4")


class BoardSession:
    """An open board. Use it as a context manager; leaving it closes the port and ends a virtual board."""

    def __init__(self, board: BoardProfile, link: Link, virtual: VirtualBoard | None = None, port: str = "") -> None:
        self.board = board
        self.virtual = virtual
        self.port = port
        self._link = link
        self._sensor = SensorLine(link)

    def __enter__(self) -> BoardSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the port; a virtual board ends."""
        self._link.close()
        if self.virtual:
            self.virtual.close()

    # --- what runs on the board ---

    def flash(self, build: Firmware, on_progress: flashing.Progress = lambda step, fraction: None) -> None:
        """Writes a build to the board and waits until it answers. Raises BoardError."""
        self._sensor.forget()
        flashing.flash(build, self.board, virtual=self.virtual, on_progress=on_progress)
        self.require(build)

    def hello(self) -> Hello:
        """Asks the board who it is. Raises BoardError when it does not answer or speaks another protocol."""
        if self.virtual and self.virtual.status()["blank"]:
            raise BoardError("The board holds no firmware", where=self.board.board.name, remedy="Flash it first")
        try:
            hello = parse_hello(self._link.request(Type.HELLO).payload)
        except ValueError as error:
            raise BoardError("What answers is no evbench board", where=str(error), remedy="Flash it first") from error
        if hello.version != PROTOCOL_VERSION:
            raise BoardError(
                "The board speaks another protocol",
                where=f"Its version is {hello.version}, this evbench's {PROTOCOL_VERSION}",
                remedy="Flash it again",
            )
        self._link.credit = hello.credit
        return hello

    def require(self, build: Firmware) -> Hello:
        """Makes sure that the board runs this build of this network. Raises BoardError when it runs another one."""
        hello = self.hello()
        if hello.build_id != build.build_id or hello.graph_digest != build.graph_digest:
            raise BoardError(
                f"The board runs build {hello.build_id[:8]}, you asked for {build.build_id[:8]}",
                where=f"Networks {hello.graph_digest[:8]} and {build.graph_digest[:8]}",
                remedy="Flash first",
            )
        return hello

    # --- windows ---

    def forget_stream(self) -> None:
        """Lets the next window of a sensor's events begin anew, as if none had been run before it."""
        self._sensor.forget()

    def run_window(self, window: Window, bins: int) -> RunResult:
        """Runs one window. A voxel grid is sent as events with their bins where the network's `bins` allow it."""
        frames: list[Layer] = []

        def run() -> RunResult:
            frames.clear()
            result = self._run(_RUN_LAYERS, lambda frame: frames.append(parse_layer(frame.payload)))
            return RunResult(tuple(frames), result)

        return self._with_window(window, bins, run)

    def count_instructions(self, window: Window, bins: int) -> tuple[int, ...] | None:
        """Instructions per layer on one window, uint8 [C, H, W]; None on a real board, which counts none."""
        if self.virtual is None:
            return None
        self.virtual.count(Counted.INSTRUCTIONS)
        try:
            run = self.run_window(window, bins)
        finally:
            self.virtual.count(Counted.CYCLES)
        return tuple(layer.cycles for layer in run.layers)

    def run_layer_by_layer(self, window: Window, bins: int, layers: int, after: Callable[[int], None]) -> Result:
        """Runs one window, stopping after every layer to call `after(index)`, and with -1 before the first."""

        def run() -> Result:
            after(-1)
            for index in range(layers):
                flags = _RUN_STOP | (_RUN_CONTINUE if index else 0)
                result = self._run(flags, stop=index)
                after(index)
            return result

        return self._with_window(window, bins, run)

    def run_watched(self, window: Window, bins: int, before: Callable[[], None]) -> Result:
        """Runs one window in one go, with `before` called when the window is on the board."""

        def run() -> Result:
            before()
            return self._run(0)

        return self._with_window(window, bins, run)

    def dump(self, index: int, length: int) -> bytes:
        """The `length` bytes of tensor `index` as they lie in the board's memory: height, width, channel."""
        data = bytearray()
        while len(data) < length:
            n = min(_DUMP_CHUNK, length - len(data))
            where = index.to_bytes(2, "little") + len(data).to_bytes(4, "little")
            data += self._link.request(Type.DUMP, where + n.to_bytes(2, "little")).payload[6:]
        return bytes(data)

    def _with_window(self, window: Window, bins: int, run: Callable[[], _Outcome]) -> _Outcome:
        for _ in range(ATTEMPTS):
            try:
                if isinstance(window, SensorWindow):
                    self._sensor.send(window)
                else:
                    self._sensor.forget()
                    self._send_grid(window, bins)
                return run()
            except LinkDisturbedError:
                self._sensor.forget()
        raise BoardError(
            "The link to the board is disturbed",
            where=f"A window was sent {ATTEMPTS} times",
            remedy="Check the cable, or lower the baud rate in the board profile",
        )

    def _send_grid(self, window: NDArray[np.uint8], bins: int) -> None:
        self._link.request(Type.BEGIN)
        events = pack_events(window, bins)
        if events is not None:
            packed = events.tobytes()
            pieces = (packed[i : i + MAX_PAYLOAD] for i in range(0, len(packed), MAX_PAYLOAD))
            self._link.stream(Type.EVENTS, pieces)
            return
        dense = window.transpose(1, 2, 0).tobytes()
        offsets = range(0, len(dense), _INPUT_CHUNK)
        self._link.stream(Type.INPUT, (i.to_bytes(4, "little") + dense[i : i + _INPUT_CHUNK] for i in offsets))

    def _run(self, flags: int, on_layer: Callable[[Frame], None] = lambda frame: None, stop: int = 0) -> Result:
        payload = bytes([flags]) + (stop.to_bytes(2, "little") if flags & _RUN_STOP else b"")
        return parse_result(self._link.request_once(Type.RUN, payload, on_frame=on_layer).payload)

    # --- measuring ---

    def profile(
        self,
        build: Firmware,
        graph: IntegerGraph,
        windows: Sequence[Window],
        *,
        data_cache: bool = True,
        on_window: Callable[[int, RunResult], None] = lambda index, run: None,
    ) -> ProfileRun:
        """Measures a build on windows.

        data_cache: whether a virtual board also models data-cache misses, sampled in one more inference on the median
        window and charged to every window. Raises BoardError when the board runs another build.
        """
        hello = self.require(build)
        if not hello.counts_cycles:
            raise BoardError("The board's cycle counter does not count", where=hello.name, remedy="Check its power-up")
        bins = network_bins(graph)
        runs: list[RunResult] = []
        for index, window in enumerate(windows):
            runs.append(self.run_window(window, bins))
            on_window(index, runs[-1])
        order = sorted(range(len(runs)), key=lambda i: runs[i].result.cycles)
        median = order[(len(order) - 1) // 2]
        misses = self._data_cache_cycles(build, windows[median], bins, runs[median]) if data_cache else ()
        return self._report(build, graph, hello, windows, runs, median, misses)

    def _data_cache_cycles(self, build: Firmware, window: Window, bins: int, plain: RunResult) -> tuple[int, ...]:
        if self.virtual is None:
            return ()
        self.virtual.set_data_cache(True, build.symbols[LAYER_END][0])
        try:
            charged = self.run_window(window, bins)
        finally:
            self.virtual.set_data_cache(False)
        pairs = zip(charged.layers, plain.layers, strict=True)
        return tuple(max(0, with_misses.cycles - without.cycles) for with_misses, without in pairs)

    def _report(
        self,
        build: Firmware,
        graph: IntegerGraph,
        hello: Hello,
        windows: Sequence[Window],
        runs: list[RunResult],
        median: int,
        misses: tuple[int, ...],
    ) -> ProfileRun:
        hz = hello.core_hz
        layers = []
        for operator, layer, extra in zip(
            graph.operators, runs[median].layers, misses or (0,) * len(graph.operators), strict=True
        ):
            macs, cycles = graph.macs(operator), layer.cycles + extra
            ratio = cycles / macs if macs else None
            layers.append(
                LayerCycles(layer.index, operator.name, operator.kind, macs, cycles, ratio, 1e3 * cycles / hz)
            )
        total = sum(layer.cycles for layer in layers)
        return ProfileRun(
            board=self.board.id,
            modelled=self.virtual is not None,
            core_hz=hz,
            build_id=build.build_id,
            layers=tuple(layers),
            total_cycles=total,
            latency_ms=1e3 * total / hz,
            flash_bytes=build.flash_bytes,
            ram_bytes=build.ram_bytes,
            stack_bytes=max(run.result.stack_bytes for run in runs),
            logits=_floats(runs[median].result),
            windows=tuple(
                WindowCycles(
                    int(grid_of(window).sum(dtype=np.int64)),
                    run.result.cycles + sum(misses),
                    _floats(run.result),
                    run.result.voxelising,
                    isinstance(window, SensorWindow),
                )
                for window, run in zip(windows, runs, strict=True)
            ),
            median=median,
            data_cache_cycles=misses,
        )


def _floats(result: Result) -> tuple[float, ...]:
    return tuple(float(value) for value in result.logits)


def network_bins(graph: IntegerGraph) -> int:
    """Time bins of the network's voxel grid: from its metadata, else half its input channels."""
    channels = graph.tensors[graph.inputs[0]].shape[0]
    return int(graph.metadata.get("bins") or channels // 2)


def open_board(
    profile: BoardProfile,
    port: str | None = None,
    *,
    state: Path | None = None,
    cache: Path | None = None,
    on_log: Callable[[str], None] = lambda text: None,
) -> BoardSession:
    """Opens a board: starts it when its profile is virtual, else opens `port`, the profile's port, or the only
    ST-LINK's.

    state: the folder in which a virtual board keeps its flash between sessions; without one it starts blank. cache:
    the folder for compiled code. Raises BoardError when the port does not exist, is busy or is none.
    """
    if profile.board.virtual and port in (None, "auto"):
        virtual = start_board(profile, state, cache)
        try:
            serial = open_port(virtual.port, profile.link.baud, _POLL_S)
        except BoardError:
            virtual.close()
            raise
        link = Link(serial, is_computing=_computing(virtual), on_log=on_log)
        return BoardSession(profile, link, virtual, virtual.port)
    name = port or profile.link.port
    name = find_port() if name == "auto" else name
    serial = open_port(name, profile.link.baud, _POLL_S)
    return BoardSession(profile, Link(serial, on_log=on_log), port=name)


def _computing(virtual: VirtualBoard) -> Callable[[], bool]:
    seen = -1

    def computing() -> bool:
        nonlocal seen
        status = virtual.status()
        before, seen = seen, status["blocks"]
        return not status["idle"] and not status["blank"] and seen != before

    return computing
