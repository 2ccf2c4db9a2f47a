"""A recipe's filters, applied in its order."""

from __future__ import annotations

import numpy as np
import pytest

from evbench.errors import ProfileError
from evbench.events.cleaning import clean, filter_stream
from evbench.events.filters import background_activity, hot_pixels, outside_pixels, refractory_period
from evbench.events.stream import EventStream, SensorGeometry
from evbench.events.transforms import crop, downsample, merge_polarities, mirror, rotate
from evbench.profiles import load_recipe, parse_filter

CASES = [
    ({"name": "background-activity", "keep_within": "300 ms"}, lambda s: s[background_activity(s, 300_000)]),
    ({"name": "hot-pixels", "factor": 2}, lambda s: s[outside_pixels(s, hot_pixels(s, 2))]),
    ({"name": "refractory", "period": "1 s"}, lambda s: s[refractory_period(s, 1_000_000)]),
    ({"name": "polarity-merge"}, merge_polarities),
    ({"name": "crop", "left": 8, "top": 4, "width": 64, "height": 100}, lambda s: crop(s, 8, 4, 64, 100)),
    ({"name": "rotate", "quarters": 3}, lambda s: rotate(s, 3)),
    ({"name": "mirror"}, lambda s: mirror(s, "left-right")),
    ({"name": "downsample", "size": [32, 64]}, lambda s: downsample(s, (32, 64))),
]


@pytest.mark.parametrize(("table", "expected"), CASES, ids=lambda case: case["name"] if isinstance(case, dict) else "")
def test_each_filter_of_a_recipe_is_the_function_of_its_name(sample, same_events, table, expected):
    filtered = filter_stream(sample, [parse_filter(table)])
    same_events(filtered, expected(sample))
    assert filtered.geometry == expected(sample).geometry


def test_filters_work_one_after_the_other(sample):
    tables = [{"name": "crop", "left": 0, "top": 0, "width": 64, "height": 32}, {"name": "rotate"}]
    filtered = filter_stream(sample, [parse_filter(table) for table in tables])
    assert filtered.geometry == SensorGeometry(32, 64)
    assert len(filtered) == np.count_nonzero((sample.x < 64) & (sample.y < 32))


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int8, np.int64])
@pytest.mark.parametrize("table", [table for table, _ in CASES], ids=lambda table: table["name"])
def test_filters_know_polarity_of_every_kind(sample, same_events, table, dtype):
    polarity = np.where(sample.on, 1, -1 if np.issubdtype(dtype, np.signedinteger) else 0).astype(dtype)
    stream = EventStream.from_arrays(sample.t, sample.x, sample.y, polarity, sample.geometry)
    filtered = filter_stream(stream, [parse_filter(table)])
    same_events(filtered, filter_stream(sample, [parse_filter(table)]))
    assert filtered.on.dtype == np.bool_
    assert 0 < np.count_nonzero(filtered.on) < len(filtered) or table["name"] == "polarity-merge"


def test_each_filter_says_what_it_kept_and_which_pixels_it_masked():
    t = np.arange(400)
    x, y = np.where(t % 2, 3, t % 20), np.where(t % 2, 5, t // 20 % 20)
    stream = EventStream.from_arrays(t, x, y, t % 3 > 0, SensorGeometry(20, 20))
    tables = [{"name": "hot-pixels"}, {"name": "crop", "left": 0, "top": 0, "width": 10, "height": 20}]
    cleaned = clean(stream, [parse_filter(table) for table in tables])
    hot, cropped = cleaned.steps
    assert (hot.before, hot.after, hot.hot) == (400, 200, ((3, 5),))
    assert (cropped.before, cropped.after, cropped.hot) == (200, len(cleaned.stream), ())
    assert hot.kept == 0.5
    assert hot.to_json() == {
        "name": "hot-pixels",
        "factor": 10.0,
        "events_before": 400,
        "events_after": 200,
        "hot_pixels": [[3, 5]],
    }
    assert "hot_pixels" not in cropped.to_json()


def test_a_filter_that_does_not_suit_the_sensor_is_named(sample):
    with pytest.raises(ProfileError, match="downsample does not suit") as caught:
        filter_stream(sample, [parse_filter({"name": "downsample", "size": [500, 500]})])
    assert caught.value.where == "downsample size=[500,500]"


def recipe(tmp_path, line):
    path = tmp_path / "a.toml"
    path.write_text(f'[dataset]\nname = "simulated-bars"\n[representation]\nfilters = [{line}]\n')
    return path


def test_a_recipe_may_name_every_filter(tmp_path):
    lines = ", ".join(
        "{ " + ", ".join(f"{key} = {value!r}".replace("'", '"') for key, value in table.items()) + " }"
        for table, _ in CASES
    )
    filters = load_recipe(recipe(tmp_path, lines)).representation.filters
    assert [settings.name for settings in filters] == [table["name"] for table, _ in CASES]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{ name = "crop", left = 0, top = 0, width = 4, hight = 4 }', 'Did you mean "height"'),
        ('{ name = "rotate", quarters = 7 }', "representation.filters.0.quarters"),
        ('{ name = "blur" }', "background-activity"),
        ('{ name = "refractory" }', "representation.filters.0.period"),
    ],
)
def test_a_mistake_in_a_filter_is_told_with_its_line(tmp_path, line, told):
    with pytest.raises(ProfileError) as caught:
        load_recipe(recipe(tmp_path, line))
    assert told in str(caught.value)
    assert "line 4" in caught.value.where
