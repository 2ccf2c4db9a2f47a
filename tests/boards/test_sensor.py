"""Windows that a board makes of a sensor's events itself: the grids of training, whatever was sent before."""

from __future__ import annotations

import dataclasses
import itertools
import json

import numpy as np
import pytest

from evbench.boards import sensor
from evbench.boards.frames import MAX_PAYLOAD, FrameReader, Type
from evbench.boards.link import Link
from evbench.boards.sensor import SensorStream, SensorWindow, pack_stream
from evbench.boards.session import BoardSession
from evbench.compile.host import HostModel
from evbench.events.stream import EventStream, SensorGeometry
from evbench.graph.execute import execute
from evbench.graph.model import IntegerGraph
from evbench.profiles import load_board
from tests.graph.networks import random_graph

HEIGHT, WIDTH, BINS, WINDOW = 24, 20, 2, 1000


class HostPort:
    """A serial port with the firmware's server behind it; loses the answers whose numbers are in `lost`."""

    def __init__(self, model: HostModel) -> None:
        self._library, self._answers = model.library, bytearray()
        self._count = itertools.count()
        self.lost: set[int] = set()
        self.seen: list[tuple[int, bytes]] = []
        model.library.ev_host_start()

    def write(self, data: bytes) -> int:
        import ctypes

        self.seen += [(frame.type, frame.payload) for frame in FrameReader().feed(data) if frame]
        room = ctypes.create_string_buffer(1 << 16)
        length = self._library.ev_host_feed(data, ctypes.c_uint32(len(data)), room, ctypes.c_uint32(1 << 16))
        if next(self._count) not in self.lost:
            self._answers += room.raw[:length]
        return len(data)

    def read(self, size: int = 1) -> bytes:
        taken = bytes(self._answers[:size])
        del self._answers[:size]
        return taken

    def close(self) -> None:
        pass

    @property
    def in_waiting(self) -> int:
        return len(self._answers)


def graph_with(filters: list[dict[str, object]], **metadata: str) -> IntegerGraph:
    graph = random_graph(3, size=(HEIGHT, WIDTH), bins=BINS, width=4, classes=5)
    described = {"window_us": str(WINDOW), "bins": str(BINS), "filters": json.dumps(filters)}
    return dataclasses.replace(graph, metadata=described | metadata)


def filtering(keep_within: int | None) -> IntegerGraph:
    return graph_with([] if keep_within is None else [{"name": "background-activity", "keep_within": keep_within}])


def events(seed: int, count: int, duration: int, width: int = WIDTH, height: int = HEIGHT) -> EventStream:
    rng = np.random.default_rng(seed)
    return EventStream(
        np.sort(rng.integers(0, duration, count)) + 10**10,
        rng.integers(0, width, count).astype(np.uint16),
        rng.integers(0, height, count).astype(np.uint16),
        rng.random(count) < 0.5,
        SensorGeometry(width, height),
    )


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[int | None, HostModel]:
    cache = tmp_path_factory.getbasetemp() / "native"
    return {keep_within: HostModel(filtering(keep_within), cache) for keep_within in (None, 150, 2500)}


def opened(model: HostModel) -> tuple[BoardSession, HostPort]:
    port = HostPort(model)
    return BoardSession(load_board("nucleo-h743zi2"), Link(port, timeout=0.05)), port


def assert_board_has(session: BoardSession, model: HostModel, window: SensorWindow) -> int:
    """Runs a window and compares its grid and logits; returns how many events the board was given for it."""
    result = session.run_window(window, BINS).result
    stored = np.frombuffer(session.dump(0, window.grid.size), np.uint8).reshape(HEIGHT, WIDTH, 2 * BINS)
    np.testing.assert_array_equal(np.moveaxis(stored, -1, 0), window.grid)
    graph = model.graph
    np.testing.assert_array_equal(result.logits, execute(graph, window.grid[None])[graph.outputs[0]][0])
    assert result.voxelising.counted <= result.voxelising.given
    return result.voxelising.given


def stream_of(model: HostModel, recorded: EventStream) -> SensorStream:
    stream = SensorStream.of(model.graph, recorded)
    assert stream is not None
    return stream


