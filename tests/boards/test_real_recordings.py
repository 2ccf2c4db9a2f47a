"""The bundled model on real recordings: what the virtual board makes of a sensor's events, beside the reference."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from evbench.boards.execution import BoardExecution
from evbench.boards.sensor import SensorStream
from evbench.boards.session import open_board
from evbench.compile.build import build_firmware
from evbench.events.cleaning import filter_stream
from evbench.events.recording import open_recording
from evbench.events.stream import EventStream
from evbench.events.windows import first_window_start, in_time_order
from evbench.graph.execute import execute
from evbench.jobs.models import open_model
from evbench.profiles import load_board, parse_filter

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
FOLDERS = ("dvs128-objects/test", "dvs128-waves")
KIB = 1024
WINDOWS = 3


@pytest.fixture(scope="module")
def recordings() -> list[EventStream]:
    """The first recording of each folder."""
    missing = [folder for folder in FOLDERS if not (DATA / folder).is_dir()]
    if missing:
        pytest.skip(f"{', '.join(missing)} not in {DATA}")
    files = [next(path for path in sorted((DATA / folder).rglob("*")) if path.is_file()) for folder in FOLDERS]
    return [in_time_order(open_recording(path).read()) for path in files]


@pytest.mark.parametrize("keep_within", [None, 30_000], ids=["no filter", "30 ms"])
def test_the_board_filters_counts_and_computes_what_the_reference_does(
    keep_within: int | None, recordings: list[EventStream], tmp_path_factory: pytest.TempPathFactory
) -> None:
    filters = [] if keep_within is None else [{"name": "background-activity", "keep_within": keep_within}]
    bundled = open_model(None).graph
    graph = dataclasses.replace(bundled, metadata={**bundled.metadata, "filters": json.dumps(filters)})
    board = load_board("virtual-h743")
    cache = tmp_path_factory.getbasetemp() / "builds"
    build = build_firmware(graph, board, cache)
    assert build.flash_bytes <= 256 * KIB
    assert build.ram_bytes <= 320 * KIB
    with open_board(board, cache=tmp_path_factory.getbasetemp() / "native") as session:
        session.flash(build)
        execution = BoardExecution(session, build, graph)
        for recorded in recordings:
            stream = SensorStream.of(graph, recorded)
            assert stream is not None
            kept = filter_stream(recorded, tuple(parse_filter(entry) for entry in filters))
            np.testing.assert_array_equal(stream.kept.t, kept.t)
            np.testing.assert_array_equal(stream.kept.x, kept.x)
            duration = stream.settings.window
            middle = first_window_start(int(recorded.t[len(recorded) // 2]), duration)
            windows = [stream.window(middle + number * duration) for number in range(WINDOWS)]
            windows.append(stream.window(windows[-1].first + duration // stream.settings.bins))
            grids = np.stack([window.grid for window in windows])
            assert grids.any(axis=(1, 2, 3)).all()
            found = execution.run(windows)
            for name, values in execute(graph, grids).items():
                np.testing.assert_array_equal(found[name], values, err_msg=name)
