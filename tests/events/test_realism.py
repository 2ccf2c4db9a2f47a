"""The figures that real and simulated recordings are compared by, and that the simulated ones stay near the real."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from evbench.events.realism import measure, read_folder, simulated, table
from evbench.events.realism_pictures import curves, gallery, main
from evbench.events.stream import EventStream, SensorGeometry


@pytest.fixture(scope="module")
def few():
    """Figures of five simulated people, for three seconds each."""
    return measure(simulated(range(0, 29, 6), seconds=3.0))


def test_figures_of_a_known_stream():
    # Two windows of 50 ms: pixel (0, 0) has ON, its echo, OFF; pixel (3, 3) one ON; the last event opens a third.
    t = [0, 1, 20_000, 60_000, 100_000]
    x = [0, 0, 0, 3, 1]
    stream = EventStream.from_arrays(t, x, x, [1, 1, 0, 1, 1], SensorGeometry(4, 4))
    found = measure([stream])
    assert found.events.tolist() == [3, 1]
    np.testing.assert_allclose(found.nonzero, [100 * 2 / 160, 100 * 1 / 160])
    assert found.count == pytest.approx(5 / 4)
    assert (found.on, found.echo, found.alternating) == (0.8, 0.2, 1.0)
    assert found.interval_us.tolist() == [20_000]
    assert found.quiet_hz == 0.0
    assert found.alone_hz == pytest.approx(5 / 0.100001 / 16)


def test_nothing_to_measure_is_an_error(few):
    with pytest.raises(ValueError, match="No recording"):
        measure([])


def test_simulated_gestures_have_the_statistics_of_real_recordings(shared_data, few):
    real = {name: measure(read_folder(shared_data / name)) for name in ("dvs128-waves", "dvs128-objects")}
    print(table({**real, "simulated": few}))

    def between(name, share=None, slack=1.5):
        """The simulated figure lies between those of the two real sets, give or take a factor of `slack`."""
        figures = [getattr(one, name) for one in (*real.values(), few)]
        if share is not None:
            figures = [float(np.percentile(values, share)) for values in figures]
        low, high = min(figures[:2]) / slack, max(figures[:2]) * slack
        assert low <= figures[2] <= high, (name, share, figures)

    for share in (5, 50, 95):
        between("events", share, slack=3.5 if share == 5 else 1.5)
        between("nonzero", share, slack=3.5 if share == 5 else 1.5)
        between("interval_us", share, slack=2.0)
    for name in ("count", "on", "echo", "alternating", "quiet_hz", "quiet_on", "alone_hz"):
        between(name, slack=2.0)


def test_most_windows_hold_what_a_real_one_does(few):
    assert np.mean((few.events >= 100) & (few.events <= 1_300)) > 0.75
    assert 0.1 < np.median(few.nonzero) < 0.5


def test_the_table_has_a_column_per_set(few):
    lines = table({"real": few, "simulated": few}).splitlines()
    assert lines[0].split() == ["real", "simulated"]
    assert all(len(line) == len(lines[0]) for line in lines)
    assert re.search(r"ON events +\d+ % +\d+ %", "\n".join(lines))


def test_pictures_are_svg_that_says_simulated(few):
    drawn = gallery(subjects=(0,), windows=(0, 1))
    root = ElementTree.fromstring(drawn)
    assert len(root.findall("{*}image")) == 11
    assert "simulated subject 1" in drawn
    plots = curves({"dvs128-objects": few, "simulated": few})
    assert len(ElementTree.fromstring(plots).findall("{*}polyline")) == 6
    assert "simulated gestures" in plots
    assert "real: dvs128-objects" in plots


def test_the_command_prints_the_table_and_draws_the_pictures(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("evbench.events.realism_pictures.gallery", lambda: "<svg/>")
    main(["--subjects", "1", "--pictures", str(tmp_path / "pictures")])
    assert "simulated" in capsys.readouterr().out
    assert (tmp_path / "pictures" / "simulated-beside-real.svg").read_text().startswith("<svg")
    assert (tmp_path / "pictures" / "simulated-gestures.svg").read_text() == "<svg/>"
