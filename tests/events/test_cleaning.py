"""A recipe's filters, applied in its order."""

from __future__ import annotations

import numpy as np
import pytest

from evbench.errors import ProfileError
from evbench.events.cleaning import filter_stream
from evbench.events.filters import background_activity, hot_pixels, outside_pixels, refractory_period
from evbench.events.stream import SensorGeometry
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


def test_a_filter_that_does_not_suit_the_sensor_is_named(sample):
    with pytest.raises(ProfileError, match="downsample does not suit") as caught:
        filter_stream(sample, [parse_filter({"name": "downsample", "size": [500, 500]})])
    assert caught.value.where == "representation.filters.0"


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