@pytest.mark.parametrize("hop", [250, 500, 1000, 1700])
@pytest.mark.parametrize("keep_within", [None, 150, 2500])
def test_windows_of_any_hop_are_those_of_training(
    models: dict[int | None, HostModel], keep_within: int | None, hop: int
) -> None:
    model = models[keep_within]
    recorded = events(5, 3000, 9000)
    stream = stream_of(model, recorded)
    session, _ = opened(model)
    for first in range(0, 9000, hop):
        given = assert_board_has(session, model, stream.window(10**10 + first))
        new = np.searchsorted(recorded.t, [10**10 + first + WINDOW - hop, 10**10 + first + WINDOW])
        if hop in (500, 1000) and first:
            assert given == new[1] - new[0]


def test_windows_in_no_order_and_between_grids_are_those_of_training(models: dict[int | None, HostModel]) -> None:
    model = models[150]
    stream, other = stream_of(model, events(6, 2000, 9000)), stream_of(model, events(7, 2000, 9000))
    session, _ = opened(model)
    assert_board_has(session, model, stream.window(10**10 + 3000))
    assert_board_has(session, model, other.window(10**10 + 4000))
    assert_board_has(session, model, stream.window(10**10 + 500))
    dense = np.full((2 * BINS, HEIGHT, WIDTH), 3, np.uint8)
    session.run_window(dense, BINS)
    assert_board_has(session, model, stream.window(10**10 + 1500))


@pytest.mark.parametrize("lost", range(12))
def test_an_answer_that_was_lost_changes_no_window(models: dict[int | None, HostModel], lost: int) -> None:
    model = models[150]
    stream = stream_of(model, events(8, 2500, 4000))
    session, port = opened(model)
    port.lost = {lost}
    for first in range(0, 3000, 500):
        assert_board_has(session, model, stream.window(10**10 + first))


def test_the_filter_forgets_before_a_time_could_come_round(
    models: dict[int | None, HostModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = models[150]
    monkeypatch.setattr(sensor, "_LONGEST", 4000)
    stream = stream_of(model, events(9, 2500, 9000))
    session, port = opened(model)
    for first in range(0, 9000, 1000):
        assert_board_has(session, model, stream.window(10**10 + first))
    forgotten = [payload for kind, payload in port.seen if kind == Type.BEGIN and payload[4] & 1]
    assert len(forgotten) == 5


def test_packed_events_keep_place_and_time_in_frames_of_bounded_size() -> None:
    stream = events(10, 1000, 300_000)
    found = []
    for payload in pack_stream(stream, 10**10):
        assert len(payload) <= MAX_PAYLOAD
        first, *words = np.frombuffer(payload, "<u4").tolist()
        found += [(first + (word >> 17), word & 255, word >> 8 & 255, word >> 16 & 1) for word in words]
    columns = (stream.t - 10**10, stream.x, stream.y, stream.on)
    assert found == list(zip(*(column.tolist() for column in columns), strict=True))


def test_a_small_sensor_lies_centred_on_the_grid(models: dict[int | None, HostModel]) -> None:
    model = models[150]
    stream = stream_of(model, events(11, 900, 3000, width=12, height=12))
    session, _ = opened(model)
    assert_board_has(session, model, stream.window(10**10 + 1000))


@pytest.mark.parametrize(
    ("graph", "width"),
    [
        (graph_with([{"name": "hot-pixels"}]), WIDTH),
        (graph_with([], window_us="?"), WIDTH),
        (filtering(150), WIDTH + 2),
        (random_graph(1, size=(32, 260), bins=2, width=4), WIDTH),
    ],
    ids=["another filter", "no window", "neighbours beyond the grid", "no room in packed events"],
)
def test_a_stream_that_the_board_would_treat_otherwise_than_training_is_none_for_it(
    graph: IntegerGraph, width: int
) -> None:
    assert SensorStream.of(graph, events(1, 10, 100, width=width)) is None


def test_a_sensor_larger_than_the_grid_is_cropped_where_nothing_is_filtered(
    models: dict[int | None, HostModel],
) -> None:
    model = models[None]
    stream = stream_of(model, events(12, 900, 3000, width=30, height=30))
    session, _ = opened(model)
    assert_board_has(session, model, stream.window(10**10 + 1000))
