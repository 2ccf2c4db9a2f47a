"""A filter as a line of text, as commands take it and the workbench shows it: `refractory period="1 ms"`."""

from __future__ import annotations

import shlex
import tomllib
import typing
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from evbench.errors import ProfileError
from evbench.profiles import FilterSettings, Model, parse_filter

FILTERS: dict[str, type[Model]] = {
    typing.get_args(kind.model_fields["name"].annotation)[0]: kind
    for kind in typing.get_args(typing.get_args(FilterSettings)[0])
}
"""Every kind of filter by its name in recipes."""

_TIMES = ("keep_within", "period")


def parse_filter_text(text: str, where: str) -> FilterSettings:
    """The filter written as its name and settings, `crop left=0 top=0 width=64 height=64`; values as in a recipe, a
    string with blanks in quotes.

    `where` names the place of the text for the user. Raises ProfileError where it is no filter.
    """
    where = f"{where} {text!r}"
    try:
        name, *pairs = shlex.split(text)
    except ValueError:
        name, pairs = "", []
    if name not in FILTERS:
        near = get_close_matches(name, FILTERS, n=1)
        remedy = f'Did you mean "{near[0]}"' if near else f"Choose one of {', '.join(FILTERS)}"
        raise ProfileError(f'There is no filter "{name}"', where=where, remedy=remedy)
    settings = [key for key in FILTERS[name].model_fields if key != "name"]
    table: dict[str, Any] = {"name": name}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or key not in settings:
            valid = f"Its settings are {', '.join(settings)}" if settings else "It has no settings"
            raise ProfileError(f'The filter {name} has no setting "{pair}"', where=where, remedy=valid)
        try:
            table[key] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            table[key] = value
    try:
        return parse_filter(table)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        key = str(problem["loc"][1])
        if problem["type"] == "missing":
            raise ProfileError(f'The filter {name} lacks "{key}"', where=where, remedy=f"Add {key}=…") from None
        message = problem["msg"].removeprefix("Value error, ").replace("Input should be", "it should be")
        raise ProfileError(
            f"{key} of the filter {name} is wrong: {message}", where=where, remedy="Correct it"
        ) from None


def filter_text(settings: FilterSettings) -> str:
    """What `parse_filter_text` reads: the filter's name and all its settings."""
    return f"{settings.name} {settings_text(settings)}".rstrip()


def settings_text(settings: FilterSettings) -> str:
    """A filter's settings without its name, as `parse_filter_text` reads them."""
    values = settings.model_dump(mode="json", exclude={"name"})
    return " ".join(f"{key}={_value(key, value)}" for key, value in values.items())


def _value(key: str, value: object) -> str:
    if key in _TIMES and isinstance(value, int):
        return f'"{value / 1000:g} ms"' if value >= 1000 else f'"{value} us"'
    if isinstance(value, list):
        return f"[{','.join(str(entry) for entry in value)}]"
    return f"{value:g}" if isinstance(value, float) else str(value)
