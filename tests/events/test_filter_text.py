"""Filters as a command line has them."""

from __future__ import annotations

import pytest

from evbench.errors import ProfileError
from evbench.events.cleaning import filters_to_try
from evbench.events.filter_text import FILTERS, filter_text, parse_filter_text
from evbench.events.stream import SensorGeometry
from evbench.profiles import parse_filter


@pytest.mark.parametrize(
    ("text", "table"),
    [
        ('background-activity keep_within="30 ms"', {"name": "background-activity", "keep_within": 30_000}),
        ("refractory period=500us", {"name": "refractory", "period": 500}),
        ("hot-pixels", {"name": "hot-pixels", "factor": 10.0}),
        ("mirror swap=top-bottom", {"name": "mirror", "swap": "top-bottom"}),
        ("downsample size=[64,32]", {"name": "downsample", "size": (64, 32)}),
        ("crop left=1 top=2 width=3 height=4", {"name": "crop", "left": 1, "top": 2, "width": 3, "height": 4}),
    ],
)
def test_a_filter_is_read_as_a_recipe_has_it(text, table):
    assert parse_filter_text(text, "--filter") == parse_filter(table)


@pytest.mark.parametrize("settings", filters_to_try(SensorGeometry(128, 96)), ids=lambda settings: settings.name)
def test_every_filter_that_is_written_is_read_again(settings):
    assert parse_filter_text(filter_text(settings), "--filter") == settings


def test_there_is_one_filter_to_try_of_every_kind():
    assert sorted(settings.name for settings in filters_to_try(SensorGeometry(1, 1))) == sorted(FILTERS)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("backgroundactivity", 'Did you mean "background-activity"'),
        ("", "Choose one of background-activity"),
        ("crop left='", "Choose one of background-activity"),
        ("refractory", 'lacks "period"'),
        ("refractory period=0", "period of the filter refractory is wrong"),
        ("refractory period=3GB", "not a duration"),
        ("mirror swap=both", "it should be"),
        ("downsample size=[0,4]", "size of the filter downsample is wrong"),
        ("rotate turns=2", "Its settings are quarters"),
        ("rotate 2", "Its settings are quarters"),
        ("polarity-merge on=1", "It has no settings"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_a_remedy(text, told):
    with pytest.raises(ProfileError) as caught:
        parse_filter_text(text, "--filter")
    assert told in str(caught.value)
    assert caught.value.where == f"--filter {text!r}"
